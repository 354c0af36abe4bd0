"""Proactive-Sound-Bench: does a model speak up on the sounds that need it, and on no others.

The manifest is JSONL, one clip per row; the path says domain, folder and decision:

    {"id": "17", "path": "./proactive-sound-effect/<domain>/<folder>/<decision>/17.wav", "description": "...",
     "decision": "RESPOND"}

Predictions are JSONL too, in the benchmark's own form, so that files made elsewhere are scored as well:

    {"id": "17", "_raw_reply": "<Decision>RESPOND</Decision><Reply>It sounds like glass broke.</Reply>"}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, Literal, TypeVar

import msgspec

from soundflow_data.errors import SoundFlowError

Decision = Literal["RESPOND", "IGNORE"]
T = TypeVar("T")
TIERS: Final = {"Single": 1, "Multiple-3": 3, "Multiple-5": 5}
_DECISION: Final = re.compile(r"<Decision>\s*(RESPOND|IGNORE)\s*</Decision>", re.IGNORECASE)
_REPLY: Final = re.compile(r"<Reply>(.*?)</Reply>", re.DOTALL)
_PATH_PARTS: Final = 4  # domain / folder / decision / file, at the end of the path


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the manifest."""

    id: str
    path: str
    description: str
    decision: Decision

    @property
    def domain(self) -> str:
        """First of the folders."""
        return PurePosixPath(self.path).parts[-_PATH_PARTS]

    @property
    def folder(self) -> str:
        """Domain and folder."""
        return "/".join(PurePosixPath(self.path).parts[-_PATH_PARTS:-2])


class Reply(msgspec.Struct, frozen=True, kw_only=True, rename={"raw_reply": "_raw_reply"}):
    """One row of the predictions."""

    id: str
    raw_reply: str

    @property
    def decision(self) -> Decision | None:
        """What was decided; None when the reply does not say so in the benchmark's form."""
        found = _DECISION.search(self.raw_reply)
        if found is None:
            return None
        return "RESPOND" if found[1].upper() == "RESPOND" else "IGNORE"

    @property
    def text(self) -> str:
        """What was said."""
        found = _REPLY.search(self.raw_reply)
        return found[1].strip() if found else ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Standard answers of one clip."""

    id: str
    standard_answers: list[str]


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Share of right decisions among rows in which both decisions are valid."""

    group: str
    valid: int
    right: int

    @property
    def accuracy(self) -> float:
        """`right / valid`; NaN without valid rows."""
        return self.right / self.valid if self.valid else float("nan")


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the benchmark.

    Attributes:
        overall: Over all clips.
        domains: Per domain.
        folders: Per domain and folder.
        missing: Clips without a prediction.
        invalid: Predictions without a valid decision.
        unknown: Predictions of ids that the manifest does not have.
    """

    overall: Accuracy
    domains: tuple[Accuracy, ...]
    folders: tuple[Accuracy, ...]
    missing: int
    invalid: int
    unknown: int


def format_reply(decision: Decision, text: str) -> str:
    """Writes a reply in the benchmark's form."""
    return f"<Decision>{decision}</Decision><Reply>{text}</Reply>"


def read_manifest(path: Path) -> list[Clip]:
    """Reads a manifest.

    Raises:
        SoundFlowError: A row is not one, an id stands twice, or a path has other folders than it should.
    """
    clips = _read(path, Clip)
    seen: set[str] = set()
    for number, clip in enumerate(clips, 1):
        if clip.id in seen:
            raise SoundFlowError(f"{path}, row {number}: id {clip.id!r} stands twice")
        seen.add(clip.id)
        parts = PurePosixPath(clip.path).parts
        if len(parts) < _PATH_PARTS or parts[-2].upper() != clip.decision:
            raise SoundFlowError(
                f"{path}, row {number}: path {clip.path!r} does not end in <domain>/<folder>/{clip.decision}/<id>.wav"
            )
    return clips


def read_replies(path: Path) -> list[Reply]:
    """Reads predictions."""
    return _read(path, Reply)


def read_answers(path: Path) -> dict[str, list[str]]:
    """Reads standard answers by id."""
    return {answer.id: answer.standard_answers for answer in _read(path, Answer)}


def write_replies(path: Path, replies: Iterable[Reply]) -> None:
    """Writes predictions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(reply) + b"\n" for reply in replies))


def score_replies(clips: Sequence[Clip], replies: Sequence[Reply]) -> Score:
    """Scores decisions.

    Raises:
        SoundFlowError: An id is predicted twice.
    """
    by_id: dict[str, Reply] = {}
    for reply in replies:
        if reply.id in by_id:
            raise SoundFlowError(f"id {reply.id!r} is predicted twice; keep one row per clip")
        by_id[reply.id] = reply
    known = {clip.id for clip in clips}
    return Score(
        overall=_accuracy("overall", clips, by_id),
        domains=_grouped(clips, by_id, "domain"),
        folders=_grouped(clips, by_id, "folder"),
        missing=sum(clip.id not in by_id for clip in clips),
        invalid=sum(reply.decision is None for reply in replies if reply.id in known),
        unknown=sum(reply.id not in known for reply in replies),
    )


def group_clips(clips: Sequence[Clip], size: int) -> list[list[Clip]]:
    """Puts clips of one domain together, `size` at a time, in the manifest's order; a rest makes a smaller group."""
    domains: dict[str, list[Clip]] = {}
    for clip in clips:
        domains.setdefault(clip.domain, []).append(clip)
    return [group[i : i + size] for group in domains.values() for i in range(0, len(group), size)]


def _grouped(clips: Sequence[Clip], replies: dict[str, Reply], by: str) -> tuple[Accuracy, ...]:
    names = sorted({getattr(clip, by) for clip in clips})
    return tuple(_accuracy(name, [c for c in clips if getattr(c, by) == name], replies) for name in names)


def _accuracy(group: str, clips: Sequence[Clip], replies: dict[str, Reply]) -> Accuracy:
    pairs = [(clip.decision, replies[clip.id].decision) for clip in clips if clip.id in replies]
    valid = [(expected, found) for expected, found in pairs if found is not None]
    return Accuracy(group=group, valid=len(valid), right=sum(expected == found for expected, found in valid))


def _read(path: Path, kind: type[T]) -> list[T]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SoundFlowError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                rows.append(msgspec.json.decode(line, type=kind))
            except msgspec.DecodeError as error:
                raise SoundFlowError(f"{path}, row {number}: {error}") from error
    if not rows:
        raise SoundFlowError(f"{str(path)!r} has no rows")
    return rows
