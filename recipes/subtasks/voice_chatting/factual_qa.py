"""The user asks a question of fact and is answered when it is complete; a question to somebody else is left alone.

user       [ which planet is the largest? ]                     [ how many days has a leap year? ]
visitor                                      [ Anna, is it late? ]
response                                  ^ "Jupiter is ..."                                     ^ "A leap year ..."
"""

from soundflow_data import Scene, subtask

LEAD_INS = {
    "en": ["", "[quick question|one question|can you help me]: ", "[hey|hi|excuse me], ", "[I wonder|tell me], "],
    "zh": ["", "[请问|我想问一下|问一下]，", "[你好|嘿]，", "[告诉我|我想知道]，"],
}
ASIDES = {
    "en": [
        "{name}, [did you lock|have you closed|do you still have] the [car|back door|garage|window]?",
        "{name}, [what time|when] [does the train leave|do we have to go|is dinner]?",
        "[Have you seen|Do you know where] my [keys|glasses|charger|umbrella] [are|have gone], {name}?",
    ],
    "zh": [
        "{name}，你[锁了|关了|检查了][车|后门|窗户|车库]吗？",
        "{name}，[火车|飞机|电影][几点|什么时候]开始？",
        "{name}，你看见我的[钥匙|眼镜|雨伞|充电器]了吗？",
    ],
}
NAMES = {
    "en": ["Anna", "Tom", "Maria", "Peter", "Grandma", "Dad"],
    "zh": ["小王", "妈妈", "李明", "奶奶", "小红", "老张"],
}


@subtask(ability="voice_chatting", needs=("speech",))
def factual_qa(scene: Scene) -> None:
    if scene.chance(0.35):
        name = scene.choice(NAMES[scene.language])
        aside = scene.say(scene.phrase(ASIDES, name=name), speaker="visitor")
        scene.stay_silent(aside, "addressed to somebody else")
        scene.pause(0.6, 2.0)
    fact = scene.choice(scene.texts("facts"))
    question = scene.say(scene.phrase(LEAD_INS) + scene.choice(fact["questions"]))
    scene.respond(scene.choice(fact["answers"]), evidence=question.end)
