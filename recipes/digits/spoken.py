"""Digits in built-in voices are written down, each in the chunk in which it ends.

speaker    [ seven ] [ two ]   [ nine ]
response         ^ "seven" ^ "two"   ^ "nine"
"""

from soundflow_data import Scene, subtask

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@subtask(ability="real_time_asr", languages=("en",), needs=("speech",))
def spoken(scene: Scene) -> None:
    for _ in range(scene.integer(3, 7)):
        scene.transcribe(scene.say(scene.choice(DIGITS), speaker="speaker", wait=False))
        scene.pause(0.15, 0.9)
