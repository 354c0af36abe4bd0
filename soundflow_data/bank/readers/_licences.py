"""Licences as corpora write them, and the short names under which recipes select them."""

from __future__ import annotations

import re

_CC = re.compile(
    r"creativecommons\.org/(?:licenses/(?P<kind>[a-z+-]+)|publicdomain/(?P<free>zero|mark))/(?P<number>\d\.\d)"
)
_OTHERS = {"mit": "MIT", "apache-2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0", "odc-by": "ODC-By-1.0"}
_WORDS = {"attribution": "BY", "noncommercial": "NC", "noderivatives": "ND", "noderivs": "ND", "sharealike": "SA"}
_NUMBER = re.compile(r"\b(\d\.\d)\b")
_SPLIT = re.compile(r"(?<=non)[- ](?=commercial)|(?<=no)[- ](?=deriv)|(?<=share)[- ](?=alike)")
_BY = ("BY", "NC", "ND", "SA")


def licence_name(text: str, default: str) -> str:
    """Returns the SPDX name of a Creative Commons licence that is given by its address or title, and of a few others.

    Anything else is returned as it was written, and `default` where there is nothing.
    """
    text = text.strip()
    found = _CC.search(text.lower())
    if found and found["kind"]:
        return f"CC-{found['kind'].upper()}-{found['number']}"
    if found:
        return f"CC0-{found['number']}" if found["free"] == "zero" else f"CC-PDM-{found['number']}"
    if text.lower().startswith(("creative commons 0", "cc0")):
        return "CC0-1.0"
    return _OTHERS.get(text.lower()) or _from_title(text) or text or default


def _from_title(text: str) -> str:
    """Reads titles such as `Attribution-NonCommercial-ShareAlike 3.0 International` or `CC BY-NC 4.0`."""
    words = re.findall(r"[a-z]+", _SPLIT.sub("", text.lower()))
    parts = [_WORDS.get(word, word.upper()) for word in words]
    if "BY" not in parts or not ({"attribution", "cc"} & set(words)):
        return ""
    kind = "-".join(part for part in _BY if part in parts)
    number = _NUMBER.search(text)
    return f"CC-{kind}-{number[1]}" if number else f"CC-{kind}"
