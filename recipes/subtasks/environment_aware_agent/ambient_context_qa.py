"""The user asks about what was heard a while ago; the answer rests on the past, the moment on the end of the question.

sound       [ kettle ]        [ dog bark ]      [ doorbell ]
user                                                           [ what did you hear first? ]
response                                                                                   ^ "A kettle whistling."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside

QUESTIONS = {
    "en": {
        "first": ["[what was|which was] the first sound[ you heard|]?", "what did you hear first[ of all|]?"],
        "last": [
            "[what was|which was] the last sound[ you heard| just now|]?",
            "what was that [just now|a moment ago]?",
        ],
        "before": ["what [did you hear|was there] [right |]before {later}?", "which sound came before {later}?"],
        "whether": ["[did you hear|was there] {sound}[ just now| earlier|]?", "has there been {sound}?"],
    },
    "zh": {
        "first": ["第一个声音是什么？", "你最先听到[了|的是]什么？"],
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
    opening = not scene.events  # only then is the first sound of the episode the first of all
    for _ in range(scene.integer(2, 4)):
        sound = scene.choose_distractor(fresh=True)  # so that "before the doorbell" has one meaning
        heard.append((sound, scene.play(sound, max_s=4.0)))
        scene.stay_silent(heard[-1][1], "nobody asked about it yet")
        scene.pause(0.8, 3.0)
        if scene.chance(0.5):
            aside(scene)
            scene.pause(0.5, 2.0)
    absent = scene.choose_distractor(fresh=True)
    about = scene.choice(["last", "before", "whether", "not", *(["first"] if opening else [])])
    place = {"first": 0, "last": -1, "before": -2}.get(about, scene.integer(0, len(heard) - 1))
    sound, source = heard[place]
    asked = absent if about == "not" else sound
    table = QUESTIONS[scene.language]["whether" if about == "not" else about]
    words = scene.phrase(table, sound=asked.phrase, later=heard[-1][0].phrase)
    if scene.chance(0.6):
        aside(scene, words)
        scene.pause(0.6, 2.0)
    question = scene.say(words, speaker=anybody(scene))
    answer = {"whether": YES, "not": NO}.get(about, ANSWERS)
    scene.respond(scene.phrase(answer, sound=asked.phrase), evidence=question.end, on=[source, question])
    scene.pause(0.6, 2.0)
    for _ in range(scene.integer(0, 2)):
        aside(scene, words if scene.chance(0.3) else "")
        scene.pause(0.5, 1.5)
