"""The user asks to be reminded after some seconds; the reminder is due at its time, whatever is heard in between.

user       [ remind me in ten seconds ]                                or:      [ no, stop the timer ]
sound                                        [ door slam ]
response                               ^ "I will."                     ^ "Ten seconds have passed."
                                       |<------------ 10 s ----------->|
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude
from soundflow_data.timeline import SAMPLE_RATE

REQUESTS = {
    "en": [
        "[please |can you |could you |]remind me in {seconds} seconds[ to {errand}|].",
        "[wake me|give me a sign|tell me|speak up] in {seconds} seconds[, please|].",
        "[start|set|run] a timer for {seconds} seconds[, please|].",
        "[in|after] {seconds} seconds, [tell me|remind me|let me know] to {errand}.",
    ],
    "zh": [
        "[请|麻烦你|]{seconds}秒后提醒我[{errand}|一下]。",
        "[请|过|]{seconds}秒以后[叫我|告诉我一声|提醒我一下]。",
        "[定|设|开]一个{seconds}秒的[计时器|倒计时][，谢谢|]。",
    ],
}
ERRANDS = {
    "en": ["turn off the stove", "call my sister", "take the bread out", "check the laundry", "close the window"],
    "zh": ["关火", "给妈妈打电话", "拿面包", "看看洗衣机", "关窗户", "收快递", "喂猫"],
}
ACKNOWLEDGEMENTS = {
    "en": ["[okay|sure|all right][, I will|, starting now|].", "{seconds} seconds, [starting now|from now]."],
    "zh": ["[好的|可以|没问题][，开始计时|]。", "{seconds}秒，[现在开始|开始计时]。"],
}
REMINDERS = {
    "en": ["{seconds} seconds [have passed|are over|are up].", "[time is up|it is time], {seconds} seconds."],
    "zh": ["{seconds}秒[到了|过去了]。", "[时间到|到时间了]，{seconds}秒。"],
}
CANCELS = {
    "en": ["[no, |wait, |sorry, |]stop the timer[, please|].", "[never mind|forget] the [timer|reminder][, thanks|]."],
    "zh": ["[不|等等|算了]，[不用提醒了|取消计时吧]。", "[取消|停掉][计时器|刚才的提醒][，谢谢|]。"],
}
CANCELLED = {"en": ["[okay|all right|sure], [cancelled|it is off]."], "zh": ["[好的|行]，[取消了|已经停了]。"]}


@subtask(ability="streaming_instruction_following", needs=("speech", "sounds"))
def timed_reminder(scene: Scene) -> None:
    cancelled = scene.chance(0.3)
    seconds = scene.integer(13, 18) if cancelled else scene.integer(4, 15)
    slots = {"seconds": seconds, "errand": scene.choice(ERRANDS[scene.language])}
    interlude(scene, most=1)
    if scene.chance(0.25):
        aside(scene, scene.phrase(REQUESTS, **slots | {"seconds": scene.integer(3, 9)}))
        scene.pause(0.6, 2.0)
    asker = anybody(scene)
    request = scene.say(scene.phrase(REQUESTS, **slots), speaker=asker)
    scene.respond(scene.phrase(ACKNOWLEDGEMENTS, **slots), evidence=request.end)
    due = request.end + seconds * SAMPLE_RATE
    if cancelled:
        scene.pause(0.3, 1.5)
        cancel = scene.say(scene.phrase(CANCELS), speaker=asker)  # ends some seconds before the reminder would be due
        scene.respond(scene.phrase(CANCELLED), evidence=cancel.end)
        scene.pause(0.5, 1.5)
        interlude(scene, most=1)
    else:
        if scene.chance(0.6):
            scene.pause(0.3, 1.0)
            if scene.now + 3 * SAMPLE_RATE < due:
                interlude(scene, most=1)
        scene.respond(scene.phrase(REMINDERS, **slots), evidence=request.end, at=due, on=request, kind="reminder")
    scene.wait_until(due)
