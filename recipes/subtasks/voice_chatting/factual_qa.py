"""A question of fact is answered when it is complete; the same question to somebody else is left alone.

visitor    [ Anna, which planet is the largest? ]
user                                                [ and how many days has a leap year? ]
response                                                                                  ^ "A leap year has ..."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude
from soundflow_data.texts import load_texts

LEAD_INS = {
    "en": ["", "[quick question|one question|can you help me]: ", "[hey|hi|excuse me], ", "[I wonder|tell me], "],
    "zh": ["", "[请问|我想问一下|问一下]，", "[你好|嘿]，", "[告诉我|我想知道]，"],
}
CAPITALS = {
    "en": {
        "ask": ["[what is|which city is|do you know] the capital of {country}?"],
        "tell": ["[it is|that is|] {city}."],
    },
    "zh": {"ask": ["{country}的首都是[哪里|哪座城市]？", "哪座城市是{country}的首都？"], "tell": ["[是|]{city}。"]},
}
SUMS = {
    "en": {
        "ask": [
            "[what is|how much is|can you work out] {a} plus {b}?",
            "[what do you get if you|please] add {a} and {b}?",
        ],
        "tell": ["{a} plus {b} [is|makes|equals] {sum}.", "[that is|that makes|] {sum}."],
    },
    "zh": {
        "ask": ["{a}加{b}[等于|是]多少？", "[帮我|请]算一下{a}加{b}。"],
        "tell": ["{a}加{b}等于{sum}。", "[一共|]是{sum}。"],
    },
}


@subtask(ability="voice_chatting", needs=("speech",))
def factual_qa(scene: Scene) -> None:
    interlude(scene, most=2)
    if scene.chance(0.4):
        aside(scene, draw_question(scene)[0])
        scene.pause(0.6, 2.0)
    for _ in range(scene.integer(1, 2)):
        question, answer = draw_question(scene)
        lead_in = scene.phrase(LEAD_INS)
        words = lead_in + (question[:1].lower() + question[1:] if lead_in else question)
        asked = scene.say(words, speaker=anybody(scene))
        scene.respond(answer, evidence=asked.end)
        scene.pause(0.4, 2.0)
        if scene.chance(0.35):
            aside(scene, question)  # passed on to somebody else
            scene.pause(0.4, 1.5)


def draw_question(scene: Scene) -> tuple[str, str]:
    about = scene.choice(["fact", "fact", "capital", "sum"])
    if about == "fact":
        fact = scene.choice(scene.texts("facts"))
        return scene.choice(fact["questions"]), scene.choice(fact["answers"])
    if about == "capital":
        names = scene.choice(load_texts("capitals"))[scene.language]
        tables, slots = CAPITALS[scene.language], {"country": names[0], "city": names[1]}
    else:
        a, b = scene.integer(11, 89), scene.integer(11, 89)
        tables, slots = SUMS[scene.language], {"a": a, "b": b, "sum": a + b}
    return scene.phrase(tables["ask"], **slots), scene.phrase(tables["tell"], **slots).strip()
