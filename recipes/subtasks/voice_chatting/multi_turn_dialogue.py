"""A conversation: every user turn is answered, later ones rest on earlier ones, talk to other people is left alone.

user       [ a table for four ]             [ Anna, is that right? ] [ at seven ]           [ how many? ]
response                       ^ "For when?"                                    ^ "Booked."              ^ "Four."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside, interlude

CLOSERS = {
    "en": ["[thanks|thank you|great], [Anna|Tom|Maria|Peter], [I will tell them|that was the call|we can go now]."],
    "zh": ["[好了|行了]，[小王|妈妈|李明]，[我问好了|打完了|咱们走吧]。"],
}


@subtask(ability="voice_chatting", needs=("speech",))
def multi_turn_dialogue(scene: Scene) -> None:
    interlude(scene, most=1)
    if scene.has_dialogues and scene.chance(0.5):
        _recorded(scene)
    else:
        _written(scene)
    if scene.chance(0.3):
        scene.pause(0.4, 1.5)
        scene.stay_silent(scene.say(scene.phrase(CLOSERS)), "addressed to somebody else")


def _recorded(scene: Scene) -> None:
    bank, rows = scene.choose_dialogue()
    turns = scene.integer(2, 6)
    first = scene.integer(0, max(0, len(rows) - turns))
    for row in rows[first : first + turns]:
        turn = scene.replay(bank, row)
        if turn.reply:
            scene.respond(turn.reply, evidence=turn.end)
        else:
            scene.stay_silent(turn, "the conversation is over")
        scene.pause(0.3, 1.5)


def _written(scene: Scene) -> None:
    dialogue = scene.choice(scene.texts("dialogues"))
    slots = {name: scene.choice(values) for name, values in dialogue["slots"].items()}
    for user, assistant in dialogue["turns"]:
        turn = scene.say(scene.phrase([user], **slots))
        scene.respond(scene.phrase([assistant], **slots), evidence=turn.end)
        scene.pause(0.3, 1.5)
        if scene.chance(0.4):
            other = scene.choice(scene.choice(scene.texts("dialogues"))["turns"])[0]
            aside(scene, "" if "{" in other or scene.chance(0.4) else scene.phrase([other]))
            scene.pause(0.4, 1.2)
