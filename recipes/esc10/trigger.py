"""A written instruction names one of ten sounds; it is told each time as soon as it is recognised, the others are not.

instruction   tell me when you hear a rooster
sound             [ clock ticking ... ]     [ rooster ]     [ helicopter ... ]
response                                          ^ "A rooster."
"""

from soundflow_data import Scene, subtask

SOUNDS = {
    "dog_bark": "a dog",
    "rooster": "a rooster",
    "rain": "rain",
    "sea_waves": "the sea",
    "clock_tick": "a clock",
    "chainsaw": "a chainsaw",
    "helicopter": "a helicopter",
    "baby_cry": "a baby",
    "sneeze": "a sneeze",
    "fire_crackle": "fire",
}


@subtask(ability="streaming_instruction_following", languages=("en",), needs=("sounds",))
def trigger(scene: Scene) -> None:
    sound = scene.choose_sound(labels=tuple(SOUNDS))
    name = SOUNDS[sound.label]
    scene.instruct(f"tell me when you hear {name}")
    scene.finish()  # the instruction holds to the end of the stream: no other episode may follow
    for _ in range(scene.integer(5, 7)):
        if scene.chance(0.5):
            heard = scene.play(sound, max_s=2.2)
            scene.respond(f"{name[:1].upper()}{name[1:]}.", evidence=heard.recognisable, kind="trigger")
        else:
            other = scene.play(scene.choose_sound(labels=tuple(SOUNDS), unlike=sound), max_s=2.2)
            scene.stay_silent(other, "not the sound that was asked for")
        scene.pause(0.4, 1.0)
