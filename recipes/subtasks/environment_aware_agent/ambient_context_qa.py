"""The user asks about what was heard a while ago; the answer rests on the past, the moment on the end of the question.

sound       [ kettle ]        [ dog bark ]      [ doorbell ]
user                                                           [ what did you hear first? ]
response                                                                                   ^ "A kettle whistling."
"""

from soundflow_data import Heard, Scene, subtask
from soundflow_data.bystanders import anybody, aside
from soundflow_data.library import Sound

Past = list[tuple[Sound, Heard]]


@subtask(ability="environment_aware_agent", background=False, needs=("speech", "sounds"))
def ambient_context_qa(scene: Scene) -> None:
    past: Past = []
    opening = not scene.events  # only then is the first sound of the episode the first of all
    count = scene.integer(2, 3)
    for n in range(1, count + 1):
        if scene.chance(0.5):
            aside(scene)
            scene.pause(0.5, 2.0)
        sound = scene.choose_distractor(fresh=True)  # so that "before the doorbell" has one meaning
        past.append((sound, scene.play(sound, max_s=4.0)))
        scene.stay_silent(past[-1][1], "nobody asked about it yet")
        scene.pause(0.8, 2.5)
        if n == count or scene.chance(0.5):
            _ask(scene, past, opening=opening)
    if scene.chance(0.5):
        aside(scene)


def _ask(scene: Scene, past: Past, *, opening: bool) -> None:
    words = scene.texts("ambient_context_qa")
    options = ["last", "whether", "absent", *(["first"] if opening else []), *(["before"] if len(past) > 1 else [])]
    about = scene.choice(options)
    place = {"first": 0, "last": -1, "before": -2}.get(about, scene.integer(0, len(past) - 1))
    sound, source = past[place]
    asked = scene.choose_distractor(fresh=True) if about == "absent" else sound
    table = words["questions"]["whether" if about == "absent" else about]
    question = scene.phrase(table, sound=asked.phrase, later=past[-1][0].phrase)
    if scene.chance(0.5):
        aside(scene, question)
        scene.pause(0.6, 2.0)
    heard = scene.say(question, speaker=anybody(scene))
    answers = words[{"whether": "found", "absent": "absent"}.get(about, "answers")]
    scene.respond(scene.phrase(answers, sound=asked.phrase), evidence=heard.end, on=[source, heard])
    scene.pause(0.6, 2.0)
    if scene.chance(0.7):
        aside(scene, question if scene.chance(0.5) else "")  # somebody else is asked as well
        scene.pause(0.5, 1.5)
