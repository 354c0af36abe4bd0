"""The user stops to think and starts over inside one turn: the answer waits for the end, and follows the correction.

user       [ what is the capital of ]  .....  [ Canada, no, I mean Japan? ]            [ and what is ] .. [ never mind ]
response                                                                   ^ "It is Tokyo."
"""

import re

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside, interlude
from soundflow_data.exchanges import draw_exchange
from soundflow_data.questions import draw_fact, draw_slots

Pieces = tuple[str, str, str]  # how a question opens, how it closes, and the answer


@subtask(ability="voice_chatting", needs=("speech",))
def hesitant_speaker(scene: Scene) -> None:
    words = scene.texts("hesitant_speaker")
    opening, closing, answer = _split_real(scene) or _draw(scene)
    late = scene.chance(0.5)
    interlude(scene, most=1, talk=0.7)
    if not late and scene.chance(0.4):
        aside(scene, draw_fact(scene)[0])
        scene.pause(0.5, 1.5)
    openings = [scene.phrase(words["starts"])] * scene.chance(0.25) + [opening] * scene.integer(1, 2)  # some start over
    for part in openings:
        scene.stay_silent(scene.say(part), "the speaker is still thinking")
        scene.pause(0.6, 2.8)
    if scene.chance(0.25):
        scene.stay_silent(scene.say(scene.phrase(words["never_mind"])), "the question is taken back")
    else:
        scene.respond(answer, evidence=scene.say(closing).end)
    scene.pause(0.6, 1.5)
    if late:
        aside(scene, draw_fact(scene)[0])
    interlude(scene, most=1, talk=0.7)


def _split_real(scene: Scene) -> Pieces | None:
    """Draws a request of a bank and a place in it where a speaker may stop to think."""
    exchange = draw_exchange(scene)
    if exchange is None:
        return None
    text = exchange.text
    marks = [found.end() for found in re.finditer("[，、]" if scene.language == "zh" else " ", text)]
    inner = [mark for mark in marks if 0.25 < mark / len(text) < 0.8]
    if not inner:
        return None
    mark = scene.choice(inner)
    opening = text[:mark].rstrip(" ,，、") + scene.phrase(scene.texts("hesitant_speaker")["fillers"]).lower()
    return opening, text[mark:], exchange.reply


def _draw(scene: Scene) -> Pieces:
    words = scene.texts("hesitant_speaker")
    about = scene.choice(["facts", "capitals", "sums"])
    if about == "facts":
        return scene.phrase(words["starts"]), *draw_fact(scene)
    slots = draw_slots(scene, about)
    opening, closing, answer = (scene.phrase(words[about][part], **slots) for part in ("open", "close", "tell"))
    return opening, closing, answer.strip()
