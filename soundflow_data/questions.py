"""Questions of which the answer is known: facts, capitals and sums."""

from __future__ import annotations

from soundflow_data.scene import Scene
from soundflow_data.texts import load_texts

LEAST, MOST = 11, 89  # of a number in a sum


def draw_fact(scene: Scene) -> tuple[str, str]:
    """Draws a question of fact and its answer."""
    fact = scene.choice(scene.texts("facts"))
    question, answer = scene.choice(fact["questions"]), scene.choice(fact["answers"])
    return question[:1].upper() + question[1:], answer


def draw_slots(scene: Scene, about: str) -> dict[str, object]:
    """Draws what fills a question about `capitals` or `sums` and its answer.

    Returns:
        `country`, `city` and `wrong`, another country; or `a`, `b`, `sum` and `wrong`, another number than b.
    """
    if about == "capitals":
        (country, city), (wrong, _) = (names[scene.language] for names in scene.sample(load_texts("capitals"), 2))
        return {"country": country, "city": city, "wrong": wrong}
    a, b = scene.integer(LEAST, MOST), scene.integer(LEAST, MOST)
    return {"a": a, "b": b, "sum": a + b, "wrong": b + scene.integer(1, 9)}
