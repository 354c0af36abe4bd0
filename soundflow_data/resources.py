"""Where the files that travel with the code are: `recipes/` and `manifests/`."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).parent / "_resources"  # in a wheel
_CHECKOUT = Path(__file__).parent.parent  # in a checkout or an editable install


def resource_path(name: str) -> Path:
    """Returns the path of a file or folder such as `manifests/sounds.yaml`, which need not exist."""
    packaged = _PACKAGED / name
    return packaged if packaged.exists() else _CHECKOUT / name
