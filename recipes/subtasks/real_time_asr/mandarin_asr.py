"""Real-time transcription: every word is written in the chunk in which it ends; sounds and other languages are not.

user       [ write down what she says ]                                         [ that is enough ]
speaker                                 [ 火车 九点 出发 ]
sound                                                               [ horn ]
response                              ^ "Okay." 火车 九点 出发 ]                              ^ "Done."
"""

from soundflow_data import Scene, subtask
from soundflow_data.transcription import write_down

INSTRUCTIONS = [
    "[Write down|Transcribe] [what you hear in Mandarin|the Mandarin speech|every Mandarin word][ word by word|].",
    "[Give me|I need] a live Mandarin transcript[ of the speaker|].",
    "[实时|逐字]写下[听到的|别人说的]中文。",
]
REQUESTS = {
    "en": [
        "[please |can you |]write down what [the speaker|my colleague|my guest] says in Mandarin[, word by word|].",
        "[transcribe|take down] the Mandarin talk [live|as it is said|from now on][, please|].",
    ],
    "zh": [
        "[请|麻烦你|]把[主讲人|我同事|客人]说的中文[逐字|实时][写下来|记下来]。",
        "[请|帮我]边听边记[客人|我同事]的中文[，谢谢|]。",
    ],
}
RECORDINGS = {
    "en": [
        "[please |can you |could you |]write down [what is said in this recording|this recording for me], in Mandarin.",
        "[I will play|here comes] a recording, [transcribe|take down] [the Mandarin|every Mandarin word].",
    ],
    "zh": [
        "[请|麻烦你|]把[这段录音|录音里]的中文[逐字|实时][写下来|记下来]。",
        "[我放一段录音|下面是录音]，[请|帮我][听写|写下]其中的中文。",
    ],
}


@subtask(ability="real_time_asr", languages=("zh",), needs=("speech",))
def mandarin_asr(scene: Scene) -> None:
    write_down(scene, language="zh", other="en", written=INSTRUCTIONS, spoken=REQUESTS, played=RECORDINGS)
