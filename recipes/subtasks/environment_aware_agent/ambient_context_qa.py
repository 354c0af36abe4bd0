"""The user asks about what was heard a while ago; the answer rests on the past, the moment on the end of the question.

sound       [ kettle ]        [ dog bark ]      [ doorbell ]
user                                                           [ what did you hear first? ]
response                                                                                   ^ "A kettle whistling."
"""

from soundflow_data import Scene, subtask

QUESTIONS = {
    "en": {
        "first": ["[what was|which was] the first sound[ you heard| just now|]?", "what did you hear first?"],
        "last": [
            "[what was|which was] the last sound[ you heard| just now|]?",
            "what was that [just now|a moment ago]?",
        ],
        "before": ["what [did you hear|was there] before {later}?", "which sound came before {later}?"],
        "whether": ["[did you hear|was there] {sound}[ just now| earlier|]?", "has there been {sound}?"],
    },
    "zh": {
        "first": ["[刚才|]第一个声音是什么？", "你最先听到[了|的是]什么？"],
        "last": ["[刚才|]最后一个声音是什么？", "刚刚那是什么声音？"],
        "before": ["{later}之前[是什么声音|你听到了什么]？"],
        "whether": ["[刚才|之前|]有{sound}吗？", "你听到{sound}了吗？"],
    },
}
ANSWERS = {
    "en": ["{sound}.", "[it was|that was|I heard] {sound}."],
    "zh": ["{sound}。", "[是|我听到的是]{sound}。"],
}
YES = {"en": ["yes, [I heard|there was] {sound}."], "zh": ["[有|听到了]，有{sound}。"]}
NO = {"en": ["no, [I did not hear|there was no sign of] {sound}."], "zh": ["没有，[我没听到|没有听到]{sound}。"]}


@subtask(ability="environment_aware_agent", background=False, needs=("speech", "sounds"))
def ambient_context_qa(scene: Scene) -> None:
    heard = []
    for _ in range(scene.integer(2, 4)):
        sound = scene.choose_distractor(unlike=[one for one, _ in heard])
        heard.append((sound, scene.play(sound, max_s=4.0)))
        scene.stay_silent(heard[-1][1], "nobody asked about it yet")
        scene.pause(0.8, 3.0)
    absent = scene.choose_distractor(unlike=[one for one, _ in heard])
    about = scene.choice(["first", "last", "before", "whether", "not"])
    place = {"first": 0, "last": -1, "before": -2}.get(about, scene.integer(0, len(heard) - 1))
    sound, source = heard[place]
    asked = absent if about == "not" else sound
    table = QUESTIONS[scene.language]["whether" if about == "not" else about]
    question = scene.say(scene.phrase(table, sound=asked.phrase, later=heard[-1][0].phrase))
    answer = {"whether": YES, "not": NO}.get(about, ANSWERS)
    scene.respond(scene.phrase(answer, sound=asked.phrase), evidence=question.end, on=[source, question])
