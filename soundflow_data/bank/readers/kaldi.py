"""Kaldi data folders: tables of recordings, segments, texts and speakers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from soundflow_data.bank.readers._rows import Row, RowError, listed, read_pairs, seconds, span
from soundflow_data.bank.readers._sounds import ENDINGS
from soundflow_data.bank.readers._transcripts import joined, lowered
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

# Commands that only decode, and options with which they would do more than that.
_DECODERS: Final = {
    "flac": ("--skip", "--until"),
    "sph2pipe": ("-c", "-t", "-s"),
    "cat": (),
    "ffmpeg": ("-ss", "-t", "-to", "-af", "-filter", "-filter:a", "-map_channel", "-filter_complex"),
}
_ENDINGS: Final = ENDINGS | {".sph", ".wv1", ".wv2"}


class Kaldi(Reader, frozen=True, kw_only=True):
    """A data folder of Kaldi (kaldi-asr.org/doc/data_prep.html).

    Layout:
        wav.scp       <recording> <path>, or a command that decodes a file, such as `flac -c -d -s a.flac |`
        text          <utterance> <what is said>
        segments      <utterance> <recording> <start> <end> in seconds, -1 for the recording's end; where it is there
        utt2spk       <utterance> <speaker>, where it is there

    No command is run: the file that it decodes is read. Archives and other commands are counted as unusable. Neither a
    speaker nor a recording is ever in two splits: speakers who are heard in one recording stay together.
    """

    folder: Annotated[Path, Meta(description="The data folder.")]
    language: Annotated[str, Meta(description="Language of the recordings, such as en or zh.")]
    root: Annotated[Path | None, Meta(description="Where relative paths start; the data folder by default.")] = None
    corpus: Annotated[str, Meta(description="Name of the corpus; the folder's by default.")] = ""
    licence: Annotated[str, Meta(description="Licence of the recordings.")] = "unknown"

    def items(self) -> Iterator[SourceItem]:
        """Lists the utterances: the segments in their order, or the recordings where there are none."""
        for name in ("wav.scp", "text"):
            if not (self.folder / name).is_file():
                raise BankError(f"source 'kaldi': {self.folder} holds no {name}; give the data folder")
        texts = self._table("text")
        speakers = self._table("utt2spk")
        recordings = self._table("wav.scp")
        cut = (self.folder / "segments").is_file()
        table = "segments" if cut else "wav.scp"
        groups = self._groups(speakers, cut)

        def utterance(row: Row) -> Iterator[SourceItem]:
            name = row["name"]
            recording, start_s, end_s = _segment(row["text"]) if cut else (name, 0.0, None)
            if recording not in recordings:
                raise RowError(f"{name}: wav.scp has no recording {recording!r}", "missing")
            if not texts.get(name):
                raise RowError(f"{name} has no text", "no text")
            file = self._file(recordings[recording])
            yield self._item(name, recording, file, (start_s, end_s), texts[name], speakers.get(name, ""), groups)

        yield from listed(read_pairs("kaldi", self.folder / table), utterance, kind="speech", name=table)

    def _table(self, name: str) -> dict[str, str]:
        file = self.folder / name
        if not file.is_file():
            return {}
        return {row["name"]: row["text"] for _, row in read_pairs("kaldi", file) if not isinstance(row, RowError)}

    def _groups(self, speakers: dict[str, str], cut: bool) -> dict[str, str]:
        """Returns the group of each recording: all that share a speaker, directly or through another, have one."""
        if not cut:
            return {name: speakers.get(name, name) for name in self._table("wav.scp")}
        joined_to: dict[str, str] = {}

        def root(name: str) -> str:
            while joined_to.setdefault(name, name) != name:
                joined_to[name] = joined_to[joined_to[name]]
                name = joined_to[name]
            return name

        segments = {name: text.partition(" ")[0] for name, text in self._table("segments").items()}
        for name, recording in segments.items():
            if name in speakers:
                first, second = sorted((root(recording), root(f"\0{speakers[name]}")), reverse=True)
                joined_to[second] = first
            else:
                root(recording)
        return {recording: root(recording) for recording in segments.values()}

    def _file(self, value: str) -> Path:
        """Returns the file that a value of wav.scp names, or that its command decodes."""
        path = value
        if value.endswith("|"):
            words = _words(value.removesuffix("|"))
            files = [word for word in words[1:] if Path(word).suffix.lower() in _ENDINGS]
            forbidden = _DECODERS.get(Path(words[0]).name) if words else None
            if forbidden is None or len(files) != 1 or any(word.split("=")[0] in forbidden for word in words):
                raise RowError(f"cannot be read, because its recording is a command: {value[:80]}", "a command")
            path = files[0]
        elif Path(path.rpartition(":")[0]).suffix == ".ark":
            raise RowError(f"cannot be read, because its recording is in an archive: {value[:80]}", "an archive")
        return (self.root or self.folder) / path

    def _item(
        self,
        name: str,
        recording: str,
        file: Path,
        cut: tuple[float, float | None],
        text: str,
        speaker: str,
        groups: dict[str, str],
    ) -> SourceItem:
        corpus = self.corpus or self.folder.resolve().name
        return SourceItem(
            id=name,
            audio=File(path=file, start_s=cut[0], end_s=cut[1]),
            kind="speech",
            path=file.name,
            text=joined(lowered(text)),
            language=self.language,
            speaker=f"{corpus}:{speaker}" if speaker else "",
            origin=f"{corpus}:{recording}",
            group=f"{corpus}:{groups[recording]}",
            corpus=corpus,
            licence=self.licence,
        )


def _segment(text: str) -> tuple[str, float, float | None]:
    fields = text.split()
    if len(fields) != 3:
        raise RowError(f"has {len(fields) + 1} columns instead of 4", "broken row")
    recording, start, end = fields
    if end in {"-1", "-1.0"}:
        return recording, seconds(start, "start"), None
    return (recording, *span(start, end))


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RowError(f"has a command with open quotes: {command[:80]}", "a command") from error
    return words if "|" not in words else []
