"""One offline turn: a spoken question of fact and its answer.

user       [ how many days has a leap year? ]
response                                    ^ "A leap year has ..."
"""

from soundflow_data import Scene, subtask
from soundflow_data.texts import load_texts


@subtask(ability="voice_chatting", background=False, needs=("speech",))
def answer(scene: Scene) -> None:
    fact = scene.choice(load_texts("facts")[scene.language])
    asked = scene.say(scene.choice(fact["questions"]))
    scene.respond(scene.choice(fact["answers"]), evidence=asked.end)
    scene.finish()
