"""The commands train, eval, listen, bench-live and eval-proactive.

Torch and transformers are imported inside the commands, so that `soundflow --help` stays quick.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import rich.console
import rich.table
import typer

from soundflow_data.errors import SoundFlowError

if TYPE_CHECKING:
    from soundflow_trainer.evaluation.proactive import Reply, Score
    from soundflow_trainer.evaluation.semantic import Scorer
    from soundflow_trainer.live.bench import LiveMeasures
    from soundflow_trainer.live.engine import Engine, EngineSettings, LiveEvent

_PANEL: Final = "Train, measure, listen"
_TABLE_WIDTH: Final = 190  # a log keeps wide tables whole

app = typer.Typer(
    help="Train a model on shards, measure when it speaks, and run it live.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Checkpoint = Annotated[Path, typer.Argument(help="A run folder of `train` (its best checkpoint), or a model folder.")]
Threshold = Annotated[
    float | None,
    typer.Option(help="Log-odds of <response> over <silent> from which the model speaks; by default the model's own."),
]
Context = Annotated[
    int | None,
    typer.Option(min=16, help="Positions that a session remembers; by default as many as the model was trained on."),
]
Device = Annotated[str, typer.Option(help="Where to compute, such as cpu or cuda.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command(rich_help_panel=_PANEL)
def train(
    stage: Annotated[str, typer.Argument(help="A stage's YAML file, or the name of a built-in one, such as demo.")],
    out: Annotated[
        Path | None, typer.Option(help="Run folder; by default that of the stage, or runs/<its name>.")
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value, such as data.root=out.")] = None,
    ray: Annotated[int, typer.Option(help="Trains in so many workers of a Ray cluster.")] = 0,
    ray_address: Annotated[
        str | None, typer.Option(help="Of a running cluster, such as auto; else Ray starts on this machine.")
    ] = None,
) -> None:
    """Trains a stage, from shards to checkpoints; the same command again goes on where it was."""
    # Read when torch is loaded. A thread that spins while it waits for another takes the core that the other needs: on
    # a busy machine two spinning threads are several times slower than one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from soundflow_trainer.loop import train as train_stage  # noqa: PLC0415
    from soundflow_trainer.stage import find_stage, load_stage  # noqa: PLC0415

    loaded = load_stage(find_stage(stage), settings or [])
    folder = out or loaded.out or Path("runs") / loaded.name
    if ray:
        from soundflow_trainer.ray_train import train_on_ray  # noqa: PLC0415

        trained = train_on_ray(loaded, folder, workers=ray, address=ray_address)
    else:
        trained = train_stage(loaded, folder, console=_console())
    if not trained.finished:
        typer.echo(
            f"stopped after step {trained.step} of {loaded.steps}; the same command goes on from there", err=True
        )
        raise typer.Exit(130)
    typer.echo(f"done: {trained.step} steps, checkpoints in {folder / 'checkpoints'}")


@app.command("eval", rich_help_panel=_PANEL)
def evaluate(
    checkpoint: Checkpoint,
    shards: Annotated[Path, typer.Argument(help="Run directory of `soundflow run`.")],
    split: Annotated[
        str | None, typer.Option(help="Which split; by default test, or validation where there is no test split.")
    ] = None,
    where: Annotated[str | None, typer.Option(help="Any SQL condition on the streams table.")] = None,
    streams: Annotated[int | None, typer.Option(help="At most so many streams, evenly; all by default.")] = None,
    window: Annotated[int, typer.Option(help="Chunks after the due one that count as a hit.")] = 2,
    sessions: Annotated[int, typer.Option(help="Streams decoded side by side.")] = 8,
    threshold: Threshold = None,
    context: Context = None,
    segments: Annotated[int, typer.Option(help="Also measure 1 to so many joined segments; 1 leaves it out.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for measures.json, predictions.jsonl, picture.png.")] = None,
    device: Device = "cpu",
) -> None:
    """Decodes held-out streams live and prints the measures, beside the baselines; see docs/measures.md."""
    from soundflow_data.shards.reader import StreamReader  # noqa: PLC0415
    from soundflow_trainer.evaluation import run  # noqa: PLC0415
    from soundflow_trainer.evaluation.stability import stability  # noqa: PLC0415
    from soundflow_trainer.live.engine import EngineSettings  # noqa: PLC0415
    from soundflow_trainer.pictures import draw  # noqa: PLC0415

    engine = _engine(checkpoint, device, EngineSettings(sessions=sessions, context=context, threshold=threshold))
    split = split or run.held_out(shards)
    chosen = run.choose_streams(StreamReader(shards, split=split, where=where), streams)
    evaluation = run.evaluate(engine, chosen, window=window)
    folder = out or checkpoint / "eval"
    run.save(evaluation, folder)
    picture = min(4, len(chosen))
    draw(chosen[:picture], evaluation.judged[:picture], folder / "picture.png")
    console = _console()
    console.print(run.show(evaluation))
    if segments > 1:
        console.print(run.show_stability(stability(engine, chosen, most=segments)))
    typer.echo(f"saved in {folder}: measures.json, predictions.jsonl, picture.png")


@app.command(rich_help_panel=_PANEL)
def listen(
    checkpoint: Checkpoint,
    source: Annotated[str, typer.Argument(help="An audio file, or - for raw 16 kHz mono int16 on standard input.")],
    instruction: Annotated[str, typer.Option(help="Written instruction.")] = "",
    threshold: Threshold = None,
    context: Context = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Runs a model on a file or a pipe and prints what it says as it comes, with times."""
    from soundflow_trainer.listening import read_pieces  # noqa: PLC0415
    from soundflow_trainer.live.engine import EngineSettings, Session  # noqa: PLC0415

    engine = _engine(checkpoint, device, EngineSettings(context=context, threshold=threshold))
    with Session(engine, instruction) as session:
        for piece in read_pieces(source, engine.model.chunk):
            for event in session.push(piece):
                _tell(event, as_json)


@app.command("bench-live", rich_help_panel=_PANEL)
def bench_live(
    checkpoint: Checkpoint,
    shards: Annotated[Path, typer.Argument(help="Run directory whose streams are played.")],
    split: Annotated[str, typer.Option(help="Which split.")] = "validation",
    sessions: Annotated[list[int] | None, typer.Option(help="Sessions side by side; may be given again.")] = None,
    largest: Annotated[int, typer.Option(help="Look for the largest number without a stall, up to this; 0: no.")] = 0,
    response_tokens: Annotated[int, typer.Option(help="Makes every response so long; 0 keeps the targets'.")] = 0,
    context: Context = None,
    seconds: Annotated[float, typer.Option(help="Plays no more of each stream; 0 plays all.")] = 0,
    threads: Annotated[int, typer.Option(help="Threads of each of the two loops; 0: half of the cores for each.")] = 0,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Plays streams in real time and measures latency and stalls, with the queue and coupled."""
    import torch  # noqa: PLC0415

    from soundflow_data.shards.reader import StreamReader  # noqa: PLC0415
    from soundflow_data.timeline import SAMPLE_RATE  # noqa: PLC0415
    from soundflow_trainer.checkpoints import find_model  # noqa: PLC0415
    from soundflow_trainer.live import bench  # noqa: PLC0415
    from soundflow_trainer.live.engine import EngineSettings  # noqa: PLC0415
    from soundflow_trainer.loading import StreamLike  # noqa: PLC0415
    from soundflow_trainer.weights import load_model  # noqa: PLC0415

    torch.set_num_threads(threads or max(1, len(os.sched_getaffinity(0)) // 2))
    model, tokenizer = load_model(find_model(checkpoint))
    model.to(device)
    reader = StreamReader(shards, split=split)
    most_chunks = round(seconds * SAMPLE_RATE / model.chunk) or None

    def script(stream: StreamLike) -> dict[int, list[int]]:
        said = bench.target_script(stream, tokenizer)
        return {k: (tokens * response_tokens)[:response_tokens] or tokens for k, tokens in said.items()}

    def measure(count: int, *, coupled: bool = False) -> LiveMeasures:
        streams = [reader[i % len(reader)] for i in range(count)]
        limits = EngineSettings(context=context, max_text=max(256, response_tokens + 1))
        return bench.play(
            model, tokenizer, streams, coupled=coupled, settings=limits, script=script, most_chunks=most_chunks
        )

    measured = [measure(count, coupled=coupled) for count in sessions or [1, 4] for coupled in (False, True)]
    if largest:
        found, tried = bench.largest_load(measure, most=largest)
        measured += tried
    if as_json:
        typer.echo(json.dumps([bench.plain(one) for one in measured]))
    else:
        _console().print(bench.show(measured))
        if largest:
            typer.echo(f"largest number of sessions in real time on this machine: {found}")


@app.command("bench-train", rich_help_panel=_PANEL)
def bench_train(
    checkpoint: Checkpoint,
    shards: Annotated[Path, typer.Argument(help="Run directory whose streams are used.")],
    split: Annotated[str, typer.Option(help="Which split.")] = "train",
    streams: Annotated[int, typer.Option(help="Number of streams.")] = 64,
    row_tokens: Annotated[int, typer.Option(help="Longest stream.")] = 2048,
    rows: Annotated[int, typer.Option(help="So many times row-tokens make a forward pass.")] = 4,
    step_streams: Annotated[int, typer.Option(help="Streams of a step, when waiting for the loader is measured.")] = 8,
    loader_workers: Annotated[int, typer.Option(help="Loader processes.")] = 2,
    device: Device = "cpu",
) -> None:
    """Compares training on packed rows with training on padded ones, and measures how long it waits for the loader."""
    from soundflow_data.shards.reader import StreamReader  # noqa: PLC0415
    from soundflow_trainer import throughput  # noqa: PLC0415
    from soundflow_trainer.checkpoints import find_model  # noqa: PLC0415
    from soundflow_trainer.loading import BatchPlan, Examples  # noqa: PLC0415
    from soundflow_trainer.weights import load_model  # noqa: PLC0415

    model, tokenizer = load_model(find_model(checkpoint))
    if streams < 2 * step_streams:
        raise SoundFlowError(f"{streams} streams are not two steps of {step_streams}; raise --streams")
    source = Examples(StreamReader(shards, split=split), tokenizer, model.chunk)
    examples = [source[i % len(source)] for i in range(streams)]
    measured = throughput.compare(model.to(device), tokenizer, examples, row_tokens=row_tokens, rows=rows)
    _console().print(throughput.show(measured))
    plan = BatchPlan(streams=step_streams, row_tokens=row_tokens, rows=rows)
    waited = throughput.waiting_share(model, tokenizer, source, plan, streams=streams, workers=loader_workers)
    typer.echo(
        f"waiting for the loader: {waited:.1%} of the time, {loader_workers} workers, {step_streams} streams a step"
    )


@app.command("eval-proactive", rich_help_panel=_PANEL)
def eval_proactive(
    manifest: Annotated[Path, typer.Argument(help="JSONL with id, path, description, decision.")],
    audio_root: Annotated[Path, typer.Argument(help="Folder to which the paths refer.")],
    checkpoint: Annotated[Path | None, typer.Option(help="Model to run.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="Predictions made elsewhere, instead of a run.")] = None,
    tier: Annotated[str, typer.Option(help="Single, Multiple-3 or Multiple-5.")] = "Single",
    answers: Annotated[Path | None, typer.Option(help="JSONL with id and standard_answers.")] = None,
    embedding_model: Annotated[Path | None, typer.Option(help="Local sentence-embedding model for answers.")] = None,
    reranker: Annotated[Path | None, typer.Option(help="Local reranker (cross-encoder) for answers instead.")] = None,
    match: Annotated[
        float | None, typer.Option(help="Least score that matches; 0.7 (cosine) or 0.5 (reranker) by default.")
    ] = None,
    threshold: Threshold = None,
    out: Annotated[Path, typer.Option(help="Where the run's predictions are written.")] = Path("proactive.jsonl"),
    device: Device = "cpu",
) -> None:
    """Scores Proactive-Sound-Bench: decisions overall, per domain and per folder, from a run or a predictions file."""
    from soundflow_trainer.evaluation import proactive  # noqa: PLC0415
    from soundflow_trainer.evaluation.proactive_run import run_clips  # noqa: PLC0415
    from soundflow_trainer.live.engine import EngineSettings  # noqa: PLC0415

    if (checkpoint is None) == (predictions is None):
        raise SoundFlowError("give either --checkpoint (a model to run) or --predictions (a file made elsewhere)")
    if tier not in proactive.TIERS:
        raise SoundFlowError(f"tier {tier!r} does not exist; choose one of {', '.join(proactive.TIERS)}")
    if (answers is not None) != ((embedding_model is None) != (reranker is None)):
        raise SoundFlowError("--answers and one of --embedding-model and --reranker belong together; give both or none")
    scorer = _scorer(embedding_model, reranker)
    clips = proactive.read_manifest(manifest)
    if predictions is not None:
        replies = proactive.read_replies(predictions)
    else:
        assert checkpoint is not None
        engine = _engine(checkpoint, device, EngineSettings(sessions=8, threshold=threshold))
        replies = list(run_clips(engine, clips, audio_root, group=proactive.TIERS[tier]))
        proactive.write_replies(out, replies)
    _show_score(proactive.score_replies(clips, replies), tier)
    if answers is not None and scorer is not None:
        from soundflow_trainer.evaluation.semantic import semantic_accuracy  # noqa: PLC0415

        least = scorer.default_threshold if match is None else match
        _show_match(replies, semantic_accuracy(replies, proactive.read_answers(answers), scorer, threshold=least))


def _scorer(embedding_model: Path | None, reranker: Path | None) -> Scorer | None:
    from soundflow_trainer.evaluation.semantic import Embedder, Reranker  # noqa: PLC0415

    if reranker is not None:
        return Reranker(reranker)
    return None if embedding_model is None else Embedder(embedding_model)


def _engine(checkpoint: Path, device: str, settings: EngineSettings) -> Engine:
    from soundflow_trainer.checkpoints import find_model  # noqa: PLC0415
    from soundflow_trainer.live.engine import Engine  # noqa: PLC0415
    from soundflow_trainer.weights import load_model  # noqa: PLC0415

    model, tokenizer = load_model(find_model(checkpoint))
    return Engine(model.to(device), tokenizer, settings)


def _tell(event: LiveEvent, as_json: bool) -> None:
    from dataclasses import asdict  # noqa: PLC0415

    from soundflow_trainer.live.engine import Decided, Wrote  # noqa: PLC0415

    if as_json:
        typer.echo(json.dumps({"event": type(event).__name__.lower(), **asdict(event)}, ensure_ascii=False))
    elif isinstance(event, Decided):
        if event.speaks:
            typer.echo(f"{event.time_s:8.1f} s  ", nl=False)
    elif isinstance(event, Wrote):
        typer.echo(event.text, nl=False)
    else:
        typer.echo(" ..." if event.truncated else "")


def _show_score(score: Score, tier: str) -> None:
    shown = rich.table.Table(title=f"Proactive-Sound-Bench, {tier}")
    for column in ("", "right", "valid", "accuracy"):
        shown.add_column(column, justify="left" if not column else "right")
    for one in (score.overall, *score.domains, *score.folders):
        shown.add_row(one.group, str(one.right), str(one.valid), f"{one.accuracy:.1%}" if one.valid else "")
    _console().print(shown)
    typer.echo(f"missing {score.missing}, invalid {score.invalid}, unknown ids {score.unknown}")


def _show_match(replies: list[Reply], match: tuple[int, int]) -> None:
    matched, compared = match
    typer.echo(f"replies that match a standard answer: {matched} of {compared} (of {len(replies)} predictions)")


def _console() -> rich.console.Console:
    console = rich.console.Console()
    return console if console.is_terminal else rich.console.Console(width=_TABLE_WIDTH)
