"""Recorded digits are written down, each in the chunk in which it ends.

speaker    [ seven ] [ two ]   [ nine ]
response         ^ "seven" ^ "two"   ^ "nine"
"""

from soundflow_data import Scene, subtask


@subtask(ability="real_time_asr", languages=("en",), needs=("recordings",))
def recorded(scene: Scene) -> None:
    for _ in range(scene.integer(3, 7)):
        scene.transcribe(scene.recite(timed=True, speaker="speaker", wait=False))
        scene.pause(0.15, 0.9)
