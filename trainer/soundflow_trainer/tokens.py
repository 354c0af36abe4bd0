"""Text to tokens and back, with the special tokens of the native layout, for any Hugging Face tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from soundflow_data.errors import SoundFlowError

SILENT: Final = "<silent>"
RESPONSE: Final = "<response>"
EOS: Final = "<eos>"
AUDIO: Final = "<audio>"  # one position of audio; the embedding comes from the audio tower
PAD: Final = "<pad>"
SPECIAL: Final = (PAD, SILENT, RESPONSE, EOS, AUDIO)


class StreamTokenizer:
    """A tokenizer together with the ids of the special tokens.

    Args:
        tokenizer: A fast tokenizer that knows all of `SPECIAL`.

    Raises:
        SoundFlowError: It lacks one of the special tokens.
    """

    __slots__ = ("_tokenizer", "audio", "eos", "pad", "response", "silent")

    def __init__(self, tokenizer: Any) -> None:
        known = tokenizer.get_vocab()
        missing = [token for token in SPECIAL if token not in known]
        if missing:
            raise SoundFlowError(
                f"tokenizer {tokenizer.name_or_path!r} lacks {', '.join(missing)}; open it with `prepare_tokenizer` "
                "once, and save it with the model"
            )
        self._tokenizer = tokenizer
        self.pad, self.silent, self.response, self.eos, self.audio = (known[token] for token in SPECIAL)

    def __len__(self) -> int:
        return len(self._tokenizer)

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text; special tokens that are written in it are taken as plain characters."""
        return list(self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of ids, without special tokens."""
        specials = {self.pad, self.silent, self.response, self.eos, self.audio}
        plain = [int(token) for token in ids if int(token) not in specials]
        return str(self._tokenizer.decode(plain, clean_up_tokenization_spaces=False))

    def save(self, folder: Path) -> None:
        """Writes the tokenizer's files into a folder."""
        self._tokenizer.save_pretrained(str(folder))


def load_tokenizer(source: Path | str) -> StreamTokenizer:
    """Loads a tokenizer that was saved with a model.

    Raises:
        SoundFlowError: There is none, or it lacks the special tokens.
    """
    return StreamTokenizer(_load(source))


def prepare_tokenizer(source: Path | str) -> StreamTokenizer:
    """Loads any tokenizer (a folder or a hub name) and adds the special tokens that it lacks."""
    tokenizer = _load(source)
    tokenizer.add_tokens(list(SPECIAL), special_tokens=True)
    return StreamTokenizer(tokenizer)


def train_tokenizer(texts: Iterable[str], vocabulary: int = 1024) -> StreamTokenizer:
    """Trains a byte-level BPE tokenizer, for models from scratch.

    Args:
        texts: What the model will read and say.
        vocabulary: Size of the vocabulary; at least 256 bytes and the special tokens.

    Raises:
        SoundFlowError: The vocabulary is too small.
    """
    least = 256 + len(SPECIAL)
    if vocabulary < least:
        raise SoundFlowError(f"a vocabulary of {vocabulary} tokens; it must be at least {least}")
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return StreamTokenizer(PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=PAD, eos_token=EOS))


def _load(source: Path | str) -> Any:
    # The file of the fast tokenizer is all that is needed: versions of transformers call its class by other names.
    kind = PreTrainedTokenizerFast if (Path(source) / "tokenizer.json").is_file() else AutoTokenizer
    try:
        return kind.from_pretrained(str(source))
    except (OSError, ValueError, KeyError) as error:
        raise SoundFlowError(f"no tokenizer can be loaded from {str(source)!r}: {error}") from error
