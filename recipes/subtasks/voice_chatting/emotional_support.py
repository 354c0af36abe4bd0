"""The user's words, or a sound beside them, show the mood, and the answer meets it; a mood shown to others is theirs.

sound      [ sobbing ]                                           [ laughter ]
user                  [ I just had the exam ]                                [ I just had the exam ]
response                                     ^ "I'm sorry. ..."                                     ^ "How nice! ..."
"""

from soundflow_data import Heard, Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude

BESIDE = {
    "happy": ("laughter", "baby_laughter"),
    "sad": ("sobbing",),
    "tired": ("yawn",),
    "ill": ("sneeze", "nose_blowing"),
}


@subtask(ability="voice_chatting", needs=("speech",))
def emotional_support(scene: Scene) -> None:
    table = scene.texts("comfort")
    early, late = scene.chance(0.35), scene.chance(0.6)
    interlude(scene, most=1, talk=0.7)
    if early:
        _tell_somebody_else(scene)
    shown = {mood: scene.offers(*labels) for mood, labels in BESIDE.items()}
    heard = sorted(mood for mood, labels in shown.items() if labels)
    by_sound = bool(heard) and scene.chance(0.45)
    mood = scene.choice(heard if by_sound else sorted(table["moods"]))
    before = [_show(scene, mood, shown[mood])] if by_sound else []
    said = scene.phrase(table["neutral"] if by_sound else table["moods"][mood]["said"])
    person = anybody(scene)
    told = scene.say(said, emotion=mood, speaker=person)
    reply = scene.phrase(table["moods"][mood]["heard" if by_sound else "replies"])
    scene.respond(reply, evidence=told.end, on=[*before, told], kind="support")
    scene.pause(0.6, 2.0)
    if scene.chance(0.4):
        thanks = scene.say(scene.phrase(table["thanks"]), emotion=mood, speaker=person)
        scene.respond(scene.phrase(table["welcome"]), evidence=thanks.end, kind="support")
        scene.pause(0.5, 1.5)
    if late:
        _tell_somebody_else(scene)
    interlude(scene, most=2, talk=0.7)


def _tell_somebody_else(scene: Scene) -> None:
    table = scene.texts("comfort")
    mood = table["moods"][scene.choice(sorted(table["moods"]))]
    aside(scene, scene.phrase(mood["said"] if scene.chance(0.7) else table["thanks"]))
    scene.pause(0.6, 2.0)


def _show(scene: Scene, mood: str, labels: list[str]) -> Heard:
    """Lets a mood be heard; sobbing goes on beside what is said, because nobody sobs unanswered."""
    heard = scene.play(scene.choose_sound(labels=labels), max_s=3.0, meanwhile=mood == "sad")
    if mood != "sad":
        scene.stay_silent(heard, "the person is about to speak")
    scene.pause(0.1, 0.5)
    return heard
