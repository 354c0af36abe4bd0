"""Croissant 1.0 metadata (https://docs.mlcommons.org/croissant) of a run directory: files, tables and columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa

from soundflow_data.shards.layout import TABLES, Table
from soundflow_data.shards.manifest import columns_of


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a corpus is called and said to be. Times are given, never taken from a clock, so that bytes stay equal.

    Attributes:
        name: Short name.
        text: One or two sentences.
        creator: Person or organisation that publishes it; empty when nobody does yet.
        url: Its page; empty when there is none yet.
        version: Of the corpus.
        published: Date of publication such as `2026-01-31`; empty before.
        citation: BibTeX; empty when there is none.
    """

    name: str = "soundflow-streams"
    text: str = "Audio streams for always-on models, with a decision to keep silent or to speak after every chunk."
    creator: str = ""
    url: str = ""
    version: str = "1.0.0"
    published: str = ""
    citation: str = ""


_RECORDS: Final[dict[Table, tuple[str, str]]] = {
    "manifest": ("streams", "One row per stream, with its place in the tar files."),
    "events": ("events", "One row per event that is heard in a stream."),
    "responses": ("responses", "One row per response of the assistant."),
}
_KEYS: Final[dict[Table, tuple[str, ...]]] = {
    "manifest": ("key",),
    "events": ("key", "event"),
    "responses": ("key", "response"),
}
_DATA_TYPES: Final = {"string": "sc:Text", "int32": "sc:Integer", "int64": "sc:Integer", "uint64": "sc:Integer"}
_SPDX: Final = re.compile(r"(?:CC|MIT|Apache|BSD|ODC|PDDL|ODbL|GPL|LGPL|0BSD)[0-9A-Za-z.-]*")
_CONTEXT: Final = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in (
            *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet"),
            *("format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
            *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField"),
            "transform",
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}


def make_croissant(description: Description, licences: Sequence[str], languages: Sequence[str], codec: str) -> bytes:
    """Returns the metadata as JSON-LD.

    Args:
        description: What the corpus is called.
        licences: Licences of the events, as SPDX names where they are.
        languages: Languages of the interactions.
        codec: Extension of the audio members.
    """
    metadata: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": description.name,
        "description": description.text,
        "version": description.version,
        "license": [_licence(name) for name in licences],
        "inLanguage": list(languages),
        "keywords": ["audio", "speech", "streaming", "full duplex", "sound events"],
        "distribution": [_tars(codec), *(_parts(table) for table in TABLES)],
        "recordSet": [_records(table) for table in TABLES],
    }
    optional = {"url": description.url, "datePublished": description.published, "citeAs": description.citation}
    metadata.update({name: value for name, value in optional.items() if value})
    if description.creator:
        metadata["creator"] = {"@type": "sc:Organization", "name": description.creator}
    return msgspec.json.format(msgspec.json.encode(metadata), indent=2) + b"\n"


def _licence(name: str) -> str:
    if not name:
        return "unknown; see LICENSES.csv"
    return f"https://spdx.org/licenses/{name}.html" if _SPDX.fullmatch(name) else name


def _tars(codec: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "description": f"<key>.{codec} (16 kHz mono) and <key>.json of every stream; the receipts hold the SHA-256.",
        "encodingFormat": "application/x-tar",
        "includes": "data/*/*.tar",
    }


def _parts(table: Table) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{table}-parts",
        "name": f"{table}-parts",
        "description": _RECORDS[table][1],
        "encodingFormat": "application/x-parquet",
        "includes": f"{table}/*/*.parquet",
    }


def _records(table: Table) -> dict[str, Any]:
    name, meaning = _RECORDS[table]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": meaning,
        "key": [{"@id": f"{name}/{column}"} for column in _KEYS[table]],
        "field": [_field(table, name, column.name, column.type, column.meaning) for column in columns_of(table)],
    }


def _field(table: Table, records: str, column: str, kind: pa.DataType, meaning: str) -> dict[str, Any]:
    repeated = pa.types.is_list(kind)
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{column}",
        "name": column,
        "description": meaning,
        "dataType": _DATA_TYPES.get(str(kind.value_type if repeated else kind), "sc:Float"),
        "source": {"fileSet": {"@id": f"{table}-parts"}, "extract": {"column": column}},
        **({"repeated": True} if repeated else {}),
    }
