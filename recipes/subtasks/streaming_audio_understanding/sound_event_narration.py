"""The user asks for a running account; each sound is named as soon as it can be recognised, speech around it is not.

user       [ tell me what you hear ]
sound                                     [ rain ............. ]         [ dog bark ]
visitor                                                            [ nice weather, isn't it ]
response                             ^ "Okay."    ^ "Rain."                     ^ "A dog barking."
"""

from soundflow_data import Scene, subtask

REQUESTS = {
    "en": [
        "[please |can you |could you |]tell me [every sound|what] you hear[ around here|].",
        "[describe|name] the sounds around [me|us][, one by one|].",
        "what is going on [around me|here]? [tell me|say it] as you hear it.",
    ],
    "zh": [
        "[请|麻烦你|]告诉我你听到了什么[声音|]。",
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
REMARKS = {
    "en": ["nice [weather|day], isn't it", "I'll be [right back|there in a minute]", "see you [later|tomorrow]"],
    "zh": ["今天天气[不错|真好]", "我[马上回来|等一下就来]", "[明天|回头]见"],
}


@subtask(ability="streaming_audio_understanding", background=False, needs=("speech", "sounds"))
def sound_event_narration(scene: Scene) -> None:
    request = scene.say(scene.phrase(REQUESTS))
    scene.respond(scene.phrase(ACKNOWLEDGEMENTS), evidence=request.end)
    for _ in range(scene.integer(2, 5)):
        scene.pause(0.8, 3.0)
        if scene.chance(0.3):
            scene.stay_silent(scene.say(scene.phrase(REMARKS), speaker="visitor"), "speech, not a sound to be named")
            scene.pause(0.5, 1.5)
        sound = scene.choose_sound()
        heard = scene.play(sound, max_s=5.0)
        scene.respond(scene.phrase(REPORTS, sound=sound.phrase), evidence=heard.recognisable, kind="narration")
