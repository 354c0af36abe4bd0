"""The user asks about music, before, during or behind it; other sounds and music that nobody asked about pass.

music      [ violin ........ ]             [ piano ............................... ]
user                                              [ what am I listening to? ]
response                                                                     ^ "A piano: keys that move hammers ..."
"""

from soundflow_data import Heard, Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude, pass_by
from soundflow_data.library import Sound
from soundflow_data.texts import load_texts


@subtask(ability="streaming_audio_understanding", background=False, needs=("speech", "sounds"))
def music_description(scene: Scene) -> None:
    kinds = tuple(load_texts("music"))
    interlude(scene, most=2)
    sound = scene.choose_sound(labels=kinds)
    when = scene.choice(["before", "after", "during", "never"])
    question = scene.phrase(scene.texts("music_description")["questions"]["after" if when == "never" else when])
    if when == "before":
        _ask_for_next(scene, sound, question)
        return
    heard = scene.play(sound, meanwhile=when == "during")
    if when == "during":
        scene.wait_until(heard.recognisable)
    else:
        scene.stay_silent(heard, "nobody has asked about it yet")
    scene.pause(0.2, 1.0)
    if when == "never" or (when == "after" and scene.chance(0.3)):
        aside(scene, question)
        scene.pause(0.6, 1.5)
    if when != "never":
        asked = scene.say(question, speaker=anybody(scene))
        _describe(scene, sound, heard, asked)
        interlude(scene, most=1)


def _ask_for_next(scene: Scene, sound: Sound, question: str) -> None:
    music = scene.library.sounds(scene.language, family="music")
    asked = scene.say(question, speaker=anybody(scene))
    scene.stay_silent(asked, "the music has not begun")
    scene.pause(0.8, 2.5)
    if scene.chance(0.5):
        pass_by(scene, unlike=music, reason="not music")
        scene.pause(0.6, 2.0)
    _describe(scene, sound, scene.play(sound), asked)
    if scene.chance(0.3) and scene.offers(*(one.label for one in music if one.assistant == "silent")):
        more = scene.choose_sound(family="music", assistant="silent")
        scene.stay_silent(scene.play(more, max_s=4.0), "only the next piece was asked for")


def _describe(scene: Scene, sound: Sound, heard: Heard, asked: Heard) -> None:
    how = scene.choice(load_texts("music")[sound.label][scene.language])
    answer = scene.phrase(scene.texts("music_description")["answers"], sound=sound.phrase, how=how)
    scene.respond(answer, evidence=max(heard.recognisable, asked.end), on=[heard, asked], kind="description")
    scene.wait_until(heard.end)
    scene.pause(0.5, 1.5)
