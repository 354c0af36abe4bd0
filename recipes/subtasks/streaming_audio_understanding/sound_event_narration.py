"""The user asks for a running account; each sound is named as soon as it can be recognised, until the user has enough.

user       [ tell me what you hear ]                                     [ thanks, that's enough ]
sound                                     [ rain ............. ]   [ dog bark ]                     [ knock ]
visitor                                               [ Tom, nice weather, isn't it ]
response                             ^ "Okay."    ^ "Rain."              ^ "A dog barking."       ^ "All right."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside, interlude, pass_by
from soundflow_data.duty import WORDED

REQUESTS = {
    "en": [
        "[please |can you |could you |]tell me [every sound|what sounds] you hear[ around here|].",
        "[describe|name] the sounds around [me|us][, one by one|].",
        "what [sounds are there|can be heard] [around me|here]? [tell me|say it] as you hear them.",
    ],
    "zh": [
        "[请|麻烦你|]告诉我你听到了什么[声音|动静]。",
        "[描述|说出]周围的声音[，一个一个地说|]。",
        "周围有什么动静？[听到就说|边听边告诉我]。",
    ],
}
ACKNOWLEDGEMENTS = {
    "en": ["[okay|sure|all right][, I'm listening|, I will|]."],
    "zh": ["[好的|可以|没问题][，我在听|，我会说的|]。"],
}
REPORTS = {
    "en": ["{sound}.", "[I hear|I can hear|that is|this is] {sound}.", "[now|there is] {sound}."],
    "zh": ["{sound}。", "[我听到|这是|那是|现在有]{sound}。"],
}
STOPS = {
    "en": [
        "[thanks|thank you|okay], [that's enough|you can stop now|I have heard enough].",
        "stop [naming|listing] sounds.",
    ],
    "zh": ["[谢谢|好了]，[够了|不用再说了|可以停了]。", "[别再|不用再]报声音了。"],
}
STOPPED = {"en": ["[okay|all right|sure], [I'll be quiet|I've stopped]."], "zh": ["[好的|行]，[我不说了|我停下了]。"]}


@subtask(ability="streaming_audio_understanding", background=False, needs=("speech", "sounds"), last=True)
def sound_event_narration(scene: Scene) -> None:
    scene.bar(WORDED)
    interlude(scene, most=2)
    if scene.chance(0.25):
        aside(scene, scene.phrase(REQUESTS))
        scene.pause(0.5, 1.5)
        pass_by(scene)
        scene.pause(0.5, 2.0)
    scene.respond(scene.phrase(ACKNOWLEDGEMENTS), evidence=scene.say(scene.phrase(REQUESTS)).end)
    for _ in range(scene.integer(1, 5)):
        scene.pause(0.8, 3.0)
        if scene.chance(0.4):
            aside(scene, reason="people talking to each other")
            scene.pause(0.5, 1.5)
        sound = scene.choose_sound()
        heard = scene.play(sound, max_s=5.0)
        scene.respond(scene.phrase(REPORTS, sound=sound.phrase), evidence=heard.recognisable, kind="narration")
    if scene.chance(0.3):
        scene.finish()  # whatever is heard from here on would have to be named
        return
    scene.pause(0.5, 2.0)
    scene.respond(scene.phrase(STOPPED), evidence=scene.say(scene.phrase(STOPS)).end)
    scene.pause(0.6, 2.0)
    interlude(scene, most=2)
