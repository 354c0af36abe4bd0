"""Simultaneous translation: each English phrase is given in Chinese as soon as its last word has been heard.

user       [ this morning | I walked to the market | and bought some apples ]
response                      ^ "今天早上"               ^ "我走路去了市场"        ^ "还买了一些苹果。"

Pauses between phrases, sounds, and what is Chinese already add nothing.
"""

from soundflow_data import Scene, subtask
from soundflow_data.translation import translate_phrases

INSTRUCTIONS = [
    "Translate [what you hear|the English] into Chinese, phrase by phrase.",
    "[Interpret|Translate] [English|the speaker] into Chinese [while they speak|as they go].",
    "把听到的英语[同步|实时|边听边]翻译成中文。",
]
REQUESTS = {
    "en": [
        "[please |can you |]interpret what [my guest|my colleague|my friend] says into Chinese[, as it is said|].",
        "[translate|interpret] along in Chinese while [my guest|the speaker|my friend] talks[, please|].",
    ],
    "zh": [
        "[请|麻烦你|]把[客人|我同事|我朋友]说的英语[同步|边听边]翻译成中文。",
        "[我的朋友|这位客人]说英语的时候，[请|帮我]同声翻译成中文。",
    ],
}


@subtask(ability="streaming_translation", needs=("speech", "english_speech", "mandarin_speech"))
def en_zh_simultaneous(scene: Scene) -> None:
    translate_phrases(scene, source="en", target="zh", written=INSTRUCTIONS, spoken=REQUESTS)
