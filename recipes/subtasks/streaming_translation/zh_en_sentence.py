"""Chinese into English, each sentence when it has ended: not at a pause inside it, and not what is English already.

speaker    [ could you tell me ]   [ where the lift is? ]              [ (something in English) ]
response                                                ^ translation of the whole sentence
"""

from soundflow_data import Heard, Scene, subtask
from soundflow_data.bystanders import interlude
from soundflow_data.duty import begin, end
from soundflow_data.parallel import draw_sentence

SOURCE, TARGET = "zh", "en"
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


@subtask(ability="streaming_translation", needs=("speech",))
def zh_en_sentence(scene: Scene) -> None:
    def unasked() -> Heard:
        return scene.say(draw_sentence(scene).text(SOURCE), language=SOURCE, speaker="speaker")

    begin(scene, written=INSTRUCTIONS, spoken=REQUESTS, idle=unasked)
    for _ in range(scene.integer(1, 4)):
        sentence = draw_sentence(scene)
        parts = sentence.parts(SOURCE) if scene.chance(0.5) else (sentence.text(SOURCE),)
        for n, part in enumerate(parts, 1):
            heard = scene.say(part, language=SOURCE, speaker="speaker")
            if n < len(parts):
                scene.stay_silent(heard, "the sentence goes on")
                scene.pause(0.5, 1.8)
        scene.respond(sentence.text(TARGET), evidence=heard.end, kind="translation", language=TARGET)
        scene.pause(0.5, 2.0)
        if scene.chance(0.3):
            known = scene.say(draw_sentence(scene).text(TARGET), language=TARGET, speaker="host")
            scene.stay_silent(known, "in the target language already")
            scene.pause(0.5, 1.5)
        interlude(scene, most=1, talk=False, gap_s=(0.3, 1.2))
    end(scene, idle=unasked)
