"""Real-time transcription: every word is written in the chunk in which it ends; sounds and other languages are not.

user       [ write down what she says ]                                         [ that is enough ]
speaker                                 [ the train leaves at nine ]
sound                                                               [ horn ]
response                              ^ "Okay." the train leaves at nine ]                              ^ "Done."
"""

from soundflow_data import Heard, Scene, subtask
from soundflow_data.bystanders import interlude
from soundflow_data.duty import begin, end
from soundflow_data.texts import load_texts

LANGUAGE, OTHER = "en", "zh"
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


@subtask(ability="real_time_asr", languages=("en",), needs=("speech",))
def english_asr(scene: Scene) -> None:
    def speak() -> Heard:
        if scene.instruction and scene.has_recordings and scene.chance(0.7):
            return scene.recite(language=LANGUAGE, speaker="speaker")
        text = scene.phrase(load_texts("sentences")[LANGUAGE])
        return scene.say(text, language=LANGUAGE, speaker="speaker")

    begin(scene, written=INSTRUCTIONS, spoken=REQUESTS, idle=speak)
    for _ in range(scene.integer(1, 4)):
        scene.transcribe(speak())
        scene.pause(0.3, 2.0)
        if scene.num_voices(OTHER) and scene.chance(0.25):
            foreign = scene.say(scene.phrase(load_texts("sentences")[OTHER]), language=OTHER, speaker="guest")
            scene.stay_silent(foreign, "not in the language that was asked for")
            scene.pause(0.3, 1.5)
        interlude(scene, most=1, talk=False, gap_s=(0.3, 1.2))
    end(scene, idle=speak)
