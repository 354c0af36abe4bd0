"""The user stops to think and starts over inside one turn: the answer waits for the end, and follows the correction.

user       [ what is the capital of ]  .....  [ Canada, no, I mean Japan? ]            [ and what is ] .. [ never mind ]
response                                                                   ^ "It is Tokyo."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside, interlude
from soundflow_data.texts import load_texts

CAPITALS = {
    "en": {
        "open": ["[uh, |um, |so, |]what is the capital of[, uh|, let me think|, well|]"],
        "close": ["{country}?", "[Um, |]{wrong}, [no, sorry|no wait|I mean], {country}?"],
        "tell": ["[it is|that is|the capital of {country} is] {city}."],
    },
    "zh": {
        "open": ["[嗯，|那个，|请问，|]我想知道[一下|]，[呃|那个|怎么说呢]", "[嗯|呃]，请问"],
        "close": ["{country}的首都是哪里？", "{wrong}，[不对|等等|说错了]，{country}的首都是哪里？"],
        "tell": ["[是|{country}的首都是]{city}。"],
    },
}
SUMS = {
    "en": {
        "open": ["[uh, |um, |so, |]how much is {a} plus[, uh|, let me see|]"],
        "close": ["{b}?", "{wrong}, [no, sorry|no wait|I mean], {b}?"],
        "tell": ["{a} plus {b} [is|makes] {sum}.", "[that is|that makes] {sum}."],
    },
    "zh": {
        "open": ["[嗯，|那个，|请问，|]{a}加[呃|嗯|那个]"],
        "close": ["{b}等于多少？", "{wrong}，[不对|等等|说错了]，加{b}等于多少？"],
        "tell": ["{a}加{b}等于{sum}。", "[一共|]是{sum}。"],
    },
}
STARTS = {
    "en": [
        "[uh|um|well|so], [I wanted to ask|I was wondering|can you tell me][, uh|]",
        "[one more thing|hey], [uh|um]",
    ],
    "zh": ["[嗯|呃|那个]，[我想问|我在想|你能告诉我][，呃|]", "[还有件事|对了]，[嗯|呃]"],
}
NEVER_MIND = {
    "en": ["[oh, |ah, |]never mind[, I remember|, I have it here|].", "[no, |]forget it[, it is not important|]."],
    "zh": ["[哦，|啊，|]算了[，我想起来了|，不用了|]。", "没事[，我自己看到了|，不重要|]。"],
}


@subtask(ability="voice_chatting", needs=("speech",))
def hesitant_speaker(scene: Scene) -> None:
    interlude(scene, most=1)
    opening, closing, answer = _draw(scene)
    if scene.chance(0.25):
        aside(scene, scene.choice(scene.choice(scene.texts("facts"))["questions"]))
        scene.pause(0.5, 1.5)
    openings = [scene.phrase(STARTS)] * scene.chance(0.3) + [opening] * scene.integer(1, 2)  # some start over
    for part in openings:
        scene.stay_silent(scene.say(part), "the speaker is still thinking")
        scene.pause(0.6, 2.8)
    if scene.chance(0.25):
        scene.stay_silent(scene.say(scene.phrase(NEVER_MIND)), "the question is taken back")
        scene.pause(0.8, 2.0)
        return
    asked = scene.say(closing)
    scene.respond(answer, evidence=asked.end)
    scene.pause(0.6, 1.5)
    interlude(scene, most=2)


def _draw(scene: Scene) -> tuple[str, str, str]:
    about = scene.choice(["fact", "capital", "sum"])
    if about == "fact":
        fact = scene.choice(scene.texts("facts"))
        return scene.phrase(STARTS), scene.choice(fact["questions"]), scene.choice(fact["answers"])
    if about == "capital":
        right, wrong = (names[scene.language] for names in scene.sample(load_texts("capitals"), 2))
        tables, slots = CAPITALS[scene.language], {"country": right[0], "city": right[1], "wrong": wrong[0]}
    else:
        a, b = scene.integer(11, 89), scene.integer(11, 89)
        tables, slots = SUMS[scene.language], {"a": a, "b": b, "wrong": b + scene.integer(1, 9), "sum": a + b}
    opening, closing, answer = (scene.phrase(tables[part], **slots) for part in ("open", "close", "tell"))
    return opening, closing, answer.strip()
