"""A standing instruction is replaced, widened or cancelled; what was said last holds, and only to the assistant.

user       [ say so when it barks ]             [ rather when it knocks ]
sound                                [ bark ]                              [ bark ]    [ knock ]
response                          ^ "I will." ^ "A bark."              ^ "All right."        ^ "A knock."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside, interlude
from soundflow_data.library import Sound

REQUESTS = {
    "en": [
        "[please |can you |]tell me [every time|each time|whenever] you hear {first}.",
        "[from now on|until I say otherwise], [say so|let me know|speak up] [whenever|each time] there is {first}.",
    ],
    "zh": ["[请|麻烦你|]每次听到{first}都告诉我[一声|]。", "[从现在开始|接下来]，一有{first}就[说一声|提醒我]。"],
}
CHANGES = {
    "en": {
        "replace": [
            "[actually|no|wait], [not {first} any more|forget {first}], [tell me about|listen for] {second} instead.",
            "[I changed my mind|change of plan], [rather|only] {second} from now on, not {first}.",
        ],
        "add": [
            "[and|oh, and|also], [tell me|let me know|say so] when you hear {second} [too|as well].",
            "[in addition|besides that], [I also want to know about|please listen for] {second}.",
        ],
        "cancel": [
            "[you can|please|okay,] stop telling me about {first}[ now|].",
            "[never mind|forget about|that's enough about] {first}[, thanks|].",
        ],
    },
    "zh": {
        "replace": [
            "[等等|不对|算了]，[不用管|别管]{first}了，[改成|换成]{second}。",
            "[我改主意了|换一下]，[只要|只听]{second}，不要{first}了。",
        ],
        "add": ["[另外|对了|还有]，听到{second}也[告诉我|说一声|提醒我]。", "[再加上|还要留意]{second}[，谢谢|]。"],
        "cancel": ["[可以了|好了]，{first}不用再[告诉我|提醒]了。", "[别再|不用再]管{first}了[，谢谢|]。"],
    },
}
REPLIES = {
    "en": ["[okay|sure|all right|got it], [I will|will do|noted|as you like].", "[understood|noted|of course]."],
    "zh": ["[好的|行|没问题|明白]，[我记住了|照办|知道了]。", "[明白了|记下了]。"],
}
ALERTS = {
    "en": ["[I hear|there is|that was|I can hear] {sound}[ now|].", "[now|listen]: {sound}."],
    "zh": ["[听到了|现在有|刚才有]{sound}。", "[来了|有了]，{sound}。"],
}


@subtask(ability="streaming_instruction_following", needs=("speech", "sounds"))
def instruction_change(scene: Scene) -> None:
    first = scene.choose_distractor()
    second = scene.choose_distractor(unlike=first)
    slots = {"first": first.phrase, "second": second.phrase}
    if scene.chance(0.4):
        scene.stay_silent(scene.play(scene.choice([first, second]), max_s=4.0), "nobody has asked yet")
        scene.pause(0.5, 2.0)
    scene.respond(scene.phrase(REPLIES), evidence=scene.say(scene.phrase(REQUESTS, **slots)).end)
    early = [sound for sound in (first, second) if scene.chance(0.5)]
    _listen(scene, [first, second], early, active={first.label})
    change = scene.choice(["replace", "add", "cancel"])
    words = scene.phrase(CHANGES[scene.language][change], **slots)
    active = {"replace": {second.label}, "add": {first.label, second.label}, "cancel": set()}[change]
    if scene.chance(0.2):
        aside(scene, words)  # not the assistant's business, so nothing changes
        active = {first.label}
    else:
        scene.respond(scene.phrase(REPLIES), evidence=scene.say(words).end)
    _listen(scene, [first, second], [first, second], active=active)
    for sound in (first, second):
        if sound.label in active:
            scene.promise(sound)


def _listen(scene: Scene, pair: list[Sound], sounds: list[Sound], *, active: set[str]) -> None:
    for sound in scene.sample(sounds, len(sounds)):
        scene.pause(0.6, 2.5)
        interlude(scene, unlike=pair, most=1, gap_s=(0.4, 1.5))
        heard = scene.play(sound, max_s=4.0)
        if sound.label in active:
            scene.respond(scene.phrase(ALERTS, sound=sound.phrase), evidence=heard.recognisable, kind="trigger")
        else:
            scene.stay_silent(heard, "the instruction does not cover it now")
