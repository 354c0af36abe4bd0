"""Simultaneous translation: each Chinese phrase is given in English as soon as its last word has been heard.

user       [ 今天早上 | 我走路去了市场 | 还买了一些苹果 ]
response              ^ "this morning"  ^ "I walked to the market" ^ "and bought some apples"

Pauses between phrases, sounds, and what is English already add nothing.
"""

from soundflow_data import Scene, subtask
from soundflow_data.translation import translate_phrases

INSTRUCTIONS = [
    "Translate [what you hear|the Chinese] into English, phrase by phrase.",
    "[Interpret|Translate] [Chinese|the speaker] into English [while they speak|as they go].",
    "把听到的中文[同步|实时|边听边]翻译成英语。",
]
REQUESTS = {
    "en": [
        "[please |can you |]interpret what [my guest|my colleague|my friend] says into English[, as it is said|].",
        "[translate|interpret] along in English while [my guest|the speaker|my friend] talks[, please|].",
    ],
    "zh": [
        "[请|麻烦你|]把[客人|我同事|我朋友]说的中文[同步|边听边]翻译成英语。",
        "[我的朋友|这位客人]说中文的时候，[请|帮我]同声翻译成英语。",
    ],
}


@subtask(ability="streaming_translation", needs=("speech", "english_speech", "mandarin_speech"))
def zh_en_simultaneous(scene: Scene) -> None:
    translate_phrases(scene, source="zh", target="en", written=INSTRUCTIONS, spoken=REQUESTS)
