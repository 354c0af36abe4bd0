"""What language models answered, kept for ever: one small file per question, written once and by whoever is first.

    answers/plan/3f/3f9c...e1.json      {"purpose": "plan", "model": ..., "answer": {...}}
    answers/plan/a0/a04b...77.json      {"purpose": "plan", "model": ..., "answer": null, "reason": "timed out", ...}

The second file says that no usable answer came and that the asker's own rules took its place. It is as final as an
answer: a rerun gives the same bytes, also when the server is well again. `forget` takes such files away on purpose.

A file is written under another name, made durable, and then linked to its own: linking fails when the name is taken,
so of two workers with the same question the first one decides, and both read the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from soundflow_data.errors import ChatError

FORMAT: Final = 1


class Recorded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fate of one question.

    Attributes:
        purpose: What it was asked for, such as `plan`.
        model: Who was asked.
        answer: The JSON that came; None where none was usable.
        reason: Why not, short and countable; empty with an answer.
        detail: What happened, for people.
        format: Version of this layout.
    """

    purpose: str
    model: str
    answer: Any = None
    reason: str = ""
    detail: str = ""
    format: int = FORMAT


class Answers:
    """A folder of answers, shared by all workers that reach it.

    Args:
        folder: Made when the first answer is kept; on a file system with hard links.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, purpose: str, key: str) -> Recorded | None:
        """Returns what is recorded for a question, or None.

        Raises:
            ChatError: The file is damaged.
        """
        path = self._path(purpose, key)
        try:
            return _read(path)
        except FileNotFoundError:
            return None

    def keep(self, key: str, recorded: Recorded) -> Recorded:
        """Records the fate of a question unless somebody was faster; returns what is on record now."""
        path = self._path(recorded.purpose, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{path.name}.tmp-{secrets.token_hex(8)}"
        try:
            with temporary.open("xb") as file:
                file.write(_encode(recorded))
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, path)
        except FileExistsError:
            pass  # the first one decides
        finally:
            temporary.unlink(missing_ok=True)
        return _read(path)

    def count(self) -> dict[str, Counter[str]]:
        """Counts the records of each purpose by reason; those with an answer have the reason ``."""
        counts: dict[str, Counter[str]] = {}
        for path in self._paths():
            recorded = _read(path)
            counts.setdefault(recorded.purpose, Counter())[recorded.reason] += 1
        return dict(sorted(counts.items()))

    def forget(self, *, reason: str = "", purpose: str = "") -> int:
        """Takes records without an answer away, so that these questions are asked again; returns how many there were.

        Streams that were made from them stay as they are; made again, they may come out otherwise.

        Args:
            reason: Only those with this reason; all when empty.
            purpose: Only those of this purpose; all when empty.
        """
        found = 0
        for path in self._paths():
            recorded = _read(path)
            wanted = reason in {"", recorded.reason} and purpose in {"", recorded.purpose}
            if recorded.reason and wanted:
                path.unlink(missing_ok=True)
                found += 1
        return found

    def _path(self, purpose: str, key: str) -> Path:
        return self.folder / purpose / key[:2] / f"{key}.json"

    def _paths(self) -> Iterator[Path]:
        yield from sorted(self.folder.glob("*/??/[!.]*.json"))


def question_key(identity: dict[str, Any]) -> str:
    """Returns the hash under which the fate of a question is kept; equal questions have equal keys."""
    text = json.dumps({"format": FORMAT, **identity}, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def _encode(recorded: Recorded) -> bytes:
    return json.dumps(msgspec.to_builtins(recorded), ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def _read(path: Path) -> Recorded:
    data = path.read_bytes()
    try:
        recorded = msgspec.json.decode(data, type=Recorded)
    except msgspec.DecodeError as error:
        raise ChatError(
            f"recorded answer {path} is damaged ({error}); delete it to ask again", reason="damaged"
        ) from None
    if recorded.format != FORMAT:
        raise ChatError(
            f"recorded answer {path} has format {recorded.format}, this version reads {FORMAT}; use another folder",
            reason="damaged",
        )
    return recorded
