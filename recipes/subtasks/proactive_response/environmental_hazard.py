"""Nobody asks anything: the assistant warns of a hazard as soon as it is recognised, and lets look-alikes pass.

sound       [ dishes clattering ]            [ glass breaking ....... ]
visitor                           [ I'll get it ]
response                                                ^ "It sounds like glass broke; watch your feet, and ..."
"""

from soundflow_data import Scene, subtask

DOMAIN = "environmental_hazard"


@subtask(ability="proactive_response", needs=("sounds",))
def environmental_hazard(scene: Scene) -> None:
    for _ in range(scene.integer(0, 2)):
        harmless = scene.play(scene.choose_harmless(DOMAIN), max_s=5.0)
        scene.stay_silent(harmless, "harmless")
        scene.pause(0.8, 3.0)
    if scene.chance(0.75):
        sound = scene.choose_danger(DOMAIN)
        heard = scene.play(sound)
        scene.respond(scene.advice(sound), evidence=heard.recognisable, kind="warning")
        scene.pause(0.5, 2.0)
