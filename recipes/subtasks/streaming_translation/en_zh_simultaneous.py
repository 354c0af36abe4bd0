"""Simultaneous translation: each English phrase is given in Chinese as soon as its last word has been heard.

user       [ this morning | I walked to the market | and bought some apples ]
response                  ^ "今天早上"               ^ "我走路去了市场"           ^ "买了一些苹果。"
"""

from soundflow_data import Scene, subtask

INSTRUCTIONS = [
    "Translate what you hear into Chinese, phrase by phrase.",
    "[Interpret|Translate] the speaker into Chinese [while they speak|as they go].",
    "把听到的英语[同步|实时|逐句]翻译成中文。",
]


@subtask(ability="streaming_translation", languages=("en", "zh"), needs=("speech",))
def en_zh_simultaneous(scene: Scene) -> None:
    scene.instruct(scene.phrase(INSTRUCTIONS))
    for _ in range(scene.integer(1, 3)):
        table = scene.texts("parallel_phrases")
        phrases = [scene.choice(table[part]) for part in ("times", "actions", "continuations")]
        source = ", ".join(phrase["en"] for phrase in phrases[:2]) + " " + phrases[2]["en"] + "."
        heard = scene.say(source, language="en", speaker="speaker")
        scene.interpret(heard, [(phrase["en"], phrase["zh"]) for phrase in phrases], language="zh")
        scene.pause(0.8, 2.5)
