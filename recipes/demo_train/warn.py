"""Nobody asks anything: three dangers are answered as soon as they are recognised; everyday sounds and talk are not.

sound       [ dog barking ]        [ smoke alarm ....... ]       [ doorbell ]
visitor                                                                          [ Mum, where are my glasses? ]
response                                   ^ "Smoke alarm! Check for fire."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside

WARNINGS = {
    "smoke_alarm": "Smoke alarm! Check for fire.",
    "glass_breaking": "Glass broke. Watch your feet.",
    "baby_cry": "The baby is crying.",
}
EVERYDAY = ("dog_bark", "doorbell", "cow", "footsteps", "sneeze")


@subtask(ability="proactive_response", languages=("en",), needs=("sounds", "speech"))
def warn(scene: Scene) -> None:
    for _ in range(scene.integer(3, 5)):
        if scene.chance(0.5):
            sound = scene.choose_sound(labels=tuple(WARNINGS))
            heard = scene.play(sound, max_s=2.5)
            scene.respond(WARNINGS[sound.label], evidence=heard.recognisable, kind="warning")
        elif scene.chance(0.15):
            aside(scene)
        else:
            heard = scene.play(scene.choose_sound(labels=EVERYDAY), max_s=2.0)
            scene.stay_silent(heard, "harmless")
        scene.pause(0.6, 1.5)
