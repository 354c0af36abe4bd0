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

REQUESTS = {
    "en": [
        "[please |can you |could you |]tell me [when|as soon as] you hear {sound}.",
        "let me know [when|the moment|as soon as] there is {sound}[, please|].",
        "[I'm waiting for|keep an ear out for|listen for] {sound}[, tell me when it comes|, and say so when it comes].",
    ],
    "zh": [
        "[请|麻烦你|]听到{sound}[的时候|时][就|马上|]告诉我。",
        "[一听到|如果听到]{sound}[就|请]提醒我[一下|]。",
        "[我在等|帮我留意]{sound}，[来了就|有了就]告诉我。",
    ],
}
ACKNOWLEDGEMENTS = {
    "en": ["[okay|sure|all right|of course], [I'll tell you|I will let you know|I'm listening].", "[I will|will do]."],
    "zh": ["[好的|可以|没问题]，[我会告诉你|我听着呢|我会提醒你]。"],
}
ALERTS = {
    "en": [
        "[I hear|there is|I can hear] {sound}[ now|].",
        "[now|listen]: {sound}.",
        "[here it is|there it is], {sound}.",
    ],
    "zh": ["[我听到了|现在有|听，有]{sound}。", "[来了|有了]，{sound}。"],
}
CANCELS = {
    "en": ["[never mind|forget about|no need to listen for|I no longer need] {sound}[ now|, thanks|]."],
    "zh": ["[不用|别再]留意{sound}了[，谢谢|]。", "{sound}[就算了吧|不用告诉我了]。"],
}
CANCELLED = {"en": ["[okay|all right|sure], [I won't|I'll let it pass]."], "zh": ["[好的|行]，[不提醒了|我就不说了]。"]}


@subtask(ability="streaming_instruction_following", needs=("speech", "sounds"))
def conditional_trigger(scene: Scene) -> None:
    calm = scene.chance(0.7)
    sound = scene.choose_sound(assistant="silent" if calm else "")
    if calm and scene.chance(0.3):
        if scene.chance(0.5):
            aside(scene, scene.phrase(REQUESTS, sound=sound.phrase))
            scene.pause(0.5, 2.0)
        scene.stay_silent(scene.play(sound, max_s=4.0), "nobody has asked the assistant yet")
        scene.pause(0.5, 2.0)
    interlude(scene, unlike=sound, most=1)
    asker = anybody(scene)
    request = scene.say(scene.phrase(REQUESTS, sound=sound.phrase), speaker=asker)
    scene.respond(scene.phrase(ACKNOWLEDGEMENTS), evidence=request.end)
    scene.pause(0.6, 3.0)
    interlude(scene, unlike=sound, most=3)
    if calm and scene.chance(0.35):
        cancel = scene.say(scene.phrase(CANCELS, sound=sound.phrase), speaker=asker)
        scene.respond(scene.phrase(CANCELLED), evidence=cancel.end)
        scene.pause(0.8, 3.0)
        scene.stay_silent(scene.play(sound, max_s=4.0), "the instruction was cancelled")
        return
    if scene.chance(0.85):
        heard = scene.play(sound)
        scene.respond(scene.phrase(ALERTS, sound=sound.phrase), evidence=heard.recognisable, kind="trigger")
    scene.promise(sound)
