"""Real-time transcription: every word is written in the chunk in which it ends; sounds in between are not.

speaker    [ the  train  leaves  at  nine ]     [ ... ]
sound                                      [ horn ]
response      the  train  leaves  at  nine
"""

from soundflow_data import Scene, subtask

INSTRUCTIONS = [
    "[Write down|Transcribe] [what you hear|the speech|every word][ word by word|].",
    "[Give me|I need] a live transcript[ of the speaker|].",
]


@subtask(ability="real_time_asr", languages=("en",), needs=("speech",))
def english_asr(scene: Scene) -> None:
    scene.instruct(scene.phrase(INSTRUCTIONS))
    recorded = scene.has_recordings and scene.chance(0.7)
    for _ in range(scene.integer(2, 6) if recorded else scene.integer(1, 3)):
        if recorded:
            heard = scene.recite(speaker="speaker")
        else:
            heard = scene.say(scene.phrase(scene.texts("sentences")), speaker="speaker")
        scene.transcribe(heard)
        scene.pause(0.3, 2.0)
        if scene.has_sounds and scene.chance(0.3):
            sound = scene.play(scene.choose_distractor(), max_s=2.0)
            scene.stay_silent(sound, "a sound has no words")
            scene.pause(0.3, 1.0)
