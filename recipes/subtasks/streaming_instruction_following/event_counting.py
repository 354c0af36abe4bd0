"""The user asks for a count; the assistant says "once", "twice", ... right after each one, and ignores other sounds.

user       [ count the barks ]
sound                              [ bark ]     [ doorbell ]     [ bark ]
response                      ^ "I'll count."  ^ "Once."                 ^ "Twice."
"""

from soundflow_data import Scene, subtask

REQUESTS = {
    "en": [
        "[please |can you |would you |]count how [often|many times] you hear {sound}[.|, and tell me each time.]",
        "[every time|each time|whenever] you hear {sound}, [tell|let] me [how often it was|the count][ so far|].",
        "[listen|I need you to listen|keep listening] for {sound} and [count along|count them aloud|keep count].",
    ],
    "zh": [
        "[请|麻烦你|帮我|]数一数你听到了几次{sound}[。|，每次都告诉我。]",
        "[每次|每当]听到{sound}[，就|的时候，]告诉我[是第几次|一共几次了]。",
        "[注意听|请听|留意]{sound}，[边听边数|数出声来|帮我计数]。",
    ],
}
ACKNOWLEDGEMENTS = {
    "en": [
        "[okay|sure|of course|all right], [I'll count|I'm counting|I'll keep count].",
        "[I'm listening|counting now].",
    ],
    "zh": ["[好的|没问题|可以]，[我来数|我会数的|开始数了]。", "[我在听|现在开始数]。"],
}
TIMES = {
    "en": ["once", "twice", "three times", "four times", "five times", "six times"],
    "zh": ["一次", "两次", "三次", "四次", "五次", "六次"],
}


@subtask(ability="streaming_instruction_following", needs=("speech", "sounds"))
def event_counting(scene: Scene) -> None:
    sound = scene.choose_sound(countable=True)
    request = scene.say(scene.phrase(REQUESTS, sound=sound.phrase))
    scene.respond(scene.phrase(ACKNOWLEDGEMENTS), evidence=request.end)
    for times in TIMES[scene.language][: scene.integer(2, 6)]:
        scene.pause(0.8, 3.5)
        if scene.chance(0.4):
            other = scene.play(scene.choose_distractor(unlike=sound), max_s=3.0)
            scene.stay_silent(other, "not the sound to be counted")
            scene.pause(0.4, 1.5)
        heard = scene.play(sound, single=True, max_s=3.0)
        scene.respond(times, evidence=heard.recognisable, kind="count")
    scene.promise(sound)
