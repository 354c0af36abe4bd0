"""Clips that no bank holds: reprocessed ones and generated ones, made again by anybody from bank name and clip id.

    bank          clip id                       what it is
    reprocessed   <bank>/<clip id>              that clip once more through TFJP
    generated     <kind>-<seed>-<num_samples>   a procedural sound

Like an engine's utterances, they are addressed by what they are made of. A timeline names them like any clip, and who
renders it makes them, once, and keeps as many as the cache holds.
"""

from __future__ import annotations

import functools
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.bank import Bank, Clip
from soundflow_data.bank.source import Audio, Procedural, Samples, SourceItem
from soundflow_data.errors import BankError
from soundflow_data.ontology import Ontology
from soundflow_data.timeline import SAMPLE_RATE

REPROCESSED: Final = "reprocessed"
GENERATED: Final = "generated"
PSEUDO_BANKS: Final = frozenset({REPROCESSED, GENERATED})
CACHE_SAMPLES: Final = SAMPLE_RATE * 60 * 15  # 15 minutes, 29 MB a worker
_KEPT_CLIPS: Final = 1 << 15
_BUILTIN_CORPUS: Final = "builtin"  # as the reader `builtin_sounds` calls it
_BUILTIN_LICENCE: Final = "CC0-1.0"
_GENERATED_ID: Final = re.compile(r"(?P<kind>[a-z][a-z0-9_]*)-(?P<seed>\d+)-(?P<num_samples>\d+)")

Pcm = NDArray[np.int16]


class Workshop:
    """Makes clips.

    Args:
        banks: Open banks by name, of which clips are reprocessed.
        ontology: What is known about sounds.
        cache_samples: Samples that are kept.
    """

    def __init__(self, banks: Mapping[str, Bank], ontology: Ontology, *, cache_samples: int = CACHE_SAMPLES) -> None:
        taken = sorted(PSEUDO_BANKS & set(banks))
        if taken:
            raise BankError(f"a bank is called {taken[0]!r}, as the clips are that scenes make; give it another name")
        self._banks = dict(banks)
        self._ontology = ontology
        self._cache_samples = cache_samples
        self._kept: OrderedDict[tuple[str, str], Pcm] = OrderedDict()
        self._kept_samples = 0
        self._described: Callable[[str, str], Clip] = functools.lru_cache(maxsize=_KEPT_CLIPS)(self._describe)
        self.num_made = 0

    def clip(self, bank: str, clip_id: str) -> Clip:
        """Returns what is known about a clip; its row is -1.

        Args:
            bank: `reprocessed` or `generated`.
            clip_id: See the table above.

        Raises:
            BankError: The id names nothing that can be made here, or nothing is left of the clip after processing.
        """
        return self._described(bank, clip_id)

    def pcm(self, bank: str, clip_id: str) -> Pcm:
        """Returns int16 (num_samples,), read-only; it is made again when it is not kept any more.

        Raises:
            BankError: The id names nothing that can be made here, or nothing is left of the clip after processing.
        """
        kept = self._kept.get((bank, clip_id))
        if kept is not None:
            self._kept.move_to_end((bank, clip_id))
            return kept
        return self._make(bank, clip_id)[1]

    def _describe(self, bank: str, clip_id: str) -> Clip:
        return self._make(bank, clip_id)[0]

    def _make(self, bank: str, clip_id: str) -> tuple[Clip, Pcm]:
        # Decoders and the synthesiser are slow to import, and most workers never make a clip.
        from soundflow_data.bank.prepare import Preparation, prepare_item  # noqa: PLC0415

        item = self._item(bank, clip_id)
        outcome = prepare_item(item, Preparation())
        if not outcome.clips:
            assert outcome.dropped is not None, item.id
            raise BankError(f"clip {clip_id!r} of {bank!r} cannot be made: {outcome.dropped.message}")
        made = outcome.clips[0]
        made.pcm.setflags(write=False)
        self._keep((bank, clip_id), made.pcm)
        self.num_made += 1
        return made.clip, made.pcm

    def _item(self, bank: str, clip_id: str) -> SourceItem:
        if bank == REPROCESSED:
            return self._bank_item(clip_id)
        if bank == GENERATED:
            return self._procedural_item(clip_id)
        raise BankError(f"no bank {bank!r} makes clips; those are {', '.join(sorted(PSEUDO_BANKS))}")

    def _bank_item(self, clip_id: str) -> SourceItem:
        name, _, source_id = clip_id.partition("/")
        bank = self._banks.get(name)
        if bank is None:
            raise BankError(f"reprocessed clip {clip_id!r}: bank {name!r} is not open; open it under that name")
        clip = bank.clip(bank.find(source_id))
        return _item_of(clip, clip_id, Samples(pcm=np.array(bank.pcm(clip.row))))

    def _procedural_item(self, clip_id: str) -> SourceItem:
        from soundflow_data.audio.procedural import KINDS  # noqa: PLC0415

        parts = _GENERATED_ID.fullmatch(clip_id)
        kind = KINDS.get(parts["kind"]) if parts else None
        if parts is None or kind is None:
            raise BankError(f"generated clip {clip_id!r} is no <kind>-<seed>-<num_samples> of a procedural kind")
        label = self._ontology.procedural_kinds().get(kind.name, kind.name)
        return SourceItem(
            id=clip_id,
            audio=Procedural(
                sound=kind.name, seed=int(parts["seed"]), duration_s=int(parts["num_samples"]) / SAMPLE_RATE
            ),
            kind="sound",
            label=label,
            caption=kind.summary,
            origin=f"builtin:{kind.name}:{parts['seed']}",
            corpus=_BUILTIN_CORPUS,
            licence=_BUILTIN_LICENCE,
        )

    def _keep(self, key: tuple[str, str], pcm: Pcm) -> None:
        if key in self._kept:
            return
        self._kept[key] = pcm
        self._kept_samples += len(pcm)
        while self._kept_samples > self._cache_samples and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._kept_samples -= len(oldest)


def generated_id(kind: str, seed: int, num_samples: int) -> str:
    """Returns the id of a procedural sound in the bank `generated`."""
    return f"{kind}-{seed}-{num_samples}"


def reprocessed_id(bank: str, clip_id: str) -> str:
    """Returns the id of a bank's clip in the bank `reprocessed`."""
    return f"{bank}/{clip_id}"


def _item_of(clip: Clip, item_id: str, audio: Audio) -> SourceItem:
    """Returns a clip as an item: with everything that a bank says of it, origin and licence above all."""
    return SourceItem(
        id=item_id,
        audio=audio,
        kind=clip.kind,
        path=clip.path,
        label=clip.label,
        caption=clip.caption,
        origin=clip.origin,
        group=clip.group,
        fold=clip.fold,
        corpus=clip.corpus,
        licence=clip.licence,
    )
