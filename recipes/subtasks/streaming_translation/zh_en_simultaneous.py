"""Simultaneous translation: each Chinese phrase is given in English as soon as its last word has been heard.

user       [ 今天早上 | 我走路去了市场 | 还买了一些苹果 ]
response              ^ "this morning"  ^ "I walked to the market" ^ "and bought some apples"

Pauses between phrases, sounds, and what is English already add nothing.
"""

from soundflow_data import Heard, Scene, subtask
from soundflow_data.bystanders import interlude
from soundflow_data.duty import begin, end
from soundflow_data.parallel import draw_phrases, draw_sentence

SOURCE, TARGET = "zh", "en"
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


@subtask(ability="streaming_translation", needs=("speech",))
def zh_en_simultaneous(scene: Scene) -> None:
    def say(phrases: list[tuple[str, str]], *, whole: bool = True) -> Heard:
        comma, stop = ("，", "。") if SOURCE == "zh" else (", ", ".")
        text = comma.join(phrase for phrase, _ in phrases) + (stop if whole else comma.strip())
        return scene.say(text, language=SOURCE, speaker="speaker")

    def unasked() -> Heard:
        return say(draw_phrases(scene, SOURCE))

    begin(scene, written=INSTRUCTIONS, spoken=REQUESTS, idle=unasked)
    for _ in range(scene.integer(1, 3)):
        phrases = draw_phrases(scene, SOURCE)
        cut = scene.integer(1, 2) if scene.chance(0.5) else len(phrases)
        for part in (phrases[:cut], phrases[cut:]):  # a speaker may stop to think
            if part:
                scene.interpret(say(part, whole=part[-1] is phrases[-1]), part, language=TARGET)
                scene.pause(0.5, 2.0)
        if scene.chance(0.3):
            known = scene.say(draw_sentence(scene).text(TARGET), language=TARGET, speaker="host")
            scene.stay_silent(known, "in the target language already")
            scene.pause(0.5, 1.5)
        interlude(scene, most=1, talk=False, gap_s=(0.3, 1.2))
    end(scene, idle=unasked)
