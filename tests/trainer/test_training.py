"""Stages, steps, checkpoints, and resuming: the same streams and equal weights, however a run was cut to pieces."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rich.console
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from tones import ToneSource

from soundflow_data.dice import Dice
from soundflow_data.errors import RecipeError, RunError, SoundFlowError
from soundflow_data.shards import LocalStorage, RunIdentity, ShardWriter, StreamReader, plan_shards
from soundflow_data.shards.order import ReaderState
from soundflow_trainer.checkpoints import Checkpoints, _seal, damage, find_model, read_progress
from soundflow_trainer.evaluation.events import summarise
from soundflow_trainer.evaluation.teacher_forced import choose_threshold, choose_validation, judge_odds
from soundflow_trainer.files import whole_folder
from soundflow_trainer.live.engine import MAX_CONTEXT, Engine, EngineSettings
from soundflow_trainer.loading import BatchPlan, Examples, load_steps
from soundflow_trainer.loop import train
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.optimization import RowMask, choose_parts, learning_rate, make_optimizers, set_rates
from soundflow_trainer.presets import thinker_config
from soundflow_trainer.stage import OptimizerSection, Stage, load_stage
from soundflow_trainer.tokens import load_tokenizer
from soundflow_trainer.weights import load_model, new_model

NAMES = ("plain", "named")
STAGES = sorted((Path(__file__).parents[2] / "trainer" / "stages").glob("[1-4]_*.yaml"))
PREFIX = {"lm_head": "lm_head", "adapter": "audio_tower.proj", "language_model": "language_model"}


def make_stage(**changes) -> Stage:
    settings = {
        "name": "tones",
        "train": ["audio_tower", "adapter", "language_model", "lm_head"],
        "steps": 6,
        "data": {"root": "memory", "loader_workers": 0, "seed": 3},
        "model": {"preset": "tiny", "vocabulary": 300},
        "optimizer": {"lr": 1e-3},
        "batch": {"streams": 4, "row_tokens": 400, "rows": 2},
        "checkpoint": {"every": 2, "validate_every": 100, "validation_streams": 4},
        "precision": "float32",
        "threads": 1,
    }
    return Stage.model_validate(settings | changes)


def make_changing_stage(workers=0, **changes) -> Stage:
    """A stage that changes streams in every epoch, lets responses come late, and names sounds."""
    augment = {"gain_db": 6, "colour_db": 3, "shift_mels": 4, "masks": 1, "noise_db": 10, "narrow_mels": 20}
    data = {"root": "memory", "loader_workers": workers, "seed": 3, "late": 0.4, "augment": augment}
    return make_stage(data=data, loss={"sounds": 0.5}, **changes)


def run(stage, out, **options):
    return train(stage, out, source=ToneSource(20), validation=ToneSource(4, split="validation"), **options)


def weights_of(out, step):
    return load_file(out / "checkpoints" / f"step-{step:08d}" / "model" / "model.safetensors")


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# -- stages ----------------------------------------------------------------------------------------------------------


def test_the_four_stages_have_the_published_settings():
    stages = [load_stage(path) for path in STAGES]
    assert [s.steps for s in stages] == [5_000, 20_000, 80_000, 15_000]
    assert [s.optimizer.lr for s in stages] == [1e-4, 1e-4, 5e-5, 1e-5]
    assert [s.batch.streams for s in stages] == [512, 1024, 1024, 1024]
    for s in stages:
        assert (s.optimizer.betas, s.optimizer.weight_decay, s.optimizer.clip_norm) == ((0.9, 0.95), 0.01, 1.0)
        assert (s.optimizer.warmup_share, s.loss.stream, s.precision) == (0.03, 1.0, "bf16")


@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.stem)
def test_one_step_of_every_stage_moves_its_parts_and_nothing_else(path, tmp_path):
    small = ["batch.streams=2", "batch.row_tokens=400", "model.preset=tiny", "model.vocabulary=300", "threads=1"]
    few = ["steps=1", "data.loader_workers=0", "checkpoint.validation_streams=2", "optimizer.warmup_share=0"]
    run(load_stage(path, [*small, *few, "checkpoint.every=1"]), tmp_path / "run")
    after, _ = load_model(find_model(tmp_path / "run"))
    tokenizer = load_tokenizer(find_model(tmp_path / "run"))
    before = new_model("tiny", tokenizer, chunk=6400, seed=0).state_dict()
    moved = {name for name, tensor in after.state_dict().items() if not torch.equal(tensor, before[name])}
    parts = load_stage(path).train
    assert any(name.startswith("audio_tower.proj") for name in moved) == ("adapter" in parts)
    assert any(name.startswith("language_model.layers") for name in moved) == ("language_model" in parts)
    assert not any(name.startswith(("audio_tower.conv", "audio_tower.layers")) for name in moved)
    assert ("lm_head.weight" in moved) == ("lm_head" in parts)


def test_new_embeddings_move_alone_when_the_head_is_its_own(tokenizer, source):
    config = thinker_config("tiny", tokenizer, 6400)
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = False
    model = AudioInteractionModel(config, chunk=6400, audio_token=tokenizer.audio)
    choose_parts(model, ["new_embeddings", "lm_head"])
    mask = RowMask(model, ["new_embeddings", "lm_head"], tokenizer)
    table = model.language_model.embed_tokens.weight
    table.grad = torch.ones_like(table)
    mask.apply()
    moved = set(table.grad.sum(1).nonzero().flatten().tolist())
    assert moved == {tokenizer.pad, tokenizer.silent, tokenizer.response, tokenizer.eos, tokenizer.audio}
    with pytest.raises(SoundFlowError, match="add adapter"):
        choose_parts(model, ["audio_tower"])


def test_wrong_settings_are_all_named_at_once(tmp_path):
    path = tmp_path / "stage.yaml"
    path.write_text("name: x\ntrain: [ears]\nsteps: 0\nlearning: 3\n")
    with pytest.raises(RecipeError) as caught:
        load_stage(path)
    message = str(caught.value)
    for words in ("train.0", "'ears'", "steps", "learning: unknown key", "optimizer: this key is required"):
        assert words in message
    with pytest.raises(RecipeError, match="exactly one of"):
        load_stage(STAGES[0], ["model={preset: tiny, init: x}"])
    with pytest.raises(RecipeError, match="key=value"):
        load_stage(STAGES[0], ["steps"])


def test_rate_warms_up_and_falls_on_a_cosine():
    settings = OptimizerSection(lr=1.0, warmup_share=0.1, final_lr_share=0.2)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.2 + 0.8 * 0.5)
    assert 0.2 < rates[99] < 0.21


def test_muon_moves_inner_matrices_by_orthogonal_steps_and_adamw_the_rest(tokenizer):
    model = new_model("tiny", tokenizer, chunk=6400, seed=0)
    choose_parts(model, ["audio_tower", "adapter", "language_model", "lm_head"])
    settings = OptimizerSection(kind="muon", lr=1e-3, matrix_lr=0.02, weight_decay=0.0)
    optimizers = make_optimizers(model, settings)
    set_rates(optimizers, 5e-4, settings)  # half of the peak
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    by_muon = {names[id(p)] for group in optimizers[1].param_groups for p in group["params"]}
    assert {"audio_tower.proj.weight", "language_model.layers.1.mlp.down_proj.weight"} <= by_muon
    assert not any("embed_tokens" in name or "conv" in name or "norm" in name for name in by_muon)
    for name, parameter in model.named_parameters():
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name)))
    for optimizer in optimizers:
        optimizer.step()
    moved = {name: parameter.detach() - before[name] for name, parameter in model.named_parameters()}
    largest = torch.linalg.svdvals(moved["audio_tower.proj.weight"])
    assert 0.01 * 0.6 < largest.min() < largest.max() < 0.01 * 1.3  # all directions by about the rate
    assert moved["language_model.norm.weight"].abs().max() == pytest.approx(5e-4, rel=1e-3)  # AdamW's first step
    with pytest.raises(ValidationError, match="muon needs whole matrices"):
        make_stage(optimizer={"kind": "muon", "lr": 1e-3}, sharding="fsdp")


# -- what people see -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(tmp_path, terminal):
    screen = io.StringIO()
    console = rich.console.Console(file=screen, force_terminal=terminal, width=200)
    checkpoint = {"every": 2, "validate_every": 1, "validation_streams": 2}
    run(make_stage(steps=2, checkpoint=checkpoint), tmp_path, console=console)
    shown = screen.getvalue()
    for words in ("text ", "control ", "tokens/s", "useful 100.0%", "waiting ", "trigger accuracy"):
        assert words in shown
    assert ("━" in shown) == terminal
    assert ("step 2/2  text" in shown) != terminal
    assert "%  trigger " in shown  # what validation found after the first step stands beside the second


# -- resuming --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_run_in_pieces_has_equal_weights(kind, tmp_path):
    stage = make_stage(optimizer={"kind": kind, "lr": 1e-3})
    run(stage, tmp_path / "whole")
    for stop in (1, 3, 4, 6):
        run(stage, tmp_path / "pieces", stop_at=stop)
    assert equal(weights_of(tmp_path / "whole", 6), weights_of(tmp_path / "pieces", 6))
    progress = [read_progress(tmp_path / name / "checkpoints" / "step-00000006") for name in ("whole", "pieces")]
    assert progress[0].reader == progress[1].reader == ReaderState(seed=3, epoch=1, position=4)
    lines = [json.loads(line) for line in (tmp_path / "pieces/log/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "train"] == [1, 2, 3, 4, 5, 6]


def test_loader_workers_and_ranks_do_not_change_which_streams_a_step_takes(tokenizer):
    source = ToneSource(30)
    examples = Examples(source, tokenizer, 6400)
    plan = BatchPlan(streams=6, row_tokens=400, rows=4)
    state = ReaderState(seed=5, epoch=0, position=24)

    def steps(world_size, workers):
        ranks = [
            load_steps(
                examples,
                source.order(state, rank=rank, world_size=world_size, num_epochs=None),
                plan,
                world_size=world_size,
                workers=workers,
            )
            for rank in range(world_size)
        ]
        taken = []
        for _ in range(3):
            batches = [batch for rank in ranks for batch in next(rank)]
            taken.append(sorted(key for batch in batches for row in batch.keys for key in row))
        return taken

    expected = steps(1, 0)
    assert all(len(keys) == 6 for keys in expected)
    assert steps(1, 2) == steps(2, 0) == steps(3, 0) == expected
    with pytest.raises(SoundFlowError, match="cannot be shared by 4 ranks"):
        load_steps(examples, [0], plan, world_size=4)


GO = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_training import make_changing_stage, run
if __name__ == "__main__":
    ended = run(make_changing_stage(steps=int(sys.argv[3]), workers=2), Path(sys.argv[2]))
    print(ended.step, ended.finished)
"""


def start(tmp_path, out, *, steps):
    script = tmp_path / "go.py"
    script.write_text(GO)
    command = [sys.executable, str(script), str(Path(__file__).parent), str(out), str(steps)]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)


def wait_for_checkpoint(process, out, step):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if any(int(path.name[5:]) >= step for path in out.glob("checkpoints/step-????????")):
            return
        time.sleep(0.02)


@pytest.mark.timeout(180)
def test_a_killed_run_goes_on_with_other_workers_and_ends_with_equal_weights(tmp_path):
    run(make_changing_stage(steps=12), tmp_path / "whole")  # more than two epochs
    out = tmp_path / "killed"
    process = start(tmp_path, out, steps=12)
    wait_for_checkpoint(process, out, Dice(time.time_ns()).integer(2, 8))  # somewhere else every time
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = run(make_changing_stage(steps=12), out)
    assert finished.step == 12
    assert equal(weights_of(tmp_path / "whole", 12), weights_of(out, 12))


@pytest.mark.timeout(180)
def test_ctrl_c_ends_the_step_and_leaves_a_checkpoint(tmp_path):
    process = start(tmp_path, tmp_path / "run", steps=100_000)
    wait_for_checkpoint(process, tmp_path / "run", 2)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the loader workers too
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    step, finished = printed.split()
    assert finished == "False"
    latest, messages = Checkpoints(tmp_path / "run/checkpoints", keep=3).latest()
    assert read_progress(latest).step == int(step)
    assert messages == []


def test_a_damaged_checkpoint_is_noticed_and_the_one_before_is_used(tmp_path):
    run(make_stage(), tmp_path / "whole")
    run(make_stage(), tmp_path / "run", stop_at=4)
    newest = tmp_path / "run/checkpoints/step-00000004"
    data = bytearray((newest / "optimizer.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (newest / "optimizer.pt").write_bytes(data)
    found, messages = Checkpoints(tmp_path / "run/checkpoints", keep=3).latest()
    assert found.name == "step-00000002"
    assert "step-00000004 is damaged (optimizer.pt holds other bytes" in messages[0]
    (newest / "optimizer.pt").unlink()
    assert damage(newest) == "optimizer.pt is missing"
    run(make_stage(), tmp_path / "run")
    assert equal(weights_of(tmp_path / "whole", 6), weights_of(tmp_path / "run", 6))


def test_the_last_and_the_best_checkpoints_stay(tmp_path):
    checkpoint = {"every": 1, "keep": 2, "validate_every": 1, "validation_streams": 4}
    run(make_stage(steps=5, checkpoint=checkpoint), tmp_path)
    folders = sorted((tmp_path / "checkpoints").iterdir())
    assert {"step-00000004", "step-00000005"} <= {folder.name for folder in folders}
    assert len(folders) <= 3
    scores = {folder: read_progress(folder).score for folder in folders}
    assert scores[Checkpoints(tmp_path / "checkpoints", keep=2).best()] == max(scores.values())


def test_validation_chooses_the_threshold_and_the_model_keeps_it(tmp_path):
    checkpoint = {"every": 2, "validate_every": 2, "validation_streams": 4, "false_per_hour": 6.0}
    run(make_stage(steps=2, checkpoint=checkpoint), tmp_path)
    logged = json.loads((tmp_path / "log/metrics.jsonl").read_text().splitlines()[-1])
    model, tokenizer = load_model(find_model(tmp_path))
    assert model.threshold == logged["threshold"]
    assert Engine(model, tokenizer).threshold == model.threshold
    assert Engine(model, tokenizer, EngineSettings(threshold=0.5)).threshold == 0.5
    plain = run(make_stage(steps=2), tmp_path / "plain")
    assert plain.finished
    assert load_model(find_model(tmp_path / "plain"))[0].threshold == 0.0


def test_naming_sounds_changes_what_is_learnt_and_is_logged(tmp_path):
    """Tones are no sounds of the ontology, but they have labels; without the weight nothing of it is seen."""
    for name, weight in zip(NAMES, (0.0, 1.0), strict=True):
        run(make_stage(steps=2, loss={"sounds": weight}), tmp_path / name)
    assert not equal(*(weights_of(tmp_path / name, 2) for name in NAMES))
    before, after = (json.loads((tmp_path / name / "log/metrics.jsonl").read_text().splitlines()[0]) for name in NAMES)
    assert "loss_sounds" not in before
    assert after["loss_sounds"] > 0
    assert after["loss"] == pytest.approx(sum(after[f"loss_{part}"] for part in ("text", "control", "sounds")))


def test_a_session_remembers_as_much_as_the_model_was_trained_on(tmp_path, tokenizer):
    run(make_stage(steps=2), tmp_path / "first")
    model, its_tokenizer = load_model(find_model(tmp_path / "first"))
    examples = Examples(ToneSource(20), its_tokenizer, model.chunk)
    lengths = [len(examples[i].sequence.tokens) for i in range(20)]
    assert min(lengths) < model.longest <= max(lengths)
    assert Engine(model, its_tokenizer).context == model.longest
    assert Engine(model, its_tokenizer, EngineSettings(context=99)).context == 99
    model.longest = 1_000_000
    assert Engine(model, its_tokenizer).context == MAX_CONTEXT
    assert Engine(new_model("tiny", tokenizer, chunk=6400, seed=0), tokenizer).context == MAX_CONTEXT
    # A later stage on shorter streams does not shorten the memory.
    later = make_stage(steps=1, model={"init": tmp_path / "first"})
    train(later, tmp_path / "later", source=ToneSource(4, shortest=1), validation=ToneSource(4, split="validation"))
    again, _ = load_model(find_model(tmp_path / "later"))
    assert again.longest == load_model(find_model(tmp_path / "first"))[0].longest


def test_the_threshold_parts_what_should_be_said_from_what_should_not(tokenizer):
    validation = choose_validation(ToneSource(4), tokenizer, chunk=6400, streams=4, row_tokens=400, rows=2)
    decisions = {key: stream.targets.decisions() for key, stream in validation.streams.items()}
    assert any(one.any() for one in decisions.values())
    odds = {key: np.where(one, 3.6, 1.9).astype(np.float32) for key, one in decisions.items()}
    threshold = choose_threshold(validation, odds, false_per_hour=6.0)
    assert 2.5 <= threshold <= 3.0  # the middle of all that part them
    assert summarise(one.outcome for one in judge_odds(validation, odds, threshold)).trigger_accuracy == 1.0
    assert summarise(one.outcome for one in judge_odds(validation, odds, 0.0)).false > 0
    odds = {key: np.where(one, 1.1, 1.9).astype(np.float32) for key, one in decisions.items()}  # silence is likelier
    assert choose_threshold(validation, odds, false_per_hour=6.0) > 1.9  # no answer without more false triggers
    assert choose_threshold(validation, odds, false_per_hour=1e9) < 1.9


def test_a_folder_of_another_stage_is_refused(tmp_path):
    run(make_stage(), tmp_path, stop_at=1)
    with pytest.raises(RunError, match="another stage or other settings"):
        run(make_stage(optimizer={"lr": 5e-4}), tmp_path)


def test_the_next_stage_starts_from_the_best_of_the_last(tmp_path):
    run(make_stage(steps=2), tmp_path / "first")
    second = make_stage(steps=1, model={"init": str(tmp_path / "first")}, train=["adapter"])
    run(second, tmp_path / "second")
    first, after = weights_of(tmp_path / "first", 2), weights_of(tmp_path / "second", 1)
    moved = {name for name in first if not torch.equal(first[name], after[name])}
    assert moved
    assert all(name.startswith(("audio_tower.proj", "audio_tower.ln_post")) for name in moved)


# -- adapters --------------------------------------------------------------------------------------------------------


def test_adapters_train_resume_exactly_and_are_saved_merged(tmp_path):
    settings = {"train": ["language_model"], "lora": {"rank": 2, "alpha": 4.0}, "steps": 4}
    run(make_stage(**settings), tmp_path / "whole")
    run(make_stage(**settings), tmp_path / "pieces", stop_at=2)
    run(make_stage(**settings), tmp_path / "pieces")
    assert equal(weights_of(tmp_path / "whole", 4), weights_of(tmp_path / "pieces", 4))
    merged, tokenizer = load_model(find_model(tmp_path / "whole"))
    before = new_model("tiny", tokenizer, chunk=6400, seed=0).state_dict()
    moved = {name for name, tensor in merged.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all(name.split(".")[-2] in ("q_proj", "k_proj", "v_proj", "o_proj") for name in moved)
    delta = merged.state_dict()["language_model.layers.0.self_attn.q_proj.weight"]
    delta = delta - before["language_model.layers.0.self_attn.q_proj.weight"]
    assert torch.linalg.matrix_rank(delta, rtol=1e-3) <= 2


def test_adapters_need_the_language_model_and_real_targets(tmp_path):
    with pytest.raises(ValidationError, match="add language_model"):
        make_stage(train=["adapter"], lora={})
    with pytest.raises(SoundFlowError, match="no_such_module"):
        run(make_stage(train=["language_model"], lora={"targets": ["no_such_module"]}), tmp_path)


# -- bad input -------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_batch(tmp_path):
    stage = make_stage(optimizer={"lr": 1e-3}, steps=3)
    run(stage, tmp_path, stop_at=1)
    folder = tmp_path / "checkpoints/step-00000001"
    tensors = load_file(folder / "model/model.safetensors")
    tensors["audio_tower.proj.bias"][:] = float("nan")
    save_file(tensors, folder / "model/model.safetensors", metadata={"format": "pt"})
    (folder / "seal.json").unlink()
    _seal(folder)
    with pytest.raises(SoundFlowError, match=r"step 2: the loss is not a number on the streams \['train-"):
        run(stage, tmp_path)
    [saved] = (tmp_path / "failed").iterdir()
    assert torch.load(saved, weights_only=True)["features"].shape[1:] == (40, 128)


def test_streams_of_another_chunk_length_are_refused(tokenizer):
    examples = Examples(ToneSource(2, chunk=3200), tokenizer, 6400)
    with pytest.raises(SoundFlowError, match=r"chunks of 0\.2 s, but the model decides every 0\.4 s"):
        examples[0]


def test_a_folder_is_whole_or_absent(tmp_path):
    def lose_power():
        with whole_folder(tmp_path / "a") as folder:
            (folder / "file").write_text("half")
            raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        lose_power()
    assert list(tmp_path.iterdir()) == []
    with whole_folder(tmp_path / "a") as folder:
        (folder / "file").write_text("whole")
    assert (tmp_path / "a" / "file").read_text() == "whole"


def test_shards_are_read_like_any_other_source(tmp_path, tokenizer):
    """The real reader over real tars, with loader workers."""
    source = ToneSource(6)
    plan = plan_shards({"train": 6}, 3)
    for spec in plan:
        identity = RunIdentity(fingerprint="x", seed=1, software={})
        with ShardWriter(LocalStorage(tmp_path), spec, identity=identity, codec="flac") as writer:
            for index in range(spec.start, spec.stop):
                stream = source[index]
                writer.add(stream.timeline, stream.targets, stream.audio)
            writer.finish()
    reader = StreamReader(tmp_path, split="train")
    order = reader.order(ReaderState(seed=1), num_epochs=1)
    plan = BatchPlan(streams=3, row_tokens=400, rows=2)
    steps = list(load_steps(Examples(reader, tokenizer, 6400), order, plan, workers=1))
    keys = sorted(key for batches in steps for batch in batches for row in batch.keys for key in row)
    assert keys == [f"train-{i:06d}" for i in range(6)]
    again = Examples(reader, tokenizer, 6400)[0]
    number = int(again.key.split("-")[1])
    direct = Examples(source, tokenizer, 6400)[number]
    assert np.array_equal(again.features, direct.features)
    assert np.array_equal(again.sequence.tokens, direct.sequence.tokens)
    shutil.rmtree(tmp_path / "data")
    with pytest.raises((SoundFlowError, OSError)):
        StreamReader(tmp_path, split="train")[0]
