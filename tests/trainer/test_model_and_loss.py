"""The model's parts, packing isolation, the two-part loss, and model folders."""

from __future__ import annotations

import json
import math

import pytest
import torch
from masks import packed_mask
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast, Qwen2_5OmniThinkerForConditionalGeneration
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniThinkerTextModel

from soundflow_data.dice import derive_seed
from soundflow_data.errors import SoundFlowError
from soundflow_trainer.attention import spans_of
from soundflow_trainer.frontend import log_mel
from soundflow_trainer.loss import LossCounts, LossWeights, loss_counts, loss_sums, total_loss
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.packing import Batch, pack, pad
from soundflow_trainer.presets import PRESETS, thinker_config
from soundflow_trainer.sequence import make_example
from soundflow_trainer.weights import adopt_model, load_model, new_model, save_model


@pytest.fixture
def model(tokenizer):
    return new_model("tiny", tokenizer, chunk=6400, seed=1).eval()


@pytest.fixture
def examples(tokenizer, source):
    return [make_example(s.audio, s.timeline, s.targets, tokenizer) for s in (source[i] for i in range(6))]


def test_encoding_all_chunks_at_once_is_the_towers_own_forward(model):
    features = torch.randn(5, 40, 128)
    own = model.audio_tower(
        features.flatten(0, 1).T, feature_lens=torch.tensor([200]), aftercnn_lens=torch.tensor([100])
    ).last_hidden_state
    ours = model.encode(features)
    torch.testing.assert_close(ours.flatten(0, 1), own, atol=1e-6, rtol=1e-5)
    alone = torch.cat([model.encode(features[k : k + 1]) for k in range(5)])
    torch.testing.assert_close(ours, alone, atol=1e-6, rtol=1e-5)


def test_the_language_model_is_that_of_transformers(model):
    embedded = torch.randn(2, 9, 32)
    ours = model.decode(embedded, torch.arange(9).expand(2, -1), packed_mask(torch.ones(2, 9, dtype=torch.long)))
    assert isinstance(model.language_model, Qwen2_5OmniThinkerTextModel)
    torch.testing.assert_close(ours, model.language_model(inputs_embeds=embedded).last_hidden_state)


def test_packed_streams_do_not_see_each_other(model, examples):
    packed = pack(examples, row_tokens=512, rows_per_batch=8)
    padded = pad(examples, rows_per_batch=1)
    alone = {batch.keys[0][0]: model(batch) for batch in padded}
    for batch in packed:
        expected = torch.cat([alone[key] for row in batch.keys for key in row])
        torch.testing.assert_close(model(batch), expected, atol=1e-4, rtol=1e-4)


def test_attention_by_spans_is_attention_under_the_mask(model, examples):
    for batch in pack(examples, row_tokens=512, rows_per_batch=8):
        embedded = model.embed(batch.tokens_RL, model.encode(batch.features_NFM))
        under_mask = model.decode(embedded, batch.positions_RL, packed_mask(batch.segments_RL))
        by_spans = model.decode(embedded, batch.positions_RL, None, spans=spans_of(batch.segments_RL))
        streams = batch.segments_RL > 0
        torch.testing.assert_close(by_spans[streams], under_mask[streams], atol=1e-5, rtol=1e-4)


def test_spans_by_hand():
    segments = torch.tensor([[1, 1, 2, 0], [1, 2, 2, 2]])
    assert spans_of(segments) == (((2, True), (1, True), (1, False)), ((1, True), (3, True)))


def test_mask_by_hand():
    mask = packed_mask(torch.tensor([[1, 1, 2, 0]]))[0, 0]
    assert mask.int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("preset", ["tiny", "micro"])
def test_a_new_model_hears_what_is_sounding(preset, tokenizer):
    ours = new_model(preset, tokenizer, chunk=6400, seed=1).eval()
    theirs = AudioInteractionModel(thinker_config(preset, tokenizer, 6400), chunk=6400, audio_token=tokenizer.audio)
    times = torch.arange(6400) / 16_000
    low, high = (log_mel((0.1 * torch.sin(6.283 * hz * times)).numpy(), 6400) for hz in (300, 3_000))

    @torch.no_grad()
    def heard(model):
        one, other = (model.encode(torch.from_numpy(features)) for features in (low, high))
        return float((one - other).std() / one.std())

    assert heard(ours) > 3 * heard(theirs)  # by default, position embeddings drown what is sounding


def test_presets_have_the_sizes_that_they_promise(tokenizer):
    sizes = {
        name: AudioInteractionModel(
            thinker_config(name, tokenizer, 6400), chunk=6400, audio_token=tokenizer.audio
        ).num_parameters
        for name in PRESETS
        if name != "base"
    }
    assert sizes["tiny"] < 0.1e6 < sizes["micro"] < 2.5e6 < sizes["small"]
    assert 8e6 < sizes["small"] < 12e6
    with pytest.raises(SoundFlowError, match="preset 'huge'"):
        thinker_config("huge", tokenizer, 6400)


def test_a_window_that_is_not_a_chunk_is_refused(tokenizer):
    with pytest.raises(SoundFlowError, match="n_window to 10"):
        AudioInteractionModel(thinker_config("tiny", tokenizer, 6400), chunk=3200, audio_token=tokenizer.audio)


def test_loss_by_hand(tokenizer, examples):
    """With equal logits every entropy is log V; with the parts counted by hand the total is (1 + lambda) log V."""
    [batch] = pack(examples[:2], row_tokens=1024, rows_per_batch=1)
    vocabulary = 7
    labels = batch.labels_RL.clamp(max=vocabulary - 1)
    batch = batch.__class__(**{name: getattr(batch, name) for name in batch.__slots__} | {"labels_RL": labels})
    logits = torch.zeros(int((labels >= 0).sum()), vocabulary)
    for weights in (LossWeights(), LossWeights(stream=0.5, response=3.0)):
        counts = loss_counts([batch], response_token=tokenizer.response, weights=weights)
        sums = loss_sums(logits, batch, response_token=tokenizer.response, weights=weights)
        total = total_loss(sums, counts, weights)
        assert float(total) == pytest.approx((1 + weights.stream) * math.log(vocabulary), rel=1e-5)


def test_responses_weigh_what_the_setting_says():
    """Two control positions with entropies a (silent) and b (response): weighted mean (a + w b) / (1 + w)."""
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    a, b = -torch.log_softmax(logits[0], 0)
    entropies = {"silent": float(a), "response": float(b)}
    zeros = torch.zeros(1, 2, dtype=torch.long)
    batch = Batch(
        keys=(("x",),),
        tokens_RL=zeros,
        labels_RL=torch.tensor([[0, 1]]),
        kinds_RL=torch.tensor([[1, 1]], dtype=torch.uint8),
        segments_RL=zeros + 1,
        positions_RL=zeros,
        features_NFM=torch.zeros(0, 40, 128),
    )
    weights = LossWeights(stream=2.0, response=4.0)
    counts = loss_counts([batch], response_token=1, weights=weights)
    assert counts == LossCounts(text=0.0, control=5.0)
    sums = loss_sums(logits, batch, response_token=1, weights=weights)
    expected = 2.0 * (entropies["silent"] + 4 * entropies["response"]) / 5
    assert float(total_loss(sums, counts, weights)) == pytest.approx(expected, rel=1e-6)


def test_naming_sounds_is_a_part_of_its_own():
    """A decision with entropy a and a name with entropy b: a + weight * b, and without a weight the name is nothing."""
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    a, b = (float(-torch.log_softmax(row, 0)[i]) for row, i in zip(logits, (0, 2), strict=True))
    zeros = torch.zeros(1, 2, dtype=torch.long)
    batch = Batch(
        keys=(("x",),),
        tokens_RL=zeros,
        labels_RL=torch.tensor([[0, 2]]),
        kinds_RL=torch.tensor([[1, 3]], dtype=torch.uint8),
        segments_RL=zeros + 1,
        positions_RL=zeros,
        features_NFM=torch.zeros(0, 40, 128),
    )
    for sounds in (0.0, 0.5):
        weights = LossWeights(sounds=sounds)
        counts = loss_counts([batch], response_token=1, weights=weights)
        assert counts == LossCounts(text=0.0, control=1.0, sounds=1.0)
        sums = loss_sums(logits, batch, response_token=1, weights=weights)
        assert float(total_loss(sums, counts, weights)) == pytest.approx(a + sounds * b, rel=1e-6)


def test_golden_losses(model, tokenizer, examples):
    """Changes here mean that features, layout, model or loss have changed: old checkpoints then mean something else."""
    set_weights(model)
    weights = LossWeights()
    batches = pack(examples, row_tokens=512, rows_per_batch=8)
    counts = loss_counts(batches, response_token=tokenizer.response, weights=weights)
    sums = [loss_sums(model(b), b, response_token=tokenizer.response, weights=weights) for b in batches]
    text = sum(s.text.item() for s in sums) / counts.text
    control = sum(s.control.item() for s in sums) / counts.control
    assert (text, control) == pytest.approx((GOLDEN_TEXT, GOLDEN_CONTROL), abs=2e-4)


GOLDEN_TEXT = 5.39855
GOLDEN_CONTROL = 5.53270


@torch.no_grad()
def set_weights(model):
    """Weights that do not depend on how a version of transformers draws them."""
    for name, parameter in model.named_parameters():
        generator = torch.Generator().manual_seed(derive_seed(name) % 2**31)
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2 + ("norm.weight" in name))


def test_a_model_folder_loads_here_and_in_transformers(model, tokenizer, examples, tmp_path):
    save_model(tmp_path, model, tokenizer)
    again, again_tokenizer = load_model(tmp_path)
    [batch] = pack(examples[:2], row_tokens=1024, rows_per_batch=1)
    torch.testing.assert_close(again.eval()(batch), model(batch), rtol=0, atol=0)
    assert again_tokenizer.response == tokenizer.response

    plain = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(tmp_path)
    theirs = {
        name.replace("model.language_model.", "model.").replace("model.audio_tower.", "audio_tower."): parameter
        for name, parameter in plain.named_parameters()
    }
    for name, parameter in model.named_parameters():
        if name != "lm_head.weight":
            torch.testing.assert_close(theirs[name.replace("language_model.", "model.")], parameter)


def test_published_weights_are_adopted_with_new_rows(model, tokenizer, tmp_path):
    """A folder with the prefix of the full Omni model and a tokenizer without our tokens."""
    save_model(tmp_path, model, tokenizer)
    tensors = {f"thinker.{name}": tensor for name, tensor in load_file(tmp_path / "model.safetensors").items()}
    tensors["thinker.visual.blocks.0.norm1.weight"] = torch.ones(3)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    words = {f"w{i}": i for i in range(318)}
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="w0"))).save_pretrained(
        tmp_path
    )
    adopted, prepared = adopt_model(str(tmp_path))
    assert len(prepared) == 323
    old = model.language_model.embed_tokens.weight
    new = adopted.language_model.embed_tokens.weight
    assert new.shape[0] == 323
    torch.testing.assert_close(new[: len(old)], old)
    torch.testing.assert_close(new[-1], old.mean(0))
    assert adopted.lm_head.weight is new


def test_damaged_and_foreign_model_folders_are_named(model, tokenizer, tmp_path):
    with pytest.raises(SoundFlowError, match=r"soundflow\.json is missing"):
        load_model(tmp_path)
    save_model(tmp_path, model, tokenizer)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SoundFlowError, match="damaged"):
        load_model(tmp_path)
    weights.write_bytes(whole)
    config = json.loads((tmp_path / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 48
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SoundFlowError, match="another configuration"):
        load_model(tmp_path)
    (tmp_path / "soundflow.json").write_text('{"chunk": 6400, "frontend": 99}')
    with pytest.raises(SoundFlowError, match="version 99"):
        load_model(tmp_path)
