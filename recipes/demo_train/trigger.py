"""A written instruction names a sound; it is told each time as soon as it is recognised, nothing else is.

instruction   tell me when the doorbell rings
sound             [ dog barking ]     [ doorbell ]
visitor                                                [ Tom, have you seen my keys? ]
response                                   ^ "The doorbell."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside

TRIGGERS = {
    "dog_bark": ("tell me when a dog barks", "A dog."),
    "doorbell": ("tell me when the doorbell rings", "The doorbell."),
    "cow": ("tell me when a cow moos", "A cow."),
}
OTHERS = ("footsteps", "sneeze")


@subtask(ability="streaming_instruction_following", languages=("en",), needs=("sounds", "speech"))
def trigger(scene: Scene) -> None:
    sound = scene.choose_sound(labels=tuple(TRIGGERS))
    instruction, answer = TRIGGERS[sound.label]
    scene.instruct(instruction)
    scene.finish()  # the instruction holds to the end of the stream: no other episode may follow
    for _ in range(scene.integer(3, 5)):
        if scene.chance(0.5):
            heard = scene.play(sound, max_s=2.0)
            scene.respond(answer, evidence=heard.recognisable, kind="trigger")
        elif scene.chance(0.15):
            aside(scene)
        else:
            other = scene.play(scene.choose_sound(labels=(*TRIGGERS, *OTHERS), unlike=sound), max_s=2.0)
            scene.stay_silent(other, "not the sound that was asked for")
        scene.pause(0.6, 1.5)
