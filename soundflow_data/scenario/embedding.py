"""Sentence embeddings, for searches that go by meaning: optional, and only with a model that is on disk already."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from soundflow_data.errors import SoundFlowError

_BATCH: Final = 64
_LONGEST: Final = 128  # tokens; captions have a few dozen


class Embedder(Protocol):
    """Turns sentences into vectors."""

    @property
    def name(self) -> str:
        """What statistics and stored vectors call it; another model has another name."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns float32 (len(texts), dimensions), one vector of length one for each text."""
        ...


class LocalEmbedder:
    """A sentence-embedding model in a local folder, such as a copy of `all-MiniLM-L6-v2`; nothing is downloaded.

    A text's vector is the mean of its tokens' last hidden states (Reimers and Gurevych, "Sentence-BERT", 2019).

    Args:
        folder: With `config.json`, the weights and the tokenizer, as transformers saves them.

    Raises:
        SoundFlowError: There is no model, or the packages transformers and torch are not installed.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "config.json").is_file():
            raise SoundFlowError(
                f"{folder} holds no model: it has no config.json; give the folder that transformers saved"
            )
        missing = [name for name in ("transformers", "torch") if importlib.util.find_spec(name) is None]
        if missing:
            raise SoundFlowError(f"embeddings need {' and '.join(missing)}; pip install 'soundflow[train]' and torch")
        self.name = folder.resolve().name
        self._folder = folder

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns float32 (len(texts), dimensions), one vector of length one for each text."""
        torch = importlib.import_module("torch")
        tokenizer, model = self._model
        parts = []
        for start in range(0, len(texts), _BATCH):
            tokens = tokenizer(
                list(texts[start : start + _BATCH]),
                padding=True,
                truncation=True,
                max_length=_LONGEST,
                return_tensors="pt",
            )
            with torch.inference_mode():
                states = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
            mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
            parts.append(torch.nn.functional.normalize(mean, dim=1).float().numpy())
        return np.concatenate(parts) if parts else np.empty((0, 1), np.float32)

    @functools.cached_property
    def _model(self) -> tuple[Any, Any]:
        transformers = importlib.import_module("transformers")
        place = {"pretrained_model_name_or_path": str(self._folder), "local_files_only": True}
        return transformers.AutoTokenizer.from_pretrained(**place), transformers.AutoModel.from_pretrained(
            **place
        ).eval()


class Vectors:
    """Embeddings as a column that DuckDB can compare.

    Args:
        embedder: Makes them.
        folder: Keeps those of whole banks, so that they are made once and not by every worker.
    """

    def __init__(self, embedder: Embedder, folder: Path | None = None) -> None:
        self._embedder = embedder
        self._folder = folder

    def of(self, texts: Sequence[str]) -> pa.FixedSizeListArray:
        """Returns one fixed-size list of float32 for each text."""
        return self._column(self._checked(texts))

    def kept(self, texts: Sequence[str]) -> pa.FixedSizeListArray:
        """Returns the same, from the folder where the same texts were embedded before."""
        if self._folder is None:
            return self.of(texts)
        digest = hashlib.sha256("\x1f".join([self._embedder.name, *texts]).encode()).hexdigest()
        path = self._folder / f"vectors-{digest[:32]}.npy"
        if not path.is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as file:
                np.save(file, self._checked(texts))
            Path(file.name).replace(path)
        return self._column(np.load(path))

    def _checked(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.ascontiguousarray(self._embedder.embed(texts), np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise SoundFlowError(
                f"embedder {self._embedder.name!r} gave an array of shape {vectors.shape} for {len(texts)} texts"
            )
        return vectors

    def _column(self, vectors: NDArray[np.float32]) -> pa.FixedSizeListArray:
        return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
