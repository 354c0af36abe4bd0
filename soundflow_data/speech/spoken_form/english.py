"""How English text is read aloud."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

from soundflow_data.speech.spoken_form.english_numbers import (
    cardinal,
    clock,
    decade,
    digits,
    fraction,
    ordinal,
    phone_digits,
    year,
)
from soundflow_data.speech.spoken_form.english_tables import (
    ABBREVIATIONS,
    CURRENCIES,
    DOMAINS,
    MAGNITUDES,
    MONTHS,
    SHORT_MONTHS,
    SYMBOLS,
    UNITS,
    VULGAR_FRACTIONS,
)
from soundflow_data.speech.spoken_form.markup import strip_markup

Replacement = str | Callable[[re.Match[str]], str]
Rule = tuple[re.Pattern[str], Replacement]

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_MONTH = "|".join([*MONTHS, *SHORT_MONTHS])
_YEAR = r"(?:1[1-9]|20)\d\d"
_HALF_DAY = r"[AaPp]\.?[Mm]\b\.?"
_YEAR_BEFORE = "in|since|from|until|till|by|of|before|after|during|around|circa|between|year|and|or|to|" + "|".join(
    ["summer", "winter", "spring", "autumn", "fall", *MONTHS]
)
_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_NUMBERED = "War|Chapter|Part|Act|Volume|Phase|Section|Book|Episode|Type|Level|Stage|Class|Mark"
_ROMAN: Final = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "X": 10}
_DOTTED = re.compile(r"(?:[A-Za-z]\.){2,}")
_NAMED = re.compile(r"[A-Z][a-z]+ $")

_UNUSUAL = re.compile(r"[^A-Za-zÀ-ÖØ-öø-\u024f ,.?!;:'-]|  |^ | $|(?<![^ ])-|-(?![^ ])|--|[A-Za-z]\.[A-Za-z]")


def needs_work(text: str) -> bool:
    """Tells whether any rule could change the text; most plain sentences are told apart in ten microseconds."""
    if _UNUSUAL.search(text):
        return True
    return any(word.rstrip(",;:!?") in _TELLING_WORDS for word in text.split())


def english(text: str) -> str:
    """Returns English text as it is read aloud: words and sentence punctuation only."""
    while needs_work(text):  # what one pass leaves may form a new abbreviation or numeral
        before = text
        text = strip_markup(text, ".", ",")
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        text = _tidy(text)
        if text == before:
            break
    return text


def _tidy(text: str) -> str:
    text = "".join([one if one.isalpha() or one in " ,.?!;:'-" or unicodedata.combining(one) else " " for one in text])
    while True:
        before = text
        for pattern, replacement in _TIDY:
            text = pattern.sub(replacement, text)
        text = text.strip()
        if text == before:
            return text


def _closing(match: re.Match[str]) -> str:
    """Returns the full stop that an abbreviation shares with the end of its sentence."""
    after = match.string[match.end() :]
    ends = match[0].endswith(".") and (not after.strip(" \"')") or re.match(r"[\"')]*\s+[\"'(]*[^a-z]", after))
    return "." if ends else ""


def _address(match: re.Match[str]) -> str:
    name = re.sub(r"^(?:https?://|mailto:)?(?:www\.)?", "", match[0], flags=re.IGNORECASE)
    name, end = re.fullmatch(r"(.*?)([.,;:!?]*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
    user, at, host = name.rpartition("@")
    host = re.split(r"[/?#:]", host)[0]
    spoken = (user + " at " if at else "") + host
    for symbol, word in ((".", " dot "), ("-", " dash "), ("_", " underscore "), ("+", " plus ")):
        spoken = spoken.replace(symbol, word)
    return re.sub(r"\d+", lambda number: f" {digits(number[0])} ", spoken) + end


def _abbreviation(match: re.Match[str]) -> str:
    written = match[0]
    words = _WRITTEN.get(written)
    if written in ("St.", "Dr."):
        named = _NAMED.search(match.string[: match.start()]) is not None
        followed = re.match(r" [A-Z]", match.string[match.end() :]) is not None
        if written == "St.":
            return "Street" + _closing(match) if named or not followed else "Saint"
        return "Drive" + _closing(match) if named and not followed else "Doctor"
    if words is None and _DOTTED.fullmatch(written):
        words = " ".join(written.replace(".", "")).upper()
        return words + (_closing(match) if len(match.string) == match.end() else "")
    if words is None:
        return written
    # A title or a name goes on; what can end a sentence does so with the same full stop.
    return words + (_closing(match) if written[0].islower() or written in _ENDING else "")


def _money(match: re.Match[str]) -> str:
    sign, amount, magnitude = match["sign"], match["amount"].replace(",", ""), match["magnitude"]
    one, many, one_part, many_parts = CURRENCIES[sign.upper() if sign.isalpha() else sign]
    if magnitude:
        return f"{cardinal(amount)} {MAGNITUDES.get(magnitude.lower(), magnitude)} {many}"
    whole, _, part = amount.partition(".")
    if len(part) not in (0, 2) or not one_part:
        return f"{cardinal(amount)} {one if amount == '1' else many}"
    units, parts = int(whole), int(part or "0")
    spoken = []
    if units or not parts:
        spoken.append(f"{cardinal(str(units))} {one if units == 1 else many}")
    if parts:
        spoken.append(f"{cardinal(str(parts))} {one_part if parts == 1 else many_parts}")
    return " and ".join(spoken)


def _iso_date(match: re.Match[str]) -> str:
    return _date(match["y"], match["m"], match["d"]) or match[0]


def _slash_date(match: re.Match[str]) -> str:
    # As in the United States, month first, unless that cannot be.
    first, second, tail = match["a"], match["b"], match["y"]
    number = "20" + tail if len(tail) == 2 else tail
    return _date(number, first, second) or _date(number, second, first) or match[0]


def _date(number: str, month: str, day: str) -> str | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{MONTHS[int(month) - 1]} {ordinal(str(int(day)))}, {year(number)}"


def _month_day(match: re.Match[str]) -> str:
    written = match["month"]
    month = SHORT_MONTHS.get(written.rstrip("."), written)
    spoken = f"{month} {ordinal(str(int(match['day'])))}"
    return f"{spoken}, {year(match['year'])}" if match["year"] else spoken


def _month_days(match: re.Match[str]) -> str:
    month = SHORT_MONTHS.get(match["month"].rstrip("."), match["month"])
    return f"{month} {ordinal(match['first'])} to {ordinal(match['last'])}"


def _day_month(match: re.Match[str]) -> str:
    month = SHORT_MONTHS.get(match["month"].rstrip("."), match["month"])
    spoken = f"the {ordinal(str(int(match['day'])))} of {month}"
    return f"{spoken}, {year(match['year'])}" if match["year"] else spoken


def _time(match: re.Match[str]) -> str:
    if int(match["h"]) > 24 or int(match["m"]) > 59:
        return f"{cardinal(match['h'])} to {cardinal(match['m'])}"
    spoken = clock(match["h"], match["m"], half_day=bool(match["half"]))
    return f"{spoken} {match['half'][0].lower()} m{_closing(match)}" if match["half"] else spoken


def _duration(match: re.Match[str]) -> str:
    parts = zip(match.groups(), ("hour", "minute", "second"), strict=True)
    hours, minutes, seconds = [f"{cardinal(str(int(n)))} {unit}{'' if int(n) == 1 else 's'}" for n, unit in parts]
    return f"{hours}, {minutes} and {seconds}"


def _hours(match: re.Match[str]) -> str:
    return f"{cardinal(match['h'])} {match['half'][0].lower()} m{_closing(match)}"


def _range(match: re.Match[str]) -> str:
    return f"{match[1]} to {match[2]}"


def _measure(match: re.Match[str]) -> str:
    number, unit = match["number"].replace(",", ""), match["unit"]
    one, many = UNITS[unit]
    return f"{cardinal(number)} {one if number == '1' else many}"


def _feet(match: re.Match[str]) -> str:
    return f"{_feet_only(match)} {cardinal(match[2])} {'inch' if match[2] == '1' else 'inches'}"


def _feet_only(match: re.Match[str]) -> str:
    return f"{cardinal(match[1])} {'foot' if match[1] == '1' else 'feet'}"


def _magnitude(match: re.Match[str]) -> str:
    return f"{cardinal(match[1])} {MAGNITUDES[match[2].lower()]}"


def _version(match: re.Match[str]) -> str:
    parts = match[0].split(".")
    return (" dot " if len(parts) == 4 else " point ").join(map(cardinal, parts))


def _number(match: re.Match[str]) -> str:
    return cardinal(match[0])


def _mixed(match: re.Match[str]) -> str:
    return f"{cardinal(match[1])} and {'a half' if match.group(2, 3) == ('1', '2') else fraction(match[2], match[3])}"


def _rule(pattern: str, replacement: str | Callable[[re.Match[str]], str], flags: int = 0) -> Rule:
    return re.compile(pattern, flags), replacement


_WRITTEN: Final = {**ABBREVIATIONS, "St.": "", "Dr.": ""}
_TELLING_WORDS: Final = {*_WRITTEN, *_NUMBERED.split("|"), "vs", "Vs", "vs.", "Vs."}
_ENDING: Final = {"Inc.", "Ltd.", "Corp.", "Co.", "Jr.", "Sr.", "Ph.D.", "M.D.", "Ave.", "Blvd.", "Rd.", "Ln."}
_BEFORE_NUMBER: Final = {
    "fig": "figure",
    "vol": "volume",
    "p": "page",
    "pp": "pages",
    "sec": "section",
    "ch": "chapter",
}
_PHONE = (
    r"\+?\b\d{1,3}[ .-]\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b|\(\d{3}\) ?\d{3}[ .-]\d{4}\b|\b\d{3}[ .-]\d{3}[ .-]\d{4}\b"
    r"|\b\d{3}-\d{4}\b|\+\d[\d ]{6,16}\d\b|\b\d{10,11}\b"
)
_DASH = r"\s?[-\u2013\u2014~]\s?"

# Each rule sees what the rules before it have left: addresses first, bare numbers and symbols last.
_RULES: Final[tuple[Rule, ...]] = (
    _rule(r"(?:https?://|www\.)[^\s<>()\"]+|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _address, re.IGNORECASE),
    _rule(rf"\b(?:[A-Za-z0-9-]+\.)+(?:{'|'.join(DOMAINS)})\b(?:/[^\s<>()\"]*)?(?!\w|\.\w)", _address),
    _rule(f"[{''.join(VULGAR_FRACTIONS)}]", lambda one: f" {VULGAR_FRACTIONS[one[0]]} "),
    _rule(r"\b(\d{1,2})' ?(\d{1,2})(?:\"|'')", _feet),
    _rule(_PHONE, lambda match: ("plus " if match[0][0] == "+" else "") + phone_digits(match[0])),
    # dates
    _rule(r"\b(?P<y>\d{4})[-/](?P<m>\d{1,2})[-/](?P<d>\d{1,2})\b", _iso_date),
    _rule(r"\b(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<y>\d{4}|\d{2})\b", _slash_date),
    _rule(
        rf"\b(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? "
        rf"(?P<month>(?:{_MONTH})\b\.?)(?:,? (?P<year>\d{{4}})\b)?",
        _day_month,
    ),
    _rule(rf"\b(?P<month>(?:{_MONTH})\b\.?) (?P<first>\d{{1,2}}){_DASH}(?P<last>\d{{1,2}})\b", _month_days),
    _rule(
        rf"\b(?P<month>(?:{_MONTH})\b\.?) (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?![:.]\d)(?:,? (?P<year>\d{{4}})\b)?",
        _month_day,
    ),
    _rule(rf"\b({_YEAR}){_DASH}({_YEAR})\b", lambda match: f"{year(match[1])} to {year(match[2])}"),
    _rule(r"\b((?:1\d|20)\d0)'?s\b|(?<!\d)'?\b(\d0)'?s\b", lambda match: decade(match[1] or match[2])),
    _rule(
        rf"\b({_YEAR_BEFORE})((?:,| the year)? )({_YEAR})\b"
        rf"(?![,.]\d|[-/:%]|\s?(?:{_UNIT}|people|times|dollars|percent)\b)",
        lambda match: match[1] + match[2] + year(match[3]),
        re.IGNORECASE,
    ),
    _rule(r"\b(\d{1,4}) ?(BCE?|CE|AD)\b", lambda match: f"{year(match[1])} {' '.join(match[2])}"),
    # times
    _rule(r"\b(\d{1,2}):(\d{2}):(\d{2})\b", _duration),
    _rule(rf"(\d{{1,2}}:\d{{2}}(?:\s?{_HALF_DAY})?){_DASH}(?=\d{{1,2}}:\d{{2}})", r"\1 to "),
    _rule(rf"\b(?P<h>\d{{1,2}}):(?P<m>\d{{2}})(?:\s?(?P<half>{_HALF_DAY}))?(?!\d)", _time),
    _rule(rf"\b(\d{{1,2}}){_DASH}(?=\d{{1,2}}\s?{_HALF_DAY})", r"\1 to "),
    _rule(rf"\b(?P<h>1[0-2]|[1-9])\s?(?P<half>{_HALF_DAY})", _hours),
    _rule(r"\b(\d+):(\d+)\b", _range),
    # money, measures, counted things
    _rule(rf"(?:US)?([$€£¥₹])\s?({_NUMBER}){_DASH}(?:US)?[$€£¥₹]?\s?(?={_NUMBER})", r"\2 to \1"),
    _rule(
        rf"(?P<sign>US\$|[$€£¥₹])\s?(?P<amount>{_NUMBER})(?:\s?(?P<magnitude>thousand|million|billion|trillion|[kKmMbBtT]n?)\b)?",
        _money,
    ),
    _rule(
        rf"\b(?P<amount>{_NUMBER})(?P<magnitude>)\s?(?P<sign>[€£¥₹¢]|(?:USD|EUR|GBP|CNY|RMB|JPY|INR)\b)",
        _money,
    ),
    _rule(rf"(?<![\w.-])({_NUMBER}){_DASH}({_NUMBER})(?![\w-])", _range),
    _rule(rf"(?<![\w.-])({_NUMBER}){_DASH}({_NUMBER})(?=\s?(?:{_UNIT}|%|k|M|st|nd|rd|th)(?![\w-]))", _range),
    _rule(r"(?<![\w)-])-(?=\d)", "minus "),
    _rule(r"(?<=\d)\s?[x×]\s?(?=\d)", " by "),
    _rule(r"(?<=\d)\s?\*\s?(?=\d)", " times "),
    _rule(r"\b(\d+)[x×]\b", r"\1 times"),
    _rule(rf"(?<![\w.])(?P<number>{_NUMBER})\s?(?P<unit>{_UNIT})(?![\w²³/°'])(?:\.(?=\s[a-z]))?", _measure),
    _rule(r"\b(\d{1,2})'(?!\w)", _feet_only),
    _rule(rf"\b({_NUMBER})(k|M|bn|B)\b", _magnitude),
    _rule(r"\b(\d[\d,]*)(?:st|nd|rd|th)\b", lambda match: ordinal(match[1])),
    _rule(r"\b24/7\b", "twenty-four seven"),
    _rule(r"\b(\d+) +(\d+)/(\d+)\b", _mixed),
    _rule(r"\b(\d+)/(\d+)\b", lambda match: fraction(match[1], match[2])),
    _rule(r"\b\d+(?:\.\d+){2,}\b", _version),
    _rule(r"(?:#|\b[Nn]o\. ?|\bNos\. ?|№ ?)(?=\d)", "number "),
    _rule(r"\b([Ff]ig|[Vv]ol|[Pp]|[Pp]p|[Ss]ec|[Cc]h)\. ?(?=\d)", lambda match: _BEFORE_NUMBER[match[1].lower()] + " "),
    _rule(
        rf"\b({_NUMBERED}) (I|II|III|IV|V|VI|VII|VIII|IX|X)\b", lambda one: f"{one[1]} {cardinal(str(_ROMAN[one[2]]))}"
    ),
    _rule(r"~(?=\s?\d)", "about "),
    _rule(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " "),
    _rule(_NUMBER, _number),
    # words and symbols
    _rule(r"\b[Vv]s\b\.?", "versus"),
    _rule(r"\bw/o\b", "without"),
    _rule(r"\bw/ ?", "with "),
    _rule(r"\band/or\b", "and or"),
    _rule(r"(?<![\w.'])(?:et al\.|[A-Za-z][A-Za-z.]*\.)(?![\w.])", _abbreviation),
    _rule(r"(?<![\w.])(?:[A-Za-z]\.)+[A-Za-z](?![\w.])", lambda match: " ".join(match[0].replace(".", "")).upper()),
    _rule("[" + "".join(re.escape(symbol) for symbol in SYMBOLS) + "]", lambda match: SYMBOLS[match[0]]),
)
_TIDY: Final[tuple[Rule, ...]] = (
    _rule(r"\s+", " "),
    _rule(r"-{2,}", " - "),
    _rule(r"(?<!\S)-+(?=\s)", ","),
    _rule(r"(?<!\S)-+|-+(?=\s|$)", ""),
    _rule(r"\.{2,}", "..."),
    _rule(r"!*\?[!?]+|!+\?", "?"),
    _rule(r"!{2,}", "!"),
    _rule(r"\s+(?=[,.?!;:])", ""),
    _rule(r"([,;:])\s*[,;:]+", r"\1"),
    _rule(r"[,;:]+\s*(?=[.?!])", ""),
    _rule(r"([.?!])\s*[,;:]+", r"\1"),
    _rule(r"([?!])\s*\.+", r"\1"),
    _rule(r"\.+ \.+", "."),
    _rule(r"(?<=[,;:?!])(?=[^\W\d_])", " "),
    _rule(r"^[\s,;:.?!'-]+$|^[\s,;:-]+|,$", ""),
)
