"""Numbers as an English speaker says them, by num2words."""

from __future__ import annotations

from typing import Final

from num2words import num2words  # type: ignore[import-untyped]

_MOST_DIGITS: Final = 15  # longer numbers are codes, and are said digit by digit
_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_PHONE_DIGITS: Final = ("oh", *_DIGITS[1:])
_TWO_DIGITS: Final = range(10, 100)


def cardinal(number: str) -> str:
    """Returns "105" or "1,234.50" in words; a number that starts with 0 or is very long is said digit by digit."""
    whole, _, fraction = number.replace(",", "").partition(".")
    if len(whole) > _MOST_DIGITS or (len(whole) > 1 and whole[0] == "0"):
        words = digits(whole)
    else:
        words = _plain(num2words(int(whole or "0")))
    return f"{words} point {digits(fraction)}" if fraction else words


def ordinal(number: str) -> str:
    """Returns "21" as "twenty-first"."""
    whole = number.replace(",", "")
    return _plain(num2words(int(whole), to="ordinal")) if len(whole) <= _MOST_DIGITS else cardinal(whole)


def year(number: str) -> str:
    """Returns "1905" as "nineteen oh-five"."""
    return _plain(num2words(int(number), to="year")) if len(number) == 4 else cardinal(number)


def digits(number: str) -> str:
    """Returns "505" as "five zero five"."""
    return " ".join(_DIGITS[int(digit)] for digit in number)


def phone_digits(number: str) -> str:
    """Returns the digits of "555-0199" one by one, with a comma where the writer divided them."""
    groups = "".join(one if one.isdigit() else " " for one in number).split()
    return ", ".join(" ".join(_PHONE_DIGITS[int(digit)] for digit in group) for group in groups)


def clock(hours: str, minutes: str, *, half_day: bool) -> str:
    """Returns a time of day in words.

    Args:
        hours: One or two digits.
        minutes: Two digits.
        half_day: Whether a.m. or p.m. follows, so that full hours are said without "o'clock".
    """
    hour, minute = int(hours), int(minutes)
    if minute == 0:
        if half_day:
            return cardinal(str(hour))
        return f"{cardinal(str(hour))} o'clock" if 1 <= hour <= 12 else f"{cardinal(str(hour))} hundred hours"
    spoken = cardinal(str(minute)) if minute in _TWO_DIGITS else f"oh {cardinal(str(minute))}"
    return f"{cardinal(str(hour))} {spoken}"


def decade(number: str) -> str:
    """Returns "1990" as "nineteen nineties" and "80" as "eighties"."""
    words = year(number) if len(number) == 4 else cardinal(number)
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + "s"


def fraction(numerator: str, denominator: str) -> str:
    """Returns "3/4" as "three quarters"; what is not a usual fraction becomes "... over ..."."""
    top, bottom = int(numerator), int(denominator)
    if not (0 < top < bottom and (bottom <= 10 or bottom in (12, 16, 20, 32, 100, 1000))):
        return f"{cardinal(numerator)} over {cardinal(denominator)}"
    part = {2: "half", 4: "quarter"}.get(bottom) or ordinal(denominator)
    if top > 1:
        part = "halves" if part == "half" else part + "s"
    return f"{cardinal(numerator)} {part}"


def _plain(words: object) -> str:
    return str(words).replace(",", "")
