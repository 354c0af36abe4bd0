"""Puts pieces and the utterances of an older bank together into one bank, in the order of content addresses.

    banks/speech  (older)  a  c     e  ──┐
    piece 0                   b  f     ──┼──>  banks/speech  a b c d e f        replaces the older one, whole
    piece 1                      d     ──┘

The order of work leaves no trace: the same utterances give the same bytes.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from soundflow_data.audio import levels
from soundflow_data.bank import Bank, Clip
from soundflow_data.bank.format import BankInfo, read_info, write_info
from soundflow_data.bank.place import BuildPlace
from soundflow_data.bank.source import Dropped
from soundflow_data.bank.writer import BankWriter
from soundflow_data.errors import BankError
from soundflow_data.shards.storage import Storage
from soundflow_data.speech.engine import Voice
from soundflow_data.speech.pieces import Entry, Piece, list_pieces
from soundflow_data.speech.spoken_bank import Coverage, SpokenBank, SpokenSource
from soundflow_data.version import VERSION

UTTERANCES: Final = "utterances.parquet"
MAX_COVERAGES: Final = 64  # recipes that a bank remembers to be complete for
_RELEASE_BYTES: Final = 64 << 20

# How each utterance was made and checked; one row per row of the bank, in its order.
UTTERANCE_SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("voice", pa.string()),
        ("engine", pa.string()),
        ("engine_version", pa.string()),
        ("licence", pa.string()),
        ("aligner", pa.string()),
        ("mean_score", pa.float64()),
        ("min_score", pa.float64()),
        ("scores", pa.list_(pa.float32())),
        ("checked", pa.bool_()),
        ("checked_by", pa.string()),
        ("wer", pa.float64()),
        ("attempts", pa.int32()),
    ]
)


def assemble(out: Path, pieces: Storage, source: SpokenSource, settings: Mapping[str, Any]) -> BankInfo | None:
    """Builds the bank of all utterances that are there, and removes the pieces.

    Args:
        out: Folder of the bank; one that is there gives its utterances to the new one.
        pieces: Where the pieces are.
        source: Engine and voices.
        settings: How utterances were proved, for `bank.json`.

    Returns:
        What is in it; None when there is neither a piece nor a bank.

    Raises:
        BankError: The folder holds something else, a piece is damaged, or no utterance is good.
    """
    place = BuildPlace(out)
    place.recover()
    older = open_older(out, source)
    names = list_pieces(pieces)
    if not names:
        return None if older is None else older.bank.info
    place.finished("", overwrite=True)
    found = _Found(older, [Piece(pieces, name) for name in names], source)
    if not found.good and not len(found.rows):
        _remove(pieces, names)  # a bank cannot be empty, so everything is tried again next time
        reasons = ", ".join(sorted({entry.reason for entry in found.failed.values()}))
        example = next(iter(found.failed.values())).message
        raise BankError(f"bank {out}: not one utterance could be made ({reasons}); such as: {example}")
    kept = older.source.complete_for if older is not None else ()
    with place as folder, BankWriter(folder) as writer:
        for dropped in sorted(found.dropped(), key=lambda dropped: dropped.id):
            writer.drop(dropped)
            found.digest.update(f"{dropped.id} failed".encode())
        for clip, pcm in found.clips():
            writer.add(clip, pcm)
            found.digest.update(clip.id.encode())
        pq.write_table(found.table(), folder / UTTERANCES, compression="zstd")
        info = writer.finish(
            name=out.name,
            inputs=found.digest.hexdigest(),
            created_by={"soundflow": VERSION, "python": platform.python_version(), "numpy": np.__version__},
            source=msgspec.to_builtins(msgspec.structs.replace(source, complete_for=kept)),
            settings=dict(settings),
            num_items=writer.num_clips + writer.drops.total(),
            num_cut=0,
            num_single=0,
        )
        place.publish()
    _remove(pieces, names)
    return info


def _remove(pieces: Storage, names: list[str]) -> None:
    for name in names:
        pieces.remove(name)


def open_older(out: Path, source: SpokenSource) -> SpokenBank | None:
    """Opens the bank that utterances are added to; None when there is none yet.

    Raises:
        BankError: It is another kind of bank, or its utterances are of another engine or version.
    """
    if not out.exists() or not any(out.iterdir()):
        return None
    spoken = SpokenBank(Bank.open(out))
    before = spoken.source
    if (before.engine, before.engine_version) != (source.engine, source.engine_version):
        raise BankError(
            f"bank {out} holds utterances of engine {before.engine!r}, version {before.engine_version!r}, and this is "
            f"engine {source.engine!r}, version {source.engine_version!r}; a bank has one, so give another --out"
        )
    return spoken


def note_coverage(out: Path, coverage: Coverage, voices: tuple[Voice, ...]) -> None:
    """Notes in a bank that it has every utterance of a recipe, with the voices that it was spoken by."""
    info = read_info(out)
    source = msgspec.convert(info.source, SpokenSource)
    others = [one for one in source.complete_for if one.plan != coverage.plan]
    complete = tuple([*others, coverage][-MAX_COVERAGES:])
    described = msgspec.to_builtins(msgspec.structs.replace(source, complete_for=complete, voices=voices))
    write_info(out, msgspec.structs.replace(info, source=described))


class _Found:
    """Everything that goes into a bank, by content address."""

    def __init__(self, older: SpokenBank | None, pieces: list[Piece], source: SpokenSource) -> None:
        self._older = older.bank if older is not None else None
        self._source = source
        self._dropped_before = older.dropped() if older is not None else []
        ids = self._older.columns("id")["id"].to_pylist() if self._older is not None else []
        self.rows: dict[str, int] = {address: row for row, address in enumerate(ids)}
        self.good: dict[str, tuple[Piece, Entry]] = {}
        self.failed: dict[str, Entry] = {}
        self.digest = hashlib.sha256(source.engine_version.encode())
        for piece in pieces:
            for entry in piece.entries:
                if entry.reason:
                    self.failed[entry.address] = entry
                elif entry.address not in self.rows:
                    self.good[entry.address] = (piece, entry)

    def clips(self) -> Iterator[tuple[Clip, NDArray[np.int16]]]:
        """Yields all utterances in the order of their addresses."""
        read = 0
        for address in sorted({*self.rows, *self.good}):
            if address in self.good:
                piece, entry = self.good[address]
                pcm = piece.pcm(entry)
                yield self._describe(entry, pcm), pcm
                continue
            assert self._older is not None
            row = self.rows[address]
            pcm = self._older.pcm(row)
            yield self._older.clip(row), pcm
            read += pcm.nbytes
            if read > _RELEASE_BYTES:
                self._older.release()
                read = 0

    def dropped(self) -> Iterator[Dropped]:
        """Yields what has failed for good; what was tried again since then counts as it ended now."""
        made = {*self.good, *self.rows}
        for dropped in self._dropped_before:
            if dropped.id not in made and dropped.id not in self.failed:
                yield dropped
        for address, entry in self.failed.items():
            if address not in made:
                yield Dropped(id=address, path=entry.voice.id, reason=entry.reason, message=entry.message)

    def table(self) -> pa.Table:
        """Returns how the utterances were made, in the order of their addresses."""
        rows = [self._row(entry) for _, entry in self.good.values()]
        table = pa.Table.from_pylist(rows, schema=UTTERANCE_SCHEMA)
        if self._older is not None:
            table = pa.concat_tables([_read_table(self._older.path), table])
        return table.sort_by("id")

    def _describe(self, entry: Entry, pcm: NDArray[np.int16]) -> Clip:
        voice = entry.voice
        return Clip(
            row=-1,
            id=entry.address,
            kind="speech",
            num_samples=len(pcm),
            text=entry.text,
            language=voice.language,
            speaker=voice.id,
            words=entry.words,
            origin=entry.address,
            group=voice.id,
            corpus=voice.engine,
            licence=voice.licence,
            level_db=levels.rms_db(pcm),
            peak=levels.peak(pcm),
            recognisable=entry.words[-1].end,
            sha256=hashlib.sha256(pcm.astype("<i2").tobytes()).hexdigest(),
        )

    def _row(self, entry: Entry) -> dict[str, Any]:
        voice = entry.voice
        return {
            "id": entry.address,
            "text": entry.text,
            "voice": voice.id,
            "engine": voice.engine,
            "engine_version": self._source.engine_version,
            "licence": voice.licence,
            "aligner": entry.aligner,
            "mean_score": sum(entry.scores) / len(entry.scores) if entry.scores else None,
            "min_score": min(entry.scores) if entry.scores else None,
            "scores": entry.scores,
            "checked": bool(entry.checked_by),
            "checked_by": entry.checked_by,
            "wer": entry.wer,
            "attempts": entry.attempts,
        }


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path / UTTERANCES, schema=UTTERANCE_SCHEMA)
    except (OSError, pa.ArrowException) as error:
        raise BankError(f"bank {path}: {UTTERANCES} cannot be read ({error}); speak it again") from error
