"""A recorded conversation: every user turn is answered, and the user waits while the assistant speaks.

user       [ find me a restaurant ]              [ Italian, in San Jose ]               [ what is its address? ]
response                           ^ "Where?"                            ^ "How about ..."                      ^ ...
"""

from soundflow_data import Scene, subtask


@subtask(ability="voice_chatting", languages=("en",), needs=("dialogues",))
def multi_turn_dialogue(scene: Scene) -> None:
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
