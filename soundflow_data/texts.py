"""Tables of texts that come with the sub-tasks: `recipes/texts/<name>.yaml`."""

from __future__ import annotations

import functools
from typing import Any

import yaml

from soundflow_data.errors import SubtaskError
from soundflow_data.resources import resource_path


@functools.cache
def load_texts(name: str) -> Any:
    """Returns the table of that name.

    Raises:
        SubtaskError: There is no such table; the message lists those that exist.
    """
    path = resource_path(f"recipes/texts/{name}.yaml")
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in path.parent.glob("*.yaml"))) or "none"
        raise SubtaskError(f"text table {name!r} does not exist in recipes/texts; there are {known}")
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=yaml.CSafeLoader)
