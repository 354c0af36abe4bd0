"""A written instruction asks for a count; each occurrence is answered with the number so far, other sounds are not.

instruction   count the barks
sound             [ bark ]     [ footsteps ]     [ bark ]
response               ^ "once"                       ^ "twice"
"""

from soundflow_data import Scene, subtask

COUNTED = {"dog_bark": "count the barks", "doorbell": "count the doorbells", "cow": "count the cows"}
TIMES = ("once", "twice", "three times", "four times")
OTHERS = ("footsteps", "sneeze")


@subtask(ability="streaming_instruction_following", languages=("en",), needs=("sounds",))
def count(scene: Scene) -> None:
    sound = scene.choose_sound(labels=tuple(COUNTED), countable=True)
    scene.instruct(COUNTED[sound.label])
    for times in TIMES[: scene.integer(1, 4)]:
        if scene.chance(0.5):
            other = scene.play(scene.choose_sound(labels=(*COUNTED, *OTHERS), unlike=sound), max_s=2.0)
            scene.stay_silent(other, "not the sound to be counted")
            scene.pause(0.6, 1.5)
        heard = scene.play(sound, single=True, max_s=2.0)
        scene.respond(times, evidence=heard.recognisable, kind="count")
        scene.pause(0.8, 2.0)
