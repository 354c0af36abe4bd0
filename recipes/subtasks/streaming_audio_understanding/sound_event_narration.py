"""The user asks for a running account; each sound is named as soon as it can be recognised, until the user has enough.

user       [ tell me what you hear ]                                     [ thanks, that's enough ]
sound                                     [ rain ............. ]   [ dog bark ]                     [ knock ]
visitor                                               [ Tom, nice weather, isn't it ]
response                             ^ "Okay."    ^ "Rain."              ^ "A dog barking."       ^ "All right."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside, interlude, pass_by
from soundflow_data.duty import WORDED


@subtask(ability="streaming_audio_understanding", background=False, needs=("speech", "sounds"))
def sound_event_narration(scene: Scene) -> None:
    words = scene.texts("sound_event_narration")
    scene.bar(WORDED)
    interlude(scene, most=2)
    if scene.chance(0.25):
        aside(scene, scene.phrase(words["requests"]))
        scene.pause(0.5, 1.5)
        pass_by(scene)
        scene.pause(0.5, 2.0)
    request = scene.say(scene.phrase(words["requests"]))
    scene.respond(scene.phrase(words["acknowledgements"]), evidence=request.end)
    for _ in range(scene.integer(1, 5)):
        scene.pause(0.8, 3.0)
        if scene.chance(0.4):
            aside(scene, reason="people talking to each other")
            scene.pause(0.5, 1.5)
        sound = scene.choose_sound()
        heard = scene.play(sound, max_s=5.0)
        report = scene.phrase(words["reports"], sound=sound.phrase)
        scene.respond(report, evidence=heard.recognisable, kind="narration")
    if not scene.mixed and scene.chance(0.3):
        scene.finish()  # whatever is heard from here on would have to be named
        return
    scene.pause(0.5, 2.0)
    scene.respond(scene.phrase(words["stopped"]), evidence=scene.say(scene.phrase(words["stops"])).end)
    scene.pause(0.6, 2.0)
    interlude(scene, most=2)
