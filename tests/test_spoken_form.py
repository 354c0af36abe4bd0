"""Spoken form: tables of written and spoken texts, and promises that hold for any text."""

from __future__ import annotations

import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from soundflow_data.errors import SpeechError
from soundflow_data.speech import Voice, spoken_form
from soundflow_data.speech.segments import segment
from soundflow_data.speech.spoken_form import mandarin_numbers

ENGLISH = [
    ("Hello, how are you?", "Hello, how are you?"),
    (
        "Add 105 and 1,234,567.",
        "Add one hundred and five and one million two hundred and thirty-four thousand five hundred and sixty-seven.",
    ),
    ("Pi is 3.14.", "Pi is three point one four."),
    ("It is -5 degrees outside.", "It is minus five degrees outside."),
    ("The room is 21°C, or 70 °F.", "The room is twenty-one degrees Celsius, or seventy degrees Fahrenheit."),
    ("Dr. Smith lives on Main St. near St. Louis.", "Doctor Smith lives on Main Street near Saint Louis."),
    ("Mr. and Mrs. Lee met Prof. Wu.", "Mister and Missus Lee met Professor Wu."),
    ("Bring fruit, e.g. apples, pears, etc.", "Bring fruit, for example apples, pears, et cetera."),
    ("We sell pens, paper, etc. They are cheap.", "We sell pens, paper, et cetera. They are cheap."),
    ("It costs $5.", "It costs five dollars."),
    ("It costs $1.", "It costs one dollar."),
    ("It costs $5.50 or £3.01.", "It costs five dollars and fifty cents or three pounds and one penny."),
    ("It is $0.99.", "It is ninety-nine cents."),
    (
        "The deal is worth $3 million, or €2.5bn.",
        "The deal is worth three million dollars, or two point five billion euros.",
    ),
    ("Pay 20 € or 30 USD.", "Pay twenty euros or thirty US dollars."),
    ("It costs $5-10.", "It costs five to ten dollars."),
    ("Prices rose 5% to 7.5%.", "Prices rose five percent to seven point five percent."),
    ("The alarm rings at 7:30 am.", "The alarm rings at seven thirty a m."),
    ("Meet me at 3:05 p.m. Bring food.", "Meet me at three oh five p m. Bring food."),
    ("It ends at 3:30 pm. 1 seat is left.", "It ends at three thirty p m. one seat is left."),
    ("Cubs Vs Mets, Rome vs. Paris", "Cubs versus Mets, Rome versus Paris"),
    ("Meet me at 3 pm tomorrow.", "Meet me at three p m tomorrow."),
    ("The train leaves at 15:45.", "The train leaves at fifteen forty-five."),
    ("Lunch is at 12:00.", "Lunch is at twelve o'clock."),
    ("It opens 9:00-17:00.", "It opens nine o'clock to seventeen hundred hours."),
    ("The race took 1:02:03.", "The race took one hour, two minutes and three seconds."),
    ("On 2024-03-15 it rained.", "On March fifteenth, twenty twenty-four it rained."),
    ("The date is 3/15/2024.", "The date is March fifteenth, twenty twenty-four."),
    ("The date is 25/12/2023.", "The date is December twenty-fifth, twenty twenty-three."),
    ("She was born on March 3, 1999.", "She was born on March third, nineteen ninety-nine."),
    ("He left on 15 March 2024.", "He left on the fifteenth of March, twenty twenty-four."),
    ("Join us Jan. 2nd.", "Join us January second."),
    ("It ran May 3-5.", "It ran May third to fifth."),
    ("In 1905 and in 2010 it snowed.", "In nineteen oh-five and in twenty ten it snowed."),
    ("From 1999-2004 it rained.", "From nineteen ninety-nine to two thousand and four it rained."),
    ("The 1990s and the '80s.", "The nineteen nineties and the eighties."),
    ("She came 1st, he came 22nd.", "She came first, he came twenty-second."),
    ("Add 1/2 cup and 3/4 spoon.", "Add one half cup and three quarters spoon."),
    ("Use 2 1/2 cups or 1½ jars.", "Use two and a half cups or one and a half jars."),
    ("It takes 3-5 days.", "It takes three to five days."),
    ("Boil for 10–15 min.", "Boil for ten to fifteen minutes."),
    ("It weighs 5 kg and is 1 m long.", "It weighs five kilograms and is one meter long."),
    ("He drove 60 mph, then 100 km/h.", "He drove sixty miles per hour, then one hundred kilometers per hour."),
    ("The flat has 80 m² for 2.5 GB.", "The flat has eighty square meters for two point five gigabytes."),
    ("He is 5'10\" tall.", "He is five feet ten inches tall."),
    ("Call 555-0199 now.", "Call five five five, oh one nine nine now."),
    ("Call (555) 123-4567.", "Call five five five, one two three, four five six seven."),
    ("Call +1 555 123 4567.", "Call plus one, five five five, one two three, four five six seven."),
    ("Visit https://www.example.com/path?x=1 today.", "Visit example dot com today."),
    ("Write to joe.smith@example.org.", "Write to joe dot smith at example dot org."),
    ("Go to example.com.", "Go to example dot com."),
    ("Tom & Jerry", "Tom and Jerry"),
    ("2 + 2 = 4", "two plus two equals four"),
    ("The screen is 1920x1080.", "The screen is one thousand nine hundred and twenty by one thousand and eighty."),
    ("COVID-19 and F-16", "COVID-nineteen and F-sixteen"),
    ("Version 1.2.3 is out.", "Version one point two point three is out."),
    (
        "The server is 192.168.0.1.",
        "The server is one hundred and ninety-two dot one hundred and sixty-eight dot zero dot one.",
    ),
    ("We are open 24/7.", "We are open twenty-four seven."),
    ("A 5-year-old dog", "A five-year-old dog"),
    ("Room 007", "Room zero zero seven"),
    ("# Title\n\nSome **bold** and _nice_ text.", "Title. Some bold and nice text."),
    ("- milk\n- eggs\n- bread", "milk. eggs. bread."),
    ("1. Boil water\n2. Add tea", "one, Boil water. two, Add tea."),
    ("See [the manual](https://example.com/a) for `kettle` and `print(x)`.", "See the manual for kettle and."),
    ("Run this:\n```python\nprint(1)\n```\nDone.", "Run this: Done."),
    ("Nice work! 😀🎉", "Nice work!"),
    ("He said “hello” — twice…", "He said hello, twice..."),
    ("The kettle (red) is hot.", "The kettle, red, is hot."),
    ("U.S. and U.K. forces", "U S and U K forces"),
    ("World War II began in 1939.", "World War two began in nineteen thirty-nine."),
    ("No. 5 is alive. No.", "number five is alive. No."),
    ("and/or w/o sugar, w/ milk", "and or without sugar, with milk"),
    ("his/her bag", "his or her bag"),
    ("It cost 1.2k and 3M views.", "It cost one point two thousand and three million views."),
    ("5 < 7 and 9 > 3", "five less than seven and nine greater than three"),
    ("Press #1 for #support", "Press number one for support"),
    ("About ~20 people", "About about twenty people"),
    ("x² + y³", "x squared plus y cubed"),
    ("MP3 and H2O", "MP three and H two O"),
    ("The score was 3:1.", "The score was three to one."),
    ("a <b>bold</b> word &amp; more<br>", "a bold word and more"),
    ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b. one, two."),
    (
        "He has 12345678901234567 coins",
        "He has one two three four five six seven eight nine zero one two three four five six seven coins",
    ),
    ("I met Jan. He is fine.", "I met Jan. He is fine."),
    ("It's on Fri. at 5 p.m., OK?", "It's on Friday at five p m, OK?"),
    ("It is 0.05 mm thick.", "It is zero point zero five millimeters thick."),
    ("Use 1 lb and 2 lbs.", "Use one pound and two pounds."),
    ("Pay ¥50 now", "Pay fifty yuan now"),
    ("the year 2000, 2000 people", "the year two thousand, two thousand people"),
    ("Well... I think so.", "Well... I think so."),
    ("rock 'n' roll", "rock 'n' roll"),
    ("", ""),
    ("   ", ""),
    ("***", ""),
    ("5", "five"),
    ("What?! No!!! (Really)", "What? No! Really"),
]
MANDARIN = [
    ("你好，今天天气怎么样？", "你好，今天天气怎么样？"),
    ("我有105个苹果。", "我有一百零五个苹果。"),
    ("一共10203.5元", "一共一万零二百零三点五元"),
    ("12个月，20个人，110个，1000000粒", "十二个月，二十个人，一百一十个，一百万粒"),
    ("1001，1010，10010，100000001", "一千零一，一千零一十，一万零一十，一亿零一"),
    ("2个苹果和2只狗，22个", "两个苹果和两只狗，二十二个"),
    ("第2名，2月2日，2楼，2号，200，2000，20000", "第二名，二月二日，二楼，二号，二百，两千，两万"),
    ("2024年3月15日降温5℃", "二零二四年三月十五日降温五摄氏度"),
    ("2024-03-15", "二零二四年三月十五日"),
    ("2024/3/5开会", "二零二四年三月五日开会"),
    ("1999-2004年", "一九九九到二零零四年"),
    ("15:30出发，8:05到，2:00走，9:00:07", "十五点三十分出发，八点零五分到，两点走，九点零分零七秒"),
    ("9:00-17:30营业", "九点到十七点三十分营业"),
    ("比分是3:1", "比分是三比一"),
    ("涨了50%，0.5%", "涨了百分之五十，百分之零点五"),
    ("10%-15%，3-5%", "百分之十到百分之十五，百分之三到百分之五"),
    ("大约3-5天", "大约三到五天"),
    ("等2~3分钟", "等二到三分钟"),
    ("气温-5°C", "气温负五摄氏度"),
    ("重2kg，长1.5m，80km/h", "重两公斤，长一点五米，八十公里每小时"),
    ("面积90㎡", "面积九十平方米"),
    ("¥50，$5.50，€20", "五十元，五点五美元，二十欧元"),
    ("价格是￥3.00", "价格是三元"),
    ("投资3亿美元，$2万", "投资三亿美元，两万美元"),
    ("放1/2杯水，3/4勺", "放二分之一杯水，四分之三勺"),
    ("打13812345678", "打幺三八幺二三四五六七八"),
    ("电话010-12345678", "电话零幺零，幺二三四五六七八"),
    ("快打120！拨打110", "快打幺二零！拨打幺幺零"),
    ("编号007", "编号零零七"),
    ("访问https://www.example.com/a 或写信给tom@example.cn", "访问example点com或写信给tom艾特example点cn"),
    ("**重要**：请看[这里](https://a.com)", "重要：请看这里"),
    ("# 标题\n\n内容", "标题。内容。"),
    ("- 牛奶\n- 鸡蛋", "牛奶。鸡蛋。"),
    ("代码：\n```\nx=1\n```\n完成。", "代码：完成。"),
    ("太好了！😀", "太好了！"),
    ("“你好”，他说——真的吗？", "你好，他说，真的吗？"),
    ("苹果（红的）很甜", "苹果，红的，很甜"),
    ("iPhone 15和Wi-Fi 6", "iPhone十五和Wi-Fi六"),
    ("A&B，1+1=2", "A和B，一加一等于二"),
    ("你好, 请问几点了?", "你好，请问几点了？"),
    ("等等…好吧...", "等等……好吧……"),
    ("Ｔ恤１２件", "T恤十二件"),
    ("我 有 一 只 猫", "我有一只猫"),
    ("版本1.2.3", "版本一点二点三"),
    ("2年级的学生学了2年", "二年级的学生学了两年"),
    ("90年代，1990年代", "九十年代，一九九零年代"),
    ("体温38.5度", "体温三十八点五度"),
    ("1,234,567人", "一百二十三万四千五百六十七人"),
    ("", ""),
    ("5", "五"),
    ("十点二十分", "十点二十分"),
    ("下午2点半", "下午两点半"),
    ("2点5", "二点五"),
]
TRICKY = st.lists(
    st.one_of(
        st.sampled_from("abcXYZ 0123456789.,:;!?-/%$€£¥°'\"()[]{}<>*_#&@+=~^|\\\n`²½×"),
        st.sampled_from("一二两百年月日点分秒个米，。、！？：；（）《》“”…—～℃㎡￥％２儿雄"),
        st.sampled_from(
            ["a.m.", "Dr. ", "St. ", "e.g.", "etc.", "km/h", "2024-03-15", "3:05 pm", "www.a.com", "World War II"]
        ),
        st.characters(min_codepoint=1, max_codepoint=0x1FFFF),
    ),
    max_size=25,
).map("".join)


@pytest.mark.parametrize(("written", "spoken"), ENGLISH)
def test_english(written: str, spoken: str) -> None:
    assert spoken_form(written, "en") == spoken


@pytest.mark.parametrize(("written", "spoken"), MANDARIN)
def test_mandarin(written: str, spoken: str) -> None:
    assert spoken_form(written, "zh") == spoken


@given(TRICKY, st.sampled_from(["en", "zh"]))
def test_spoken_form_is_its_own_spoken_form(text: str, language: str) -> None:
    spoken = spoken_form(text, language)
    assert spoken_form(spoken, language) == spoken
    assert spoken_form(text, language) == spoken


@given(st.text("abc 0123456789.,:;!?-/%$€£°'\"()[]{}<>*_#&@+=~^|\\\n²½", min_size=1, max_size=40))
def test_whatever_is_written_in_english_can_be_spoken(text: str) -> None:
    spoken = spoken_form(text, "en")
    if any(map(str.isalpha, spoken)):
        voice = Voice(id="any", engine="any", language="en", model="any", licence="any")
        assert segment(spoken, voice).units
        assert not any(map(str.isdigit, spoken))


@given(st.text("狗猫儿雄 abc0123456789.,:;!?-/%$￥°'\"()*_#&@+=~|，。！？：（）《》…—\n", min_size=1, max_size=40))
def test_whatever_is_written_in_mandarin_can_be_spoken(text: str) -> None:
    spoken = spoken_form("好" + text, "zh")
    voice = Voice(id="any", engine="any", language="zh", model="any", licence="any")
    assert "".join(segment(spoken, voice).units) == spoken
    assert not any(map(str.isdigit, spoken))


@given(st.integers(0, 10**12))
def test_english_numbers_are_said_as_num2words_says_them(number: int) -> None:
    assert spoken_form(f"{number:,}", "en") == num2words(number).replace(",", "")


def _value(words: str) -> int:
    """Reads a Mandarin number: the inverse, written independently."""
    digits = {word: value for value, word in enumerate("零一二三四五六七八九")} | {"两": 2}
    total = section = digit = 0
    for word in words:
        if word in digits:
            digit = digits[word]
        elif word in "十百千":
            section += (digit if digit or word != "十" else 1) * {"十": 10, "百": 100, "千": 1000}[word]
            digit = 0
        else:
            value = total + section + digit if word == "亿" else section + digit
            total = value * 10**8 if word == "亿" else total + value * 10**4
            section = digit = 0
    return total + section + digit


@given(st.integers(0, 10**12 - 1))
def test_mandarin_numbers_mean_what_was_written(number: int) -> None:
    words = mandarin_numbers.cardinal(str(number))
    assert _value(words) == number
    assert "零零" not in words
    assert not (len(words) > 1 and words.endswith("零"))


def test_plain_sentences_are_told_apart_quickly() -> None:
    for text, language in (
        ("Please tell me when the kettle whistles, and then turn off the stove in the kitchen.", "en"),
        ("请告诉我水壶什么时候响，然后把厨房的炉子关掉，我们要去图书馆看书。", "zh"),
    ):
        best_s = min(timeit.repeat(lambda t=text, k=language: spoken_form(t, k), number=200, repeat=5)) / 200
        assert spoken_form(text, language) is text
        assert best_s < 20e-6 * 3  # the promise is 20 us; other work may share the machine


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(SpeechError, match=r"'fr' .*'en' or 'zh'"):
        spoken_form("Bonjour", "fr")
