"""A conversation: every user turn is answered, later ones rest on earlier ones, talk to other people is left alone.

user       [ a table for four ]             [ Anna, is that right? ] [ at seven ]           [ how many? ]
response                       ^ "For when?"                                    ^ "Booked."              ^ "Four."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside, interlude
from soundflow_data.exchanges import REAL_SHARE, voiced


@subtask(ability="voice_chatting", needs=("speech",))
def multi_turn_dialogue(scene: Scene) -> None:
    interlude(scene, most=1, talk=0.7)
    if scene.library.conversations.get(scene.language) and scene.chance(REAL_SHARE):
        person = _recorded(scene)
    else:
        person = _written(scene)
    if scene.chance(0.3):
        scene.pause(0.4, 1.5)
        closer = scene.phrase(scene.texts("dialogue_asides")["closers"])
        scene.stay_silent(scene.say(closer, speaker=person), "addressed to somebody else")


def _recorded(scene: Scene) -> str:
    bank, rows = scene.choose_dialogue(several=True)
    person = voiced(scene, bank, rows[0])
    for row in rows[: scene.integer(2, 6)]:  # from the start: later turns rest on earlier ones
        turn = scene.replay(bank, row, speaker=person)
        if turn.reply:
            scene.respond(turn.reply, evidence=turn.end)
        else:
            scene.stay_silent(turn, "the conversation is over")
        scene.pause(0.3, 1.5)
        _interrupt(scene)
    return person


def _written(scene: Scene) -> str:
    dialogue = scene.choice(scene.texts("dialogues"))
    slots = {name: scene.choice(values) for name, values in dialogue["slots"].items()}
    lead_ins = scene.texts("dialogue_asides")["lead_ins"]
    for user, assistant in dialogue["turns"]:
        words = scene.phrase([user], **slots)
        lead_in = scene.phrase(lead_ins)
        heard = scene.say(lead_in + (words if words.startswith("I") or not lead_in else words[:1].lower() + words[1:]))
        scene.respond(scene.phrase([assistant], **slots), evidence=heard.end)
        scene.pause(0.3, 1.5)
        _interrupt(scene)
    return "user"


def _interrupt(scene: Scene) -> None:
    """Lets somebody say at times what could belong to the conversation, or something short, to somebody else."""
    if not scene.chance(0.45):
        return
    other = scene.choice(scene.texts("dialogues"))
    slots = {name: scene.choice(values) for name, values in other["slots"].items()}
    if scene.chance(0.5):
        words = scene.phrase([scene.choice(other["turns"])[0]], **slots)
    else:
        words = scene.phrase(scene.texts("dialogue_asides")["short"])
    aside(scene, words)
    scene.pause(0.3, 1.2)
