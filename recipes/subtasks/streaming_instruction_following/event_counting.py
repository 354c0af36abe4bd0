"""The user asks for a count; the assistant says "once", "twice", ... right after each one, until it is told to stop.

sound      [ bark ]                    [ bark ]     [ doorbell ]     [ bark ]                           [ bark ]
user                [ count the barks ]                                        [ that's enough, thanks ]
response                             ^ "I'll count." ^ "Once."             ^ "Twice."                  ^ "Okay."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude

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
STOPS = {
    "en": ["[that's enough|okay|thank you], [you can stop|no need to go on|stop] counting[ now| please|]."],
    "zh": ["[可以了|好了|谢谢]，[别再数了|不用数了|停止计数吧]。"],
}
STOPPED = {
    "en": ["[okay|all right|sure], [I've stopped|no more counting|I'll stop here]."],
    "zh": ["[好的|行|没问题]，[不数了|我停下了|到此为止]。"],
}


@subtask(ability="streaming_instruction_following", needs=("speech", "sounds"))
def event_counting(scene: Scene) -> None:
    calm = scene.chance(0.7)  # nobody has to speak up about it unless asked
    sound = scene.choose_sound(countable=True, assistant="silent" if calm else "")
    if calm and scene.chance(0.4):
        scene.stay_silent(scene.play(sound, single=True, max_s=3.0), "nobody has asked yet")
        scene.pause(0.5, 2.0)
    interlude(scene, unlike=sound, most=1)
    if scene.chance(0.25) and not scene.late(0.2):
        aside(scene, scene.phrase(REQUESTS, sound=sound.phrase))
        scene.pause(0.5, 2.0)
    asker = anybody(scene)
    request = scene.say(scene.phrase(REQUESTS, sound=sound.phrase), speaker=asker)
    scene.respond(scene.phrase(ACKNOWLEDGEMENTS), evidence=request.end)
    for times in TIMES[scene.language][: scene.integer(1, 6)]:
        if times != TIMES[scene.language][0] and scene.late(0.6):
            break
        scene.pause(0.8, 3.5)
        interlude(scene, unlike=sound, most=1, gap_s=(0.4, 1.5))
        heard = scene.play(sound, single=True, max_s=3.0)
        scene.respond(times, evidence=heard.recognisable, kind="count")
    if calm and scene.chance(0.5):
        scene.pause(0.5, 2.0)
        scene.respond(scene.phrase(STOPPED), evidence=scene.say(scene.phrase(STOPS), speaker=asker).end)
        for _ in range(scene.integer(1, 2)):
            scene.pause(0.6, 2.5)
            scene.stay_silent(scene.play(sound, max_s=3.0), "the instruction was cancelled")
    else:
        scene.promise(sound)
