"""SoundFlow: training streams for always-on audio models, planned as data, rendered to audio, labelled per chunk.

One master timeline per stream is planned as data (`compose`), rendered to audio (`render`) and projected to one target
per 0.4 s chunk (`project`). Names are imported when they are first used, so that `import soundflow_data` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from soundflow_data import version

__version__ = version.VERSION

if TYPE_CHECKING:
    from soundflow_data.bank import Bank as Bank
    from soundflow_data.bank import build_bank as build_bank
    from soundflow_data.composition import Conditions as Conditions
    from soundflow_data.composition import compose as compose
    from soundflow_data.corpus import Corpus as Corpus
    from soundflow_data.corpus import Stream as Stream
    from soundflow_data.corpus import StreamSpec as StreamSpec
    from soundflow_data.errors import SoundFlowError as SoundFlowError
    from soundflow_data.library import Library as Library
    from soundflow_data.ontology import load_ontology as load_ontology
    from soundflow_data.recipe import load_recipe as load_recipe
    from soundflow_data.rendering import render as render
    from soundflow_data.rendering import render_pcm as render_pcm
    from soundflow_data.rendering import stems as stems
    from soundflow_data.scene import Scene as Scene
    from soundflow_data.shards import LocalStorage as LocalStorage
    from soundflow_data.shards import ShardWriter as ShardWriter
    from soundflow_data.shards import StreamReader as StreamReader
    from soundflow_data.stage import Heard as Heard
    from soundflow_data.subtasks import load_subtask as load_subtask
    from soundflow_data.subtasks import subtask as subtask
    from soundflow_data.targets import Target as Target
    from soundflow_data.targets import Targets as Targets
    from soundflow_data.targets import project as project
    from soundflow_data.timeline import Event as Event
    from soundflow_data.timeline import Response as Response
    from soundflow_data.timeline import Timeline as Timeline

_HOMES = {
    "Bank": "bank",
    "build_bank": "bank",
    "Conditions": "composition",
    "compose": "composition",
    "Corpus": "corpus",
    "Stream": "corpus",
    "StreamSpec": "corpus",
    "SoundFlowError": "errors",
    "Library": "library",
    "load_ontology": "ontology",
    "load_recipe": "recipe",
    "render": "rendering",
    "render_pcm": "rendering",
    "stems": "rendering",
    "Heard": "stage",
    "Scene": "scene",
    "LocalStorage": "shards",
    "ShardWriter": "shards",
    "StreamReader": "shards",
    "load_subtask": "subtasks",
    "subtask": "subtasks",
    "Target": "targets",
    "Targets": "targets",
    "project": "targets",
    "Event": "timeline",
    "Response": "timeline",
    "Timeline": "timeline",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - the keys are strings


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'soundflow_data' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"soundflow_data.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
