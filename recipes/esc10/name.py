"""A written instruction asks for the names of sounds: each of ten is named as soon as it is recognised.

instruction   name every sound
sound             [ clock ticking ... ]       [ rooster ]
response                 ^ "A clock."               ^ "A rooster."
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
def name(scene: Scene) -> None:
    scene.instruct("name every sound")
    scene.finish()  # the instruction holds to the end of the stream: no other episode may follow
    for _ in range(scene.integer(5, 7)):
        sound = scene.choose_sound(labels=tuple(SOUNDS))
        heard = scene.play(sound, max_s=2.2)
        called = SOUNDS[sound.label]
        scene.respond(f"{called[:1].upper()}{called[1:]}.", evidence=heard.recognisable, kind="name")
        scene.pause(0.4, 1.0)
