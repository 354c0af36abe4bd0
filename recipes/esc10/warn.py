"""Nobody asks anything: a crying baby, fire and a chainsaw are answered as soon as they are recognised, others are not.

sound       [ sea waves ... ]        [ crackling fire ....... ]       [ sneeze ]
response                                   ^ "Something is on fire. Leave the room."
"""

from soundflow_data import Scene, subtask

WARNINGS = {
    "baby_cry": "The baby is crying.",
    "fire_crackle": "Something is on fire. Leave the room.",
    "chainsaw": "A chainsaw is running. Keep away.",
}
EVERYDAY = ("dog_bark", "rooster", "rain", "sea_waves", "clock_tick", "helicopter", "sneeze")


@subtask(ability="proactive_response", languages=("en",), needs=("sounds",))
def warn(scene: Scene) -> None:
    for _ in range(scene.integer(5, 7)):
        if scene.chance(0.5):
            sound = scene.choose_sound(labels=tuple(WARNINGS))
            heard = scene.play(sound, max_s=2.2)
            scene.respond(WARNINGS[sound.label], evidence=heard.recognisable, kind="warning")
        else:
            heard = scene.play(scene.choose_sound(labels=EVERYDAY), max_s=2.2)
            scene.stay_silent(heard, "harmless")
        scene.pause(0.4, 1.0)
