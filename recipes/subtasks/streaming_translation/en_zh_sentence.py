"""English into Chinese, each sentence when it has ended: not at a pause inside it, and not what is Chinese already.

speaker    [ could you tell me ]   [ where the lift is? ]              [ (something in Chinese) ]
response                                                ^ translation of the whole sentence
"""

from soundflow_data import Scene, subtask
from soundflow_data.translation import translate_sentences

INSTRUCTIONS = [
    "Translate [every|each] [English ]sentence into Chinese[ when it is complete| after it ends|].",
    "[Give me|I need] the Chinese for what is said in English, [one sentence at a time|sentence by sentence].",
    "请把听到的英语[一句一句地|逐句]翻译成中文。",
]
REQUESTS = {
    "en": [
        "[please |can you |]translate what [my guest|my colleague|my friend] says into Chinese[, bit by bit|].",
        "[I need|give me] the Chinese for everything that [my guest|the visitor|my friend] says in English[, please|].",
    ],
    "zh": [
        "[请|麻烦你|]把[客人|我同事|我朋友]说的英语[一句一句|逐句]翻译成中文。",
        "[我的朋友|这位客人]说英语，[请|帮我]翻成中文[，谢谢|]。",
    ],
}
RECORDINGS = {
    "en": [
        "[please |can you |could you |]translate [this recording|what is said in this recording] into Chinese.",
        "[I will play|here comes] English from a recording, [tell me|give me] each sentence in Chinese[, please|].",
    ],
    "zh": [
        "[请|麻烦你|]把[这段录音|录音里的英语][逐句|一句一句]翻译成中文。",
        "[我放一段|下面是][英语录音|录音]，[请|帮我]逐句翻成中文[，谢谢|]。",
    ],
}


@subtask(ability="streaming_translation", needs=("speech", "english_speech", "mandarin_speech"))
def en_zh_sentence(scene: Scene) -> None:
    translate_sentences(scene, source="en", target="zh", written=INSTRUCTIONS, spoken=REQUESTS, played=RECORDINGS)
