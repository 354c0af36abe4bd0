"""The user asks for a count; the assistant says "once", "twice", ... right after each one, until it is told to stop.

sound      [ bark ]                    [ bark ]     [ doorbell ]     [ bark ]                           [ bark ]
user                [ count the barks ]                                        [ that's enough, thanks ]
response                             ^ "I'll count." ^ "Once."             ^ "Twice."                  ^ "Okay."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude


@subtask(ability="streaming_instruction_following", needs=("speech", "sounds"))
def event_counting(scene: Scene) -> None:
    words = scene.texts("event_counting")
    calm = scene.chance(0.7)  # nobody has to speak up about it unless asked
    sound = scene.choose_sound(countable=True, assistant="silent" if calm else "")
    if calm and scene.chance(0.4):
        scene.stay_silent(scene.play(sound, single=True, max_s=3.0), "nobody has asked yet")
        scene.pause(0.5, 2.0)
    interlude(scene, unlike=sound, most=1)
    if scene.chance(0.25) and not scene.late(0.2):
        aside(scene, scene.phrase(words["requests"], sound=sound.phrase))
        scene.pause(0.5, 2.0)
    asker = anybody(scene)
    request = scene.say(scene.phrase(words["requests"], sound=sound.phrase), speaker=asker)
    scene.respond(scene.phrase(words["acknowledgements"]), evidence=request.end)
    for n, times in enumerate(words["times"][: scene.integer(1, 6)]):
        if n and scene.late(0.6):
            break
        scene.pause(0.8, 3.5)
        interlude(scene, unlike=sound, most=1, gap_s=(0.4, 1.5))
        heard = scene.play(sound, single=True, max_s=3.0)
        scene.respond(times, evidence=heard.recognisable, kind="count")
    if calm and scene.chance(0.5):
        scene.pause(0.5, 2.0)
        stop = scene.say(scene.phrase(words["stops"]), speaker=asker)
        scene.respond(scene.phrase(words["stopped"]), evidence=stop.end)
        for _ in range(scene.integer(1, 2)):
            scene.pause(0.6, 2.5)
            scene.stay_silent(scene.play(sound, max_s=3.0), "the instruction was cancelled")
    else:
        scene.promise(sound)
