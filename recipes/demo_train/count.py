"""A written instruction asks for a count; each occurrence is answered with the number so far, nothing else is.

instruction   count the barks
sound             [ bark ]     [ footsteps ]     [ bark ]
visitor                                                       [ Anna, is dinner ready? ]
response                ^ "once"                       ^ "twice"
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside

COUNTED = {"dog_bark": "count the barks", "doorbell": "count the doorbells", "cow": "count the cows"}
TIMES = ("once", "twice", "three times", "four times")
OTHERS = ("footsteps", "sneeze")


@subtask(ability="streaming_instruction_following", languages=("en",), needs=("sounds", "speech"))
def count(scene: Scene) -> None:
    sound = scene.choose_sound(labels=tuple(COUNTED), countable=True)
    scene.instruct(COUNTED[sound.label])
    scene.finish()  # the instruction holds to the end of the stream: no other episode may follow
    for times in TIMES[: scene.integer(2, 4)]:
        if scene.chance(0.1):
            aside(scene)
            scene.pause(0.4, 1.2)
        elif scene.chance(0.5):
            other = scene.play(scene.choose_sound(labels=(*COUNTED, *OTHERS), unlike=sound), max_s=2.0)
            scene.stay_silent(other, "not the sound to be counted")
            scene.pause(0.4, 1.2)
        heard = scene.play(sound, single=True, max_s=2.0)
        scene.respond(times, evidence=heard.recognisable, kind="count")
        scene.pause(0.6, 1.5)
