"""Untrained models of the sizes that are in use: what they say is nothing, but it takes them as long."""

from __future__ import annotations

import json
from pathlib import Path

LETTERS = "abcdefghijklmnopqrstuvwxyz'"


def write_vits(folder: Path) -> Path:
    """Writes a VITS of the usual size (37 M parameters) with two speakers, unless it is there."""
    if (folder / "config.json").exists():
        return folder
    import torch  # noqa: PLC0415 - not in the base environment
    from TTS.tts.configs.vits_config import VitsConfig  # noqa: PLC0415
    from TTS.tts.models.vits import Vits, VitsArgs  # noqa: PLC0415

    folder.mkdir(parents=True)
    args = VitsArgs(use_speaker_embedding=True, init_discriminator=False)
    config = VitsConfig(model_args=args, use_phonemes=False, text_cleaner="multilingual_cleaners")
    config.audio.do_trim_silence = False
    config.speakers = ["ada", "ben"]
    torch.manual_seed(1)
    torch.save({"model": Vits(config).state_dict()}, folder / "model.pth")
    config.save_json(folder / "config.json")
    return folder


def write_ctc(folder: Path) -> Path:
    """Writes a wav2vec 2.0 of the base size (95 M parameters) that writes letters, unless it is there."""
    if (folder / "config.json").exists():
        return folder
    import torch  # noqa: PLC0415 - not in the base environment
    from transformers import (  # noqa: PLC0415
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder.mkdir(parents=True)
    vocabulary = {token: i for i, token in enumerate(("<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    torch.manual_seed(1)
    Wav2Vec2ForCTC(Wav2Vec2Config(vocab_size=len(vocabulary), pad_token_id=0)).save_pretrained(folder)
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=True)
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), do_lower_case=True)
    Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
    return folder
