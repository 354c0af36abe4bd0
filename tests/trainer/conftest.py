"""Streams in memory: a tone is a sound, and each kind of tone has an answer or none."""

from __future__ import annotations

import importlib.util

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("transformers") and importlib.util.find_spec("torch") else ["*.py"]

if not collect_ignore_glob:
    import torch
    from tones import ToneSource

    from soundflow_trainer.tokens import StreamTokenizer, train_tokenizer

    torch.set_num_threads(1)

    @pytest.fixture(scope="session")
    def tokenizer() -> StreamTokenizer:
        return train_tokenizer(["It rings.", "It beeps.", "tell me when it rings"], 320)

    @pytest.fixture(scope="session")
    def source() -> ToneSource:
        return ToneSource(24)
