"""The checks, one file each; a file that is put here is found without being listed, under its name."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from soundflow_data.quality.check.base import CorpusCheck, StreamCheck

Check = StreamCheck | CorpusCheck


def check_names() -> tuple[str, ...]:
    """Returns the names of all checks, which are the names of the files in this folder."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


@functools.cache
def load_check(name: str) -> Check:
    """Returns the check of a file."""
    module = importlib.import_module(f"{__name__}.{name}")
    own = (kind for kind in vars(module).values() if getattr(kind, "__module__", "") == module.__name__)
    kinds = [kind for kind in own if isinstance(kind, type) and issubclass(kind, (StreamCheck, CorpusCheck))]
    assert len(kinds) == 1, f"{module.__file__} defines {len(kinds)} checks; it must be one"
    check: Check = kinds[0]()
    return check


def stream_checks() -> dict[str, StreamCheck]:
    """Returns the checks of single streams by name."""
    found = {name: load_check(name) for name in check_names()}
    return {name: check for name, check in found.items() if isinstance(check, StreamCheck)}


def corpus_checks() -> dict[str, CorpusCheck]:
    """Returns the checks of the whole corpus by name."""
    found = {name: load_check(name) for name in check_names()}
    return {name: check for name, check in found.items() if isinstance(check, CorpusCheck)}
