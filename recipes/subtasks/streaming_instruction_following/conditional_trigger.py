"""A standing instruction: tell me when you hear this. Other sounds pass; the named one is told as soon as it is known.

user       [ tell me when the kettle whistles ]
sound                                              [ door slam ]      [ kettle whistling ....... ]
response                                       ^ "I will."                   ^ "The kettle is whistling."

user       [ never mind the kettle ]                 or:  [ Tom, tell me when the kettle whistles ]
sound                                  [ kettle ]                                                    [ kettle ]
response                           ^ "Okay."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude


@subtask(ability="streaming_instruction_following", needs=("speech", "sounds"))
def conditional_trigger(scene: Scene) -> None:
    words = scene.texts("conditional_trigger")
    calm = scene.chance(0.7)  # nobody has to speak up about it unless asked
    sound = scene.choose_sound(assistant="silent" if calm else "")
    if calm and scene.chance(0.3):
        if scene.chance(0.5):
            aside(scene, scene.phrase(words["requests"], sound=sound.phrase))
            scene.pause(0.5, 2.0)
        scene.stay_silent(scene.play(sound, max_s=4.0), "nobody has asked the assistant yet")
        scene.pause(0.5, 2.0)
    interlude(scene, unlike=sound, most=1)
    asker = anybody(scene)
    request = scene.say(scene.phrase(words["requests"], sound=sound.phrase), speaker=asker)
    scene.respond(scene.phrase(words["acknowledgements"]), evidence=request.end)
    scene.pause(0.6, 3.0)
    interlude(scene, unlike=sound, most=3)
    if calm and scene.chance(0.35):
        cancel = scene.say(scene.phrase(words["cancels"], sound=sound.phrase), speaker=asker)
        scene.respond(scene.phrase(words["cancelled"]), evidence=cancel.end)
        scene.pause(0.8, 3.0)
        scene.stay_silent(scene.play(sound, max_s=4.0), "the instruction was cancelled")
        return
    if scene.chance(0.85):
        heard = scene.play(sound)
        scene.respond(scene.phrase(words["alerts"], sound=sound.phrase), evidence=heard.recognisable, kind="trigger")
    scene.promise(sound)
