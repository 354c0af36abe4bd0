"""A question whose answer lies at least three rounds back in the user's words; what was corrected last counts.

user       [ I parked on level two ]       [ no, level four ]        [ capital of Japan? ] .. [ where did I park? ]
response                           ^ "Okay."                ^ "Noted."                 ^ "Tokyo."           ^ "Level 4."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside, interlude
from soundflow_data.questions import draw_fact, draw_slots

ROUNDS_BACK = 3


@subtask(ability="environment_aware_agent", needs=("speech",), last=True)
def history_review(scene: Scene) -> None:
    table = scene.texts("memories")
    kept, *others = scene.sample(table["memories"], 3)
    wrong, value = (str(one) for one in scene.sample(kept["values"], 2))
    corrected = scene.chance(0.35)
    interlude(scene, most=1)
    _tell(scene, kept["tell"], value=wrong if corrected else value)
    rounds = ["fact"] * (ROUNDS_BACK - 1) + ["tell"] * scene.integer(0, 1) + ["fact"] * scene.integer(0, 1)
    if corrected:
        _tell(scene, kept["correct"], value=value)
    for n, kind in enumerate(scene.sample([*rounds, "fact"], len(rounds) + 1)):
        if kind == "tell":
            other = others[n % 2]
            _tell(scene, other["tell"], value=str(scene.choice(other["values"])))
        else:
            _ask_fact(scene)
        if scene.chance(0.2):
            aside(scene)
            scene.pause(0.4, 1.5)
    question = scene.phrase(kept["ask"])
    if scene.chance(0.35):
        aside(scene, question)
        scene.pause(0.6, 1.5)
    asked = scene.say(question)
    scene.respond(scene.phrase(kept["answer"], value=value), evidence=asked.end, kind="recall")
    scene.pause(0.6, 2.0)
    interlude(scene, most=2)
    scene.finish()  # another episode could speak of the same things


def _tell(scene: Scene, words: list[str], *, value: str) -> None:
    told = scene.say(scene.phrase(words, value=value))
    scene.respond(scene.phrase(scene.texts("memories")["noted"]), evidence=told.end)
    scene.pause(0.4, 1.5)


def _ask_fact(scene: Scene) -> None:
    question, answer = draw_fact(scene)
    if scene.chance(0.4):
        table, slots = scene.texts("memories"), draw_slots(scene, "capitals")
        question, answer = scene.phrase(table["capital"], **slots), scene.phrase(table["city"], **slots)
    scene.respond(answer, evidence=scene.say(question).end)
    scene.pause(0.4, 1.5)
