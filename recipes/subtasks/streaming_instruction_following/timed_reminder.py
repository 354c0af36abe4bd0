"""The user asks to be reminded after some seconds; the reminder is due at its time, whatever is heard in between.

user       [ remind me in ten seconds ]                                or:      [ no, stop the timer ]
sound                                        [ door slam ]
response                               ^ "I will."                     ^ "Ten seconds have passed."
                                       |<------------ 10 s ----------->|
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude
from soundflow_data.timeline import SAMPLE_RATE


@subtask(ability="streaming_instruction_following", needs=("speech", "sounds"))
def timed_reminder(scene: Scene) -> None:
    words = scene.texts("timed_reminder")
    cancelled = scene.chance(0.3)
    seconds = scene.integer(13, 18) if cancelled else scene.integer(4, 15)
    slots = {"seconds": seconds, "errand": scene.choice(words["errands"])}
    elsewhere = scene.phrase(words["requests"], **slots | {"seconds": scene.integer(3, 15)})  # somebody else's timer
    early, late = scene.chance(0.3), scene.chance(0.4)
    interlude(scene, most=1, talk=0.6)
    if early:
        aside(scene, elsewhere)
        scene.pause(0.6, 2.0)
    asker = anybody(scene)
    request = scene.say(scene.phrase(words["requests"], **slots), speaker=asker)
    scene.respond(scene.phrase(words["acknowledgements"], **slots), evidence=request.end)
    due = request.end + seconds * SAMPLE_RATE
    scene.pause(0.3, 1.5)
    if cancelled:
        cancel = scene.say(scene.phrase(words["cancels"]), speaker=asker)  # ends well before the reminder is due
        scene.respond(scene.phrase(words["cancelled"]), evidence=cancel.end)
        scene.pause(0.5, 1.5)
        interlude(scene, most=1, talk=0.6)
    else:
        if scene.now + 4 * SAMPLE_RATE < due and scene.chance(0.4):
            aside(scene, scene.phrase(words["cancels"]))  # another timer, so this one goes on
        elif scene.now + 3 * SAMPLE_RATE < due:
            interlude(scene, most=1, talk=0.6)
        reminder = scene.phrase(words["reminders"], **slots)
        scene.respond(reminder, evidence=request.end, at=due, on=request, kind="reminder")
    scene.wait_until(due)
    if late:
        scene.pause(0.6, 2.0)
        aside(scene, elsewhere)
