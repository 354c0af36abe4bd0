"""A sentence-embedding model in a local folder; here, because it needs torch and transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import BertConfig, BertModel, BertTokenizer

from soundflow_data.scenario.embedding import LocalEmbedder

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog", "rain", "bark")


def test_a_local_model_embeds(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY))
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(tmp_path)
    embedder = LocalEmbedder(tmp_path)
    vectors = embedder.embed(["dog bark", "rain", "dog bark rain rain"])
    assert vectors.shape == (3, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert embedder.embed(["rain"])[0] == pytest.approx(vectors[1], abs=1e-5)
    assert len(embedder.embed([])) == 0
