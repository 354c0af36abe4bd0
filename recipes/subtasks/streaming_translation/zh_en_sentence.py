"""Chinese into English, each sentence when it has ended: not at a pause inside it, and not what is English already.

speaker    [ could you tell me ]   [ where the lift is? ]              [ (something in English) ]
response                                                ^ translation of the whole sentence
"""

from soundflow_data import Scene, subtask
from soundflow_data.translation import translate_sentences

INSTRUCTIONS = [
    "Translate [every|each] [Chinese ]sentence into English[ when it is complete| after it ends|].",
    "[Give me|I need] the English for what is said in Chinese, [one sentence at a time|sentence by sentence].",
    "请把听到的中文[一句一句地|逐句]翻译成英语。",
]
REQUESTS = {
    "en": [
        "[please |can you |]translate what [my guest|my colleague|my friend] says into English[, bit by bit|].",
        "[I need|give me] the English for everything that [my guest|the visitor|my friend] says in Chinese[, please|].",
    ],
    "zh": [
        "[请|麻烦你|]把[客人|我同事|我朋友]说的中文[一句一句|逐句]翻译成英语。",
        "[我的朋友|这位客人]说中文，[请|帮我]翻成英语[，谢谢|]。",
    ],
}
RECORDINGS = {
    "en": [
        "[please |can you |could you |]translate [this recording|what is said in this recording] into English.",
        "[I will play|here comes] Chinese from a recording, [tell me|give me] each sentence in English[, please|].",
    ],
    "zh": [
        "[请|麻烦你|]把[这段录音|录音里的中文][逐句|一句一句]翻译成英语。",
        "[我放一段|下面是][中文录音|录音]，[请|帮我]逐句翻成英语[，谢谢|]。",
    ],
}


@subtask(ability="streaming_translation", needs=("speech", "english_speech", "mandarin_speech"))
def zh_en_sentence(scene: Scene) -> None:
    translate_sentences(scene, source="zh", target="en", written=INSTRUCTIONS, spoken=REQUESTS, played=RECORDINGS)
