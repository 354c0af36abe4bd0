"""The user asks to be reminded after some seconds; the reminder is due at its time, whatever is heard in between.

user       [ remind me in ten seconds ]
sound                                        [ door slam ]
response                               ^ "I will."                     ^ "Ten seconds have passed."
                                       |<------------ 10 s ----------->|
"""

from soundflow_data import Scene, subtask
from soundflow_data.timeline import SAMPLE_RATE

REQUESTS = {
    "en": [
        "[please |can you |]remind me in {seconds} seconds[ to {errand}|].",
        "[wake me|give me a sign|tell me] in {seconds} seconds[, please|].",
        "[start|set] a timer for {seconds} seconds.",
    ],
    "zh": [
        "[请|麻烦你|]{seconds}秒后提醒我[{errand}|]。",
        "{seconds}秒以后[叫我|告诉我一声]。",
        "[定|设]一个{seconds}秒的[计时器|倒计时]。",
    ],
}
ERRANDS = {
    "en": ["turn off the stove", "call my sister", "take the bread out", "check the laundry", "close the window"],
    "zh": ["关火", "给妈妈打电话", "拿面包", "看看洗衣机", "关窗户"],
}
ACKNOWLEDGEMENTS = {
    "en": ["[okay|sure|all right][, I will|, starting now|].", "{seconds} seconds, [starting now|from now]."],
    "zh": ["[好的|可以|没问题][，开始计时|]。", "{seconds}秒，[现在开始|开始计时]。"],
}
REMINDERS = {
    "en": ["{seconds} seconds [have passed|are over].", "[time is up|it is time], {seconds} seconds."],
    "zh": ["{seconds}秒[到了|过去了]。", "[时间到|到时间了]，{seconds}秒。"],
}


@subtask(ability="streaming_instruction_following", needs=("speech", "sounds"))
def timed_reminder(scene: Scene) -> None:
    seconds = scene.integer(4, 15)
    errand = scene.choice(ERRANDS[scene.language])
    request = scene.say(scene.phrase(REQUESTS, seconds=seconds, errand=errand))
    scene.respond(scene.phrase(ACKNOWLEDGEMENTS, seconds=seconds), evidence=request.end)
    due = request.end + seconds * SAMPLE_RATE
    if scene.chance(0.5):
        scene.pause(0.5, 1.5)
        if scene.now < due:
            scene.stay_silent(scene.play(scene.choose_distractor(), max_s=2.0), "nobody asked about it")
    scene.respond(scene.phrase(REMINDERS, seconds=seconds), evidence=request.end, at=due, kind="reminder")
    scene.wait_until(due)
