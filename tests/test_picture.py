"""Pictures: what is drawn is legible, and text that no font has degrades to something that can be read."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.font_manager import fontManager
from matplotlib.image import imread

from soundflow_data.corpus import Stream
from soundflow_data.errors import SoundFlowError
from soundflow_data.quality import fonts, picture
from soundflow_data.quality.fonts import Typeface, typeface
from soundflow_data.targets import decision_time_s, project
from soundflow_data.timeline import Event, Response, Silence, Timeline, ToolCall, Word

CHUNK = 6_400


def _event(onset: int, num_samples: int, **more: object) -> Event:
    values: dict[str, object] = {"track": "sound", "kind": "sound", "role": "foreground", "bank": "b", "clip": "c"}
    return Event(onset=onset, num_samples=num_samples, **{**values, **more})  # type: ignore[arg-type]


def _stream(responses: tuple[Response, ...] = (), num_chunks: int = 40, **more: object) -> Stream:
    timeline = Timeline(
        key="train-00000001",
        split="train",
        ability="voice_chatting",
        subtask="small_talk",
        num_samples=num_chunks * CHUNK,
        snr_db=12.0,
        events=(
            _event(8_000, 32_000, track="user", kind="speech", text="what costs $5 and $6_^{?", words=(
                Word(text="what", start=8_000, end=16_000), Word(text="costs", start=16_000, end=40_000))),
            _event(60_000, 20_000, label="dog_bark", fade_out=320),
            _event(70_000, 20_000, label="doorbell"),
            _event(0, num_chunks * CHUNK, track="bed-0", kind="noise", role="ambient", label="rain"),
        ),
        silences=(Silence(start=60_000, end=90_000, reason="look-alike", events=(1,)),),
        responses=responses,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip
    timeline.check()
    pcm = np.random.default_rng(1).normal(0, 300, timeline.num_samples).astype(np.int16)
    return Stream(timeline=timeline, targets=project(timeline), pcm=pcm)


def _answers(*seconds: float, text: str = "an answer") -> tuple[Response, ...]:
    samples = [round(one * 16_000) for one in seconds]
    return tuple(Response(text=text, evidence=sample, due=sample, events=(0,)) for sample in samples)


def _size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def test_a_picture_is_a_png_and_equal_streams_give_equal_bytes(tmp_path: Path) -> None:
    stream = _stream(_answers(2.5, 8.0), instruction="Answer.")
    picture.picture([stream], tmp_path / "a.png")
    png = (tmp_path / "a.png").read_bytes()
    assert png == picture.picture_png([stream])
    width, height = _size(png)
    assert width > 1000
    assert _size(picture.picture_png([stream, stream]))[1] > 1.7 * height


def test_a_long_stream_is_drawn_wider() -> None:
    short, long = (_size(picture.picture_png([_stream(num_chunks=count)]))[0] for count in (40, 300))
    assert long > 2 * short


def test_speech_responses_and_silence_leave_their_colours() -> None:
    def share(stream: Stream, colour: str) -> float:
        pixels = imread(io.BytesIO(picture.picture_png([stream])))[..., :3]
        wanted = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        return float(np.mean(np.abs(pixels - wanted).max(axis=-1) < 0.01))

    silent, speaking = _stream(), _stream(_answers(*range(2, 12)))
    assert share(speaking, picture.SPEAK) > 2 * share(silent, picture.SPEAK)
    assert share(silent, picture.ON_PURPOSE) > 0


def test_a_tool_call_without_words_is_drawn() -> None:
    call = ToolCall(name="lamp", arguments={"on": True})
    picture.picture_png([_stream((Response(text="", evidence=40_000, due=40_000, call=call, events=(0,)),))])


def test_no_stream_and_no_place_to_write_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SoundFlowError, match="no streams"):
        picture.picture([], tmp_path / "a.png")
    with pytest.raises(SoundFlowError, match="cannot be written"):
        picture.picture([_stream()], tmp_path / "missing" / "a.png")


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 118), min_size=1, max_size=60, unique=True),
    st.lists(st.sampled_from(["one", "three times", "an answer of some length, as they are", "w" * 90]), min_size=1),
)
def test_response_texts_never_overlap_and_no_line_crosses_a_text(chunks: list[int], texts: list[str]) -> None:
    words = itertools.cycle(texts)
    responses = tuple(
        Response(text=next(words), evidence=k * CHUNK, due=k * CHUNK, events=(0,)) for k in sorted(chunks)
    )
    stream = _stream(responses, num_chunks=120)
    pen = picture._Pen(picture.MIN_WIDTH, typeface(texts_have_chinese=False))
    panel = picture._Panel(stream, pen)
    right = panel._per_second * stream.timeline.seconds
    spans = []
    for label in panel._labels:
        line = decision_time_s(label.target, CHUNK) * panel._per_second
        spans.append((label.row, label.left, label.left + pen.measure(label.text) + picture.PAD, line, label.text))
    assert max(row for row, *_ in spans) < picture.MAX_ROWS
    for (row, left, end, line, text), (
        other_row,
        other_left,
        other_end,
        other_line,
        other_text,
    ) in itertools.combinations(spans, 2):
        if text and other_text:
            assert end <= right + 0.02
            if row == other_row:
                assert end <= other_left + 1e-6 or other_end <= left + 1e-6
            # The line of a text runs from its row down to row 0.
            if other_row < row:
                assert not other_left + 1e-6 < line < other_end - 1e-6
            if row < other_row:
                assert not left + 1e-6 < other_line < end - 1e-6


def test_chinese_without_a_font_is_counted_not_boxed() -> None:
    face = Typeface(None)
    assert face.spell("say 今天早上 now") == "say [zh 4] now"
    assert face.spell("好。") == "[zh 2]"
    assert face.spell("café – naïve") == "café – naïve"
    assert face.spell("a \U000f0000 b") == "a [1] b"
    assert face.spell("two\n lines") == "two lines"


def test_chinese_is_kept_where_a_font_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tiny.ttf"
    _make_font(path, "Tiny Han", "的声听今天早上")
    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    fontManager.addfont(path)
    monkeypatch.setattr(fonts, "_preference", lambda entry: (entry.name != "Tiny Han", 0, entry.name))
    face = Typeface(fonts._chinese_family())
    assert face.families[-1] == "Tiny Han"
    assert face.spell("今天早上 today") == "今天早上 today"
    assert face.spell("今天下午") == "今天[zh 2]"


def _make_font(path: Path, family: str, characters: str) -> None:
    """Writes a font in which every character is a square."""
    names = {ord(character): f"uni{ord(character):04X}" for character in characters}
    pen = TTGlyphPen(None)
    for i, point in enumerate(((100, 0), (100, 700), (800, 700), (800, 0))):
        (pen.lineTo if i else pen.moveTo)(point)
    pen.closePath()
    glyph = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    builder.setupGlyf(dict.fromkeys((".notdef", *names.values()), glyph))
    builder.setupHorizontalMetrics(dict.fromkeys((".notdef", *names.values()), (1000, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.save(path)
