"""GigaSpeech: English podcasts, audiobooks and videos with transcribed segments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from soundflow_data.bank.readers._json import elements
from soundflow_data.bank.readers._rows import RowError, span, unusable
from soundflow_data.bank.readers._transcripts import lowered
from soundflow_data.bank.source import File, Reader, SourceItem

CORPUS = "gigaspeech"
_MARKS = {" <COMMA>": ",", " <PERIOD>": ".", " <QUESTIONMARK>": "?", " <EXCLAMATIONPOINT>": "!"}
_NOT_SPEECH = ("<SIL>", "<MUSIC>", "<NOISE>", "<OTHER>")
_SENTENCE = re.compile(r"(^|[.?!] )([a-z])")


class _Segment(msgspec.Struct, frozen=True):
    sid: str
    begin_time: float
    end_time: float
    text_tn: str
    speaker: str = "N/A"
    subsets: tuple[str, ...] = ()


class _Recording(msgspec.Struct, frozen=True):
    aid: str
    path: str
    segments: tuple[msgspec.Raw, ...]
    speaker: str = "N/A"


class Gigaspeech(Reader, frozen=True, kw_only=True):
    """The folder of GigaSpeech: long recordings, cut at the segments that its JSON states.

    The layout is that of github.com/SpeechColab/GigaSpeech (its README, section Metadata).

    Layout:
        GigaSpeech.json       {..., audios: [{aid, path, speaker, segments: [{sid, begin_time, end_time, text_tn,
                              speaker, subsets: ["{XL}", ...]}, ...]}, ...]}
        audio/<path>          Opus, named by the JSON with its folder `audio/...`

    Tags of punctuation become punctuation, and texts are put in small letters. Segments that are tagged as no speech
    are passed over. A recording is never in two splits.
    """

    folder: Annotated[Path, Meta(description="The folder that holds GigaSpeech.json.")]
    subset: Annotated[
        Literal["XS", "S", "M", "L", "XL", "DEV", "TEST"], Meta(description="Only segments of this subset.")
    ] = "XL"
    licence: Annotated[str, Meta(description="Licence of the recordings.")] = "GigaSpeech terms of access"

    def items(self) -> Iterator[SourceItem]:
        """Lists the segments, recording by recording; the JSON is read piece by piece, as it has gigabytes."""
        table = self.folder / "GigaSpeech.json"
        decoder = msgspec.json.Decoder(_Recording)
        for number, raw in enumerate(elements("gigaspeech", table, "audios"), start=1):
            try:
                recording = decoder.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                message = f"{table.name}, recording {number}: {error}"
                yield unusable(f"recording-{number}", message, "broken row", kind="speech", path=table.name)
            else:
                yield from self._segments(recording)

    def _segments(self, recording: _Recording) -> Iterator[SourceItem]:
        for number, raw in enumerate(recording.segments, start=1):
            try:
                segment = msgspec.json.decode(raw, type=_Segment)
                if f"{{{self.subset}}}" in segment.subsets and not segment.text_tn.strip().startswith(_NOT_SPEECH):
                    yield self._item(recording, segment)
            except (RowError, msgspec.DecodeError) as error:
                reason = error.reason if isinstance(error, RowError) else "broken row"
                message = f"{recording.aid}, segment {number}: {error}"
                name = f"{recording.aid}-segment-{number}"
                yield unusable(name, message, reason, kind="speech", path=recording.path)

    def _item(self, recording: _Recording, segment: _Segment) -> SourceItem:
        start_s, end_s = span(segment.begin_time, segment.end_time)
        text = _written(segment.text_tn)
        if not text:
            raise RowError(f"{segment.sid} has no text", "no text")
        known = next((name for name in (segment.speaker, recording.speaker) if name not in {"", "N/A"}), "")
        return SourceItem(
            id=segment.sid,
            audio=File(path=self.folder / recording.path, start_s=start_s, end_s=end_s),
            kind="speech",
            path=recording.path,
            text=text,
            language="en",
            speaker=f"gigaspeech:{known}" if known else "",
            origin=f"gigaspeech:{recording.aid}",
            fold=self.subset,
            corpus=CORPUS,
            licence=self.licence,
        )


def _written(text: str) -> str:
    """Returns a normalised transcript as it would be written."""
    if "<" in text:
        text = f" {text}"
        for tag, mark in _MARKS.items():
            text = text.replace(tag, mark)
    text = lowered(text.strip())
    return _SENTENCE.sub(lambda found: found[1] + found[2].upper(), text) if text.endswith((".", "?", "!")) else text
