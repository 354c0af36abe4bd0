"""One offline turn: a written request to write down what is said, a sentence, and its whole text at the end.

instruction   write down what is said
speaker       [ the train leaves at nine ]
response                                 ^ "The train leaves at nine."
"""

from soundflow_data import Scene, subtask

REQUESTS = {
    "en": ["[Write down|Transcribe] [what is said|the speech|the sentence].", "What does the speaker say?"],
    "zh": ["[写下|听写][这句话|听到的话]。", "说话人说了什么？"],
}


@subtask(ability="real_time_asr", background=False, needs=("speech",))
def transcribe(scene: Scene) -> None:
    scene.instruct(scene.phrase(REQUESTS[scene.language]))
    sentence = scene.phrase(scene.texts("sentences"))
    scene.respond(sentence, evidence=scene.say(sentence, speaker="speaker").end, kind="transcript")
    scene.finish()
