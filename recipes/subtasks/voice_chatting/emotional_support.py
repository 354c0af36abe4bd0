"""The user's words, or a sound beside them, show the mood, and the answer meets it; a mood shown to others is theirs.

sound      [ sobbing ]                                           [ laughter ]
user                  [ I just had the exam ]                                [ I just had the exam ]
response                                     ^ "I'm sorry. ..."                                     ^ "How nice! ..."
"""

from soundflow_data import Scene, subtask
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
    interlude(scene, most=2)
    if scene.chance(0.6):
        other = table["moods"][scene.choice(sorted(table["moods"]))]
        aside(scene, scene.phrase(other["said"]))
        scene.pause(0.6, 2.0)
    shown = {mood: scene.offers(*labels) for mood, labels in BESIDE.items()}
    heard = sorted(mood for mood, labels in shown.items() if labels)
    by_sound = bool(heard) and scene.chance(0.45)
    mood = scene.choice(heard if by_sound else sorted(table["moods"]))
    before = []
    if by_sound:
        sound = scene.choose_sound(labels=shown[mood])
        before = [scene.play(sound, max_s=3.0, meanwhile=mood == "sad")]  # nobody sobs unanswered: it goes on beside
        if mood != "sad":
            scene.stay_silent(before[0], "the person is about to speak")
        scene.pause(0.1, 0.5)
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
    interlude(scene, most=2)
