"""The grammar of texts."""

from __future__ import annotations

import pytest

from soundflow_data.dice import Dice
from soundflow_data.errors import SubtaskError
from soundflow_data.phrases import count_forms, draw, parse


def forms(template: str, **slots: object) -> set[str]:
    return {draw(template, Dice(i), **slots) for i in range(400)}


def test_every_form_is_drawn_and_counted() -> None:
    template = "[please |can you |]tell me [when|as soon as] you hear {sound}[.|[, ok|]?]"
    found = forms(template, sound="a dog")
    assert "please tell me when you hear a dog." in found
    assert "tell me as soon as you hear a dog, ok?" in found
    assert len(found) == count_forms([template]) == 3 * 2 * 3


def test_plain_text_is_left_alone() -> None:
    assert forms("nothing to draw, a|b") == {"nothing to draw, a|b"}


@pytest.mark.parametrize("template", ["a [b|c", "a b] c", "[[a|b]"])
def test_brackets_must_match(template: str) -> None:
    with pytest.raises(SubtaskError, match=r"closed|closes"):
        parse(template)


def test_a_missing_slot_is_named() -> None:
    with pytest.raises(SubtaskError, match=r"slot 'sound'.*given: other"):
        draw("hear {sound}", Dice(1), other=3)


def test_tables_by_language_are_added_up() -> None:
    assert count_forms({"en": ["[a|b]", "c"], "zh": ["[一|二|三]"]}) == 6
