"""A question of fact is answered when it is complete; the same question to somebody else is left alone.

visitor    [ Anna, which planet is the largest? ]
user                                                [ and how many days has a leap year? ]
response                                                                                  ^ "A leap year has ..."
"""

from soundflow_data import Heard, Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude
from soundflow_data.exchanges import ask, draw_exchange
from soundflow_data.questions import draw_fact, draw_slots


@subtask(ability="voice_chatting", needs=("speech",))
def factual_qa(scene: Scene) -> None:
    interlude(scene, most=1, talk=0.7)
    for _ in range(scene.integer(1, 3)):
        if scene.chance(0.4):
            aside(scene, _lead_in(scene, _draw(scene)[0]))
            scene.pause(0.6, 2.0)
        asked, answer = _ask(scene)
        scene.respond(answer, evidence=asked.end)
        scene.pause(0.4, 2.0)
        if scene.chance(0.4):
            aside(scene, asked.text)  # passed on to somebody else
            scene.pause(0.4, 1.5)


def _ask(scene: Scene) -> tuple[Heard, str]:
    exchange = draw_exchange(scene)
    if exchange:
        return ask(scene, exchange, speaker=anybody(scene)), exchange.reply
    question, answer = _draw(scene)
    return scene.say(_lead_in(scene, question), speaker=anybody(scene)), answer


def _lead_in(scene: Scene, question: str) -> str:
    lead_in = scene.phrase(scene.texts("factual_qa")["lead_ins"])
    return lead_in + (question[:1].lower() + question[1:] if lead_in else question)


def _draw(scene: Scene) -> tuple[str, str]:
    about = scene.choice(["facts", "facts", "capitals", "sums"])
    if about == "facts":
        return draw_fact(scene)
    table, slots = scene.texts("factual_qa")[about], draw_slots(scene, about)
    return scene.phrase(table["ask"], **slots), scene.phrase(table["tell"], **slots).strip()
