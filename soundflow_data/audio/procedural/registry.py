"""Finds every kind in `families`; looked up when first used, so that importing costs nothing."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache

from soundflow_data.audio.procedural import families
from soundflow_data.audio.procedural.kind import SoundKind


@cache
def _discover() -> dict[str, SoundKind]:
    found: dict[str, SoundKind] = {}
    for module_info in sorted(pkgutil.iter_modules(families.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{families.__name__}.{module_info.name}")
        for value in vars(module).values():
            if isinstance(value, SoundKind) and value.family == module_info.name:
                assert value.name not in found, f"two procedural kinds are called {value.name!r}"
                found[value.name] = value
    return found


class _Kinds(Mapping[str, SoundKind]):
    """Read-only view of the kinds by name, in the order of the families."""

    def __getitem__(self, name: str) -> SoundKind:
        return _discover()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_discover())

    def __len__(self) -> int:
        return len(_discover())

    def __repr__(self) -> str:
        return f"KINDS({', '.join(self)})"


KINDS: Mapping[str, SoundKind] = _Kinds()
