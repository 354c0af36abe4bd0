"""Eight sentences that no bank holds, transcribed word by word: espeak speaks every one of them.

speaker    [ the  train  leaves  at  nine ]     [ somebody  forgot  where  the  key  was  hidden ]    ... eight times
response      the  train  leaves  at  nine         somebody  forgot  where  the  key  was  hidden
"""

from soundflow_data import Scene, subtask


@subtask(ability="real_time_asr", languages=("en",), needs=("speech",))
def eight_utterances(scene: Scene) -> None:
    for _ in range(8):
        scene.transcribe(scene.say(scene.phrase(scene.texts("sentences")), speaker="speaker"))
        scene.pause(2.0, 4.0)
