"""Numbers as a Mandarin speaker says them."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = "零一二三四五六七八九"
_PHONE_DIGITS: Final = "零幺二三四五六七八九"
_SMALL_UNITS: Final = ("", "十", "百", "千")
_LARGE_UNITS: Final = ("", "万", "亿", "万亿")
_MOST_DIGITS: Final = 16  # longer numbers are codes, and are said digit by digit


def cardinal(number: str) -> str:
    """Returns "10203.5" as "一万零二百零三点五"; a number that starts with 0 or is very long is said digit by digit."""
    whole, _, fraction = number.replace(",", "").partition(".")
    if len(whole) > _MOST_DIGITS or (len(whole) > 1 and whole[0] == "0"):
        words = digits(whole)
    else:
        words = _whole(int(whole or "0"))
    return f"{words}点{digits(fraction)}" if fraction else words


def counted(number: str) -> str:
    """Returns a number as it stands before a measure word: a bare 2 is 两."""
    return "两" if number == "2" else cardinal(number)


def digits(number: str) -> str:
    """Returns "2024" as "二零二四"."""
    return "".join(_DIGITS[int(digit)] for digit in number)


def phone_digits(number: str) -> str:
    """Returns the digits of a telephone number one by one, 1 as 幺, with a comma where the writer divided them."""
    groups = "".join(one if one.isdigit() else " " for one in number).split()
    return "，".join("".join(_PHONE_DIGITS[int(digit)] for digit in group) for group in groups)


def _whole(number: int) -> str:
    if number == 0:
        return _DIGITS[0]
    sections = []
    while number:
        number, section = divmod(number, 10_000)
        sections.append(section)
    words = ""
    gap = False  # a section of zeros, or one that does not fill its thousands, is bridged by one 零
    for place in range(len(sections) - 1, -1, -1):
        section = sections[place]
        if section == 0:
            gap = bool(words)
            continue
        if words and (gap or section < 1000):
            words += _DIGITS[0]
        words += ("两" if section == 2 and place else _section(section)) + _LARGE_UNITS[place]
        gap = False
    return words[1:] if words.startswith("一十") else words


def _section(number: int) -> str:
    """Returns 1 to 9999 in words."""
    words = ""
    gap = False
    for place in range(3, -1, -1):
        digit = number // 10**place % 10
        if digit == 0:
            gap = bool(words)
            continue
        if gap:
            words += _DIGITS[0]
        words += ("两" if digit == 2 and place == 3 else _DIGITS[digit]) + _SMALL_UNITS[place]
        gap = False
    return words
