"""Real-time transcription: every word is written in the chunk in which it ends; sounds and other languages are not.

user       [ write down what she says ]                                         [ that is enough ]
speaker                                 [ the train leaves at nine ]
sound                                                               [ horn ]
response                              ^ "Okay." the train leaves at nine ]                              ^ "Done."
"""

from soundflow_data import Scene, subtask
from soundflow_data.transcription import write_down

INSTRUCTIONS = [
    "[Write down|Transcribe] [what you hear in English|the English speech|every English word][ word by word|].",
    "[Give me|I need] a live English transcript[ of the speaker|].",
    "[实时|逐字]写下[听到的|别人说的]英语。",
]
REQUESTS = {
    "en": [
        "[please |can you |]write down what [the speaker|my colleague|my guest] says in English[, word by word|].",
        "[transcribe|take down] the English talk [live|as it is said|from now on][, please|].",
    ],
    "zh": [
        "[请|麻烦你|]把[主讲人|我同事|客人]说的英语[逐字|实时][写下来|记下来]。",
        "[请|帮我]边听边记[客人|我同事]的英语[，谢谢|]。",
    ],
}
RECORDINGS = {
    "en": [
        "[please |can you |could you |]write down [what is said in this recording|this recording for me], in English.",
        "[I will play|here comes] a recording, [transcribe|take down] [the English|every English word].",
    ],
    "zh": [
        "[请|麻烦你|]把[这段录音|录音里]的英语[逐字|实时][写下来|记下来]。",
        "[我放一段录音|下面是录音]，[请|帮我][听写|写下]其中的英语。",
    ],
}


@subtask(ability="real_time_asr", languages=("en",), needs=("speech",))
def english_asr(scene: Scene) -> None:
    write_down(scene, language="en", other="zh", written=INSTRUCTIONS, spoken=REQUESTS, played=RECORDINGS)
