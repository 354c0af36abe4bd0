"""The files of a corpus, without those that do not belong to it."""

from __future__ import annotations

from pathlib import Path

from soundflow_data.bank.format import INFO


def own_files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Returns the files with these endings in a folder and its folders, by name.

    Hidden ones are left out, and so are those of a bank that was built in the folder of its corpus.
    """
    return [file for file in sorted(folder.rglob("*")) if file.name.lower().endswith(endings) and _is_own(file, folder)]


def _is_own(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and not (file.parent / INFO).is_file()
