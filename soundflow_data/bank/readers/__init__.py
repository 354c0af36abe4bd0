"""The corpora that banks are built from, one file each; a file that is put here is found without being listed."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from soundflow_data.bank.source import OUTSIDE, Reader
from soundflow_data.errors import BankError


def reader_names() -> tuple[str, ...]:
    """Returns the names of the readers, which are the names of the files in this folder."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def load_reader(name: str) -> type[Reader]:
    """Loads a reader.

    Args:
        name: Name of a file in this folder, or the path of a Python file elsewhere.

    Raises:
        BankError: There is no such reader, or the file does not define exactly one.
    """
    module = _load_file(Path(name)) if name.endswith(".py") else _load_listed(name)
    found = list(_readers_in(module))
    if len(found) != 1:
        raise BankError(f"reader {name!r}: the file defines {len(found)} subclasses of Reader; it must be one")
    return found[0]


def _load_listed(name: str) -> ModuleType:
    names = reader_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BankError(f"no reader {name!r}{hint} There are {', '.join(names)}, or give the path of a Python file")
    return importlib.import_module(f"{__name__}.{name}")


def _load_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{OUTSIDE}{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise BankError(f"reader {str(path)!r}: there is no such file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _readers_in(module: ModuleType) -> Iterator[type[Reader]]:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Reader) and value.__module__ == module.__name__:
            yield value
