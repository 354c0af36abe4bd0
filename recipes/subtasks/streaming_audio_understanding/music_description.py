"""The user asks about music, before, during or behind it; other sounds and music that nobody asked about pass.

music      [ violin ........ ]             [ piano ............................... ]
user                                              [ what am I listening to? ]
response                                                                     ^ "A piano: keys that move hammers ..."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude, pass_by
from soundflow_data.texts import load_texts

QUESTIONS = {
    "en": {
        "before": [
            "[when|as soon as] the music [starts|begins], [describe it|tell me about it|say what is playing].",
            "[please |]listen for music and [describe it|tell me what plays].",
        ],
        "after": [
            "[what|which instrument] [was that|did you hear|was playing] [just now|a moment ago]?",
            "[can you|could you|please] describe the music[ of just now| that was playing|]?",
        ],
        "during": [
            "[what|which instrument] [is playing|am I listening to|do you hear][ now|]?",
            "[can you|could you|please] describe this music[ to me| for me|]?",
        ],
    },
    "zh": {
        "before": [
            "音乐[一|]开始[就|，请]给我[描述一下|介绍一下]。",
            "[请|]留意音乐，[来了就说说是什么|听到就描述一下]。",
        ],
        "after": ["刚才[那段音乐|放的]是什么[乐器|]？", "[能|可以][描述|介绍]一下刚才的音乐吗？"],
        "during": ["现在[放的是什么音乐|是什么乐器]？", "[能|可以]描述一下这段音乐吗？"],
    },
}
ANSWERS = {
    "en": ["[that is|it is|I hear] {sound}: {how}.", "{sound}, [by the sound of it|I would say]; {how}."],
    "zh": ["[这是|是|我听到]{sound}，{how}。", "[应该是|听起来是]{sound}，{how}。"],
}


@subtask(ability="streaming_audio_understanding", background=False, needs=("speech", "sounds"))
def music_description(scene: Scene) -> None:
    table = load_texts("music")
    interlude(scene, most=2)
    sound = scene.choose_sound(labels=tuple(table))
    how = scene.choice(table[sound.label][scene.language])
    answer = scene.phrase(ANSWERS, sound=sound.phrase, how=how)
    when = scene.choice(["before", "after", "during", "never"])
    question = scene.phrase(QUESTIONS[scene.language]["after" if when == "never" else when])
    if when == "before":
        asked = scene.say(question, speaker=anybody(scene))
        scene.stay_silent(asked, "the music has not begun")
        scene.pause(0.8, 2.5)
        if scene.chance(0.5):
            music = scene.library.sounds(scene.language, family="music")
            pass_by(scene, unlike=music, reason="not music")
            scene.pause(0.6, 2.0)
    heard = scene.play(sound, meanwhile=when == "during")
    if when == "during":
        scene.wait_until(heard.recognisable)
    if when in ("after", "never"):
        scene.stay_silent(heard, "nobody has asked about it yet")
    if when != "before":
        scene.pause(0.2, 1.0)
        if when == "never" or (when == "after" and scene.chance(0.3)):
            aside(scene, question)
            scene.pause(0.6, 1.5)
        if when == "never":
            return
        asked = scene.say(question, speaker=anybody(scene))
    scene.respond(answer, evidence=max(heard.recognisable, asked.end), on=[heard, asked], kind="description")
    scene.wait_until(heard.end)
    scene.pause(0.5, 1.5)
    interlude(scene, most=1)
