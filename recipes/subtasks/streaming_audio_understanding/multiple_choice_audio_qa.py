"""The user offers three answers; the assistant picks one, when both the question and the sound have been heard.

user       [ which is it: one, a bell, two, a dog, three, rain? ]                 (or the question comes after)
sound                                                             [ dog bark ]
response                                                              ^ "Two, a dog barking."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude, pass_by

QUESTIONS = {
    "en": {
        "before": [
            "[which of these comes|what will you hear] next: one, {a}, two, {b}, [or |]three, {c}?",
            "[listen|quiz time|one for you]: is the next sound one, {a}, two, {b}, or three, {c}?",
        ],
        "after": [
            "[what was that|which one was it|what did you just hear]: one, {a}, two, {b}, [or |]three, {c}?",
            "was that [sound |noise |]one, {a}, two, {b}, or three, {c}?",
        ],
    },
    "zh": {
        "before": [
            "[下一个声音|接下来]是哪一个：第一，{a}，第二，{b}，还是第三，{c}？",
            "[听好了|考考你]，[等会儿|马上]听到的是第一，{a}，第二，{b}，还是第三，{c}？",
        ],
        "after": [
            "[刚才|刚刚]那是哪一个：第一，{a}，第二，{b}，还是第三，{c}？",
            "[刚才的声音|那个动静]是第一，{a}，第二，{b}，还是第三，{c}？",
        ],
    },
}
ANSWERS = {
    "en": ["{number}, {sound}.", "[it is|that is|I choose|my answer is] {number}, {sound}."],
    "zh": ["{number}，{sound}。", "[是|我选|答案是]{number}，{sound}。"],
}
NONE = {
    "en": ["none of [these|the three|them], [it was|I heard] {sound}."],
    "zh": ["[都不是|一个都不对]，[是|我听到的是]{sound}。"],
}
NUMBERS = {"en": ("one", "two", "three"), "zh": ("第一个", "第二个", "第三个")}


@subtask(ability="streaming_audio_understanding", background=False, needs=("speech", "sounds"))
def multiple_choice_audio_qa(scene: Scene) -> None:
    interlude(scene, most=2)
    sound = scene.choose_distractor()
    choices = [sound]
    while len(choices) < 4:
        choices.append(scene.choose_sound(unlike=choices))
    right = scene.integer(0, 3)  # 3: none of the three
    offered = choices[1:]
    if right < 3:
        offered[right] = sound
    slots = {key: one.phrase for key, one in zip("abc", offered, strict=True)}
    when = scene.choice(["before", "after"])
    question = scene.phrase(QUESTIONS[scene.language][when], **slots)
    if when == "before":
        asked = scene.say(question, speaker=anybody(scene))
        scene.stay_silent(asked, "the sound has not been heard yet")
        scene.pause(0.6, 3.0)
        heard = scene.play(sound, max_s=4.0)
    else:
        heard = scene.play(sound, max_s=4.0)
        scene.stay_silent(heard, "nobody has asked about it yet")
        scene.pause(0.5, 1.5)
        if scene.chance(0.3):
            aside(scene, question)
            scene.pause(0.6, 2.0)
        asked = scene.say(question, speaker=anybody(scene))
    table, number = (ANSWERS, NUMBERS[scene.language][right]) if right < 3 else (NONE, "")
    text = scene.phrase(table, number=number, sound=sound.phrase)
    scene.respond(text, evidence=max(asked.end, heard.recognisable), on=[asked, heard])
    scene.pause(0.8, 2.5)
    if scene.chance(0.5):
        pass_by(scene, reason="the question is answered")
