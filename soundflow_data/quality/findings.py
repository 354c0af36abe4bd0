"""What a check of a run directory reports."""

from __future__ import annotations

from typing import Literal

import msgspec

Check = Literal[
    "receipt",  # a receipt that cannot be relied on, or that is missing
    "file",  # a file of a shard that is missing or has other bytes
    "tar",  # members that are damaged, not paired, or not in order
    "key",  # a name with other characters, or one that two streams have
    "audio",  # audio that does not decode, or has another length
    "json",  # a JSON member that cannot be read, or that contradicts its timeline
    "timeline",  # a plan that breaks its own rules
    "targets",  # targets that do not follow from the timeline
    "table",  # a row of a table that does not say what the tar holds
    "counts",  # a receipt whose numbers do not add up
    "split",  # a source recording in two splits
    "surplus",  # a file that belongs to nothing
]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    Attributes:
        check: Which check found it.
        shard: Number of the shard, when it concerns one.
        key: The stream, when it concerns one.
        what: What is wrong, in words.
        expected: What should be there.
        found: What is there.
        repair: What to do.
    """

    check: Check
    what: str
    expected: str
    found: str
    repair: str
    shard: int | None = None
    key: str = ""

    def __str__(self) -> str:
        where = "" if self.shard is None else f"shard {self.shard}: "
        stream = f"stream {self.key!r}: " if self.key else ""
        return f"{where}{stream}{self.what}: expected {self.expected}, found {self.found}; {self.repair}"


class ShardReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the check of one shard found.

    Attributes:
        shard: Number of the shard.
        streams: Streams that were decoded.
        samples: Samples that were decoded.
        findings: What is wrong.
    """

    shard: int
    streams: int
    samples: int
    findings: tuple[Finding, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the check of a run directory found.

    Attributes:
        shards: Shards that were checked.
        streams: Streams that were decoded.
        seconds: Audio that was decoded.
        findings: What is wrong; nothing means that the directory is sound.
    """

    shards: int
    streams: int
    seconds: float
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings
