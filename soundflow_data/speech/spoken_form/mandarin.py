"""How Mandarin text is read aloud."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

from soundflow_data.speech.spoken_form.mandarin_numbers import cardinal, counted, digits, phone_digits
from soundflow_data.speech.spoken_form.markup import strip_markup

Replacement = str | Callable[[re.Match[str]], str]
Rule = tuple[re.Pattern[str], Replacement]

UNITS: Final = {
    "km/h": "公里每小时",
    "m/s": "米每秒",
    "km²": "平方公里",
    "m²": "平方米",
    "㎡": "平方米",
    "cm²": "平方厘米",
    "m³": "立方米",
    "km": "公里",
    "cm": "厘米",
    "mm": "毫米",
    "m": "米",
    "kg": "公斤",
    "mg": "毫克",
    "g": "克",
    "ml": "毫升",
    "mL": "毫升",
    "l": "升",
    "L": "升",
    "°C": "摄氏度",
    "°F": "华氏度",
    "°": "度",
    "h": "小时",
    "min": "分钟",
    "ms": "毫秒",
    "s": "秒",
    "kHz": "千赫兹",
    "MHz": "兆赫兹",
    "GHz": "吉赫兹",
    "Hz": "赫兹",
    "kWh": "千瓦时",
    "kW": "千瓦",
    "W": "瓦",
    "V": "伏",
    "dB": "分贝",
}
CURRENCIES: Final = {
    "¥": "元",
    "$": "美元",
    "US$": "美元",
    "€": "欧元",
    "£": "英镑",
    "HK$": "港元",
    "RMB": "元",
    "CNY": "元",
    "USD": "美元",
    "EUR": "欧元",
    "GBP": "英镑",
    "JPY": "日元",
}
SYMBOLS: Final = {
    "&": "和",
    "+": "加",
    "=": "等于",
    "≠": "不等于",
    "<": "小于",
    ">": "大于",
    "≤": "小于等于",
    "≥": "大于等于",
    "≈": "约等于",
    "±": "正负",
    "×": "乘",
    "÷": "除以",
    "π": "派",
    "°": "度",
    "²": "的平方",
    "³": "的立方",
    "→": "到",
    "¥": "元",
    "$": "美元",
    "€": "欧元",
    "£": "英镑",
    "@": "艾特",
    "/": "或",
    "#": "",
    "*": "",
    "_": " ",
    "~": "，",
    "～": "，",
    "^": "",
    "|": "，",
    "\\": "",
    "(": "，",
    ")": "，",
    "（": "，",
    "）": "，",
    "[": "，",
    "]": "，",
    "【": "，",
    "】": "，",
    "{": "，",
    "}": "，",
    "—": "，",
    "–": "，",
    "―": "，",
    '"': "",
    "「": "",
    "」": "",
    "『": "",
    "』": "",
    "《": "",
    "》": "",
    "〈": "",
    "〉": "",
    "•": "",
}
# Words that count: a bare 2 before them is 两.
_MEASURE_WORDS: Final = (
    "个只条张本把位名件块座台辆双对份杯碗瓶盒包袋斤米里天周秒点种倍层颗根首支枝片遍句岁元口次场间套头匹架艘串束滴面道"
    "门幅朵棵顿趟轮步声下万亿千"
)
_LONG_MEASURE_WORDS: Final = (
    "公里|公斤|小时|分钟|毫升|厘米|毫米|平方米|星期|美元|欧元|英镑|年(?!级|代|月)|月(?=后|前|内)"
)

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff"
_WIDE = _HAN + "、。，；：？！"
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_DASH = r"\s?[-\u2013\u2014~～至到]\s?"
_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_SIGN = "|".join(re.escape(sign) for sign in sorted(CURRENCIES, key=len, reverse=True))
_MAGNITUDE = "万亿|千万|百万|万|亿|千"
_ALLOWED_PUNCTUATION: Final = " ,.?!;:'-、。，；：？！…·"

_UNUSUAL = re.compile(f"[^{_WIDE}A-Za-z]")
_ADDRESS = r"(?:https?://|www\.)[A-Za-z0-9./?#=&%_~:+-]+|\b[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"


def mandarin(text: str) -> str:
    """Returns Mandarin text as it is read aloud: characters, Latin words and sentence punctuation only."""
    while _UNUSUAL.search(text):  # what one pass leaves may form something new
        before = text
        text = strip_markup(text, "。", "，")
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        text = _tidy(text)
        if text == before:
            break
    return text


def _tidy(text: str) -> str:
    text = "".join(
        [one if one.isalpha() or one in _ALLOWED_PUNCTUATION or unicodedata.combining(one) else " " for one in text]
    )
    while True:
        before = text
        for pattern, replacement in _TIDY:
            text = pattern.sub(replacement, text)
        text = text.strip()
        if text == before:
            return text


def _address(match: re.Match[str]) -> str:
    name = re.sub(r"^(?:https?://)?(?:www\.)?", "", match[0], flags=re.IGNORECASE).rstrip(".,:?")
    user, at, host = name.rpartition("@")
    host = re.split(r"[/?#:]", host)[0]
    spoken = (user + "艾特" if at else "") + host
    spoken = spoken.replace(".", "点").replace("-", "杠").replace("_", "下划线").replace("+", "加")
    return re.sub(r"\d+", lambda number: digits(number[0]), spoken)


def _date(match: re.Match[str]) -> str:
    month, day = int(match["m"]), int(match["d"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    return f"{digits(match['y'])}年{cardinal(str(month))}月{cardinal(str(day))}日"


def _time(match: re.Match[str]) -> str:
    hour, minute, second = int(match["h"]), match["m"], match["s"]
    if hour > 24 or int(minute) > 59:
        return f"{cardinal(match['h'])}比{cardinal(minute)}"
    spoken = f"{counted(str(hour))}点"
    if minute != "00" or second:
        spoken += f"{cardinal(minute) if minute != '00' else '零'}分"
    return spoken + (f"{cardinal(second)}秒" if second else "")


def _money(match: re.Match[str]) -> str:
    amount, magnitude = match["amount"], match["magnitude"] or ""
    if "." in amount:
        amount = amount.rstrip("0").rstrip(".")
    return f"{counted(amount)}{magnitude}{CURRENCIES[match['sign']]}"


def _fraction(match: re.Match[str]) -> str:
    return f"{cardinal(match[2])}分之{cardinal(match[1])}"


def _rule(pattern: str, replacement: Replacement) -> Rule:
    # ASCII: Chinese characters are not letters to the patterns, so that a number ends where a character begins.
    return re.compile(pattern, re.ASCII), replacement


_PHONE = (
    r"\+?\b(?:86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}\b|\b0\d{2,3}-\d{7,8}\b|\b[48]00-?\d{3}-?\d{4}\b"
    r"|(?<=[打拨叫])(?:1[12]\d|911|999|9\d{4}|1\d{4})(?!\d)"
)
_RULES: Final[tuple[Rule, ...]] = (
    _rule(_ADDRESS, _address),
    _rule(_PHONE, lambda match: phone_digits(match[0])),
    _rule(r"(?<!\d)(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)", _date),
    _rule(rf"(?<!\d)(\d{{4}}){_DASH}(\d{{4}})(?=年)", lambda match: f"{digits(match[1])}到{digits(match[2])}"),
    _rule(r"(?<!\d)([1-9]\d{3})(?=\s?年(?!级))", lambda match: digits(match[1])),
    _rule(
        rf"(?<!\d)(\d{{1,2}}:\d{{2}}){_DASH}(?=\d{{1,2}}:\d{{2}})",
        r"\1到",
    ),
    _rule(r"(?<!\d)(?P<h>\d{1,2})[:：](?P<m>\d{2})(?:[:：](?P<s>\d{2}))?(?!\d)", _time),
    _rule(r"(?<!\d)(\d+)[:：](\d+)(?!\d)", lambda match: f"{cardinal(match[1])}比{cardinal(match[2])}"),
    _rule(rf"(?P<sign>{_SIGN})\s?(?P<amount>{_NUMBER})\s?(?P<magnitude>{_MAGNITUDE})?元?", _money),
    _rule(rf"(?P<amount>{_NUMBER})\s?(?P<magnitude>{_MAGNITUDE})?\s?(?P<sign>{_SIGN})", _money),
    _rule(rf"({_NUMBER})\s?%{_DASH}(?={_NUMBER}\s?%)", r"\1%到"),
    _rule(rf"({_NUMBER}){_DASH}({_NUMBER})\s?%", r"\1%到\2%"),
    _rule(rf"({_NUMBER})\s?%", lambda match: f"百分之{cardinal(match[1])}"),
    _rule(rf"({_NUMBER})\s?‰", lambda match: f"千分之{cardinal(match[1])}"),
    _rule(rf"(?<![\w.-])({_NUMBER}){_DASH}(?={_NUMBER}(?![\w-]*-))", lambda match: f"{cardinal(match[1])}到"),
    _rule(r"(?<![A-Za-z\d)])-(?=\d)", "负"),
    _rule(r"(?<=\d)\s?[x×*]\s?(?=\d)", "乘"),
    _rule(rf"({_NUMBER})\s?({_UNIT})(?![A-Za-z²³/])", lambda match: f"{counted(match[1])}{UNITS[match[2]]}"),
    _rule(r"(?<![\d.])(\d+)/(\d+)(?![\d/])", _fraction),
    _rule(r"(?:No\.|no\.|№)\s?(?=\d)", "第"),
    _rule(r"(?<![A-Za-z])\d+(?:\.\d+){2,}", lambda match: "点".join(map(cardinal, match[0].split(".")))),
    _rule(
        rf"(?<![\d.第])2(?=\s?(?:[{_MEASURE_WORDS}]|{_LONG_MEASURE_WORDS}))(?!\s?(?:月|号|日|楼|班|点\d))",
        "两",
    ),
    _rule(_NUMBER, lambda match: cardinal(match[0])),
    _rule("[" + "".join(re.escape(symbol) for symbol in SYMBOLS) + "]", lambda match: SYMBOLS[match[0]]),
)
_TIDY: Final[tuple[Rule, ...]] = (
    _rule(r"\s+", " "),
    _rule(rf"(?<=[{_WIDE}]) (?=[{_WIDE}A-Za-z])|(?<=[A-Za-z]) (?=[{_WIDE}])", ""),
    _rule(rf"(?<=[{_HAN}]),\s?", "，"),
    _rule(rf"(?<=[{_HAN}]);\s?", "；"),
    _rule(rf"(?<=[{_HAN}]):\s?", "："),
    _rule(rf"(?<=[{_HAN}])\?\s?", "？"),
    _rule(rf"(?<=[{_HAN}])!\s?", "！"),
    _rule(rf"(?<=[{_HAN}])\.(?!\.)\s?", "。"),
    _rule(r"\.{2,}|…+|。{2,}", "……"),
    _rule(r"-{2,}", "，"),
    _rule(r"(?<![A-Za-z])-+|-+(?![A-Za-z])", ""),
    _rule(r"([，、；：,;:])\s*[，、；：,;:]+", r"\1"),
    _rule(r"[，、；：,;:]+\s*(?=[。？！])", ""),
    _rule(r"([。？！…])\s*[，、；：,;:]+", r"\1"),
    _rule(r"([？！])\s*。+", r"\1"),
    _rule(r"^[\s，、；：。？！…,;:.?!·'-]+$|^[\s，、；：,;:-]+|[，,]$", ""),
)
