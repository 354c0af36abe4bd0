"""`soundflow speak`: fills a bank with the utterances that a recipe needs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer
from typer.core import TyperCommand

from soundflow_pipelines.cli.arguments import BanksFolder, Json, RecipeName, Settings, num_cpus, open_recipe
from soundflow_pipelines.cli.errors import FAILED
from soundflow_pipelines.cli.formats import duration, hours, percent, plural, times
from soundflow_pipelines.cli.interrupts import interruptible
from soundflow_pipelines.cli.terminal import Terminal
from soundflow_pipelines.cli.workers import Kind

if TYPE_CHECKING:
    from soundflow_pipelines.executor import Executor, LocalProcesses, Outcome
    from soundflow_pipelines.needs import Block, Needs
    from soundflow_pipelines.ray_executor import RayActors
    from soundflow_pipelines.speak import NamedTools, PieceReceipt, PieceTask, Speaking

NONE: Final = "none"
MANY_STREAMS: Final = 2_000  # from so many on, they are planned by several processes
_OPTION = "KEY=VALUE"


class SpeakCommand(TyperCommand):
    """The command whose help ends with the engines that there are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help."""
        from soundflow_data.speech.engines import ENGINES, engine_options  # noqa: PLC0415

        lines = ["Engines, with what `--option` can set:"]
        for name in ENGINES:
            options = engine_options(name)
            lines.append(f"**{name}**" + ("" if options else ": no options"))
            lines += ["\n".join(f"- {one.name}: {one.help}" for one in options)] if options else []
        lines.append("docs/speech.md tells about voices, aligners and recognisers, with their models.")
        self.epilog = "\n\n".join(lines)
        super().format_help(ctx, formatter)


def speak(
    recipe: RecipeName,
    engine: Annotated[str, typer.Option(metavar="NAME", help="Who speaks: espeak, coqui, http or folder.")] = "espeak",
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", metavar=_OPTION, help="An option of the engine; repeatable.")
    ] = None,
    voices: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A manifest of voices. [default: voices.manifest, else the built-in ones]"),
    ] = None,
    aligner: Annotated[
        str,
        typer.Option(metavar="NAME", help="Who finds word times that an engine does not tell: whisperx, ctc, none."),
    ] = NONE,
    aligner_option: Annotated[
        list[str] | None,
        typer.Option(metavar=_OPTION, help="An option of the aligner, such as en=models/wav2vec2; repeatable."),
    ] = None,
    recogniser: Annotated[
        str, typer.Option(metavar="NAME", help="Who checks what can be understood: whisper, ctc, none.")
    ] = NONE,
    recogniser_option: Annotated[
        list[str] | None,
        typer.Option(metavar=_OPTION, help="An option of the recogniser, such as model=models/whisper; repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="BANK", help="Bank to fill or to add to. [default: voices.bank, else banks/speech]"),
    ] = None,
    executor: Annotated[
        Kind, typer.Option(help="Who does the work; `auto` takes Ray when --address or --gpus is given.")
    ] = Kind.AUTO,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Workers with models of their own. [default: all CPUs for espeak and on Ray, otherwise 1]"
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster: auto, HOST:6379 or ray://HOST:10001.")
    ] = None,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of each Ray worker, such as 1 or 0.5.")] = 0.0,
    batch: Annotated[int, typer.Option(min=1, help="Utterances that a model gets at once.")] = 16,
    again: Annotated[bool, typer.Option("--again", help="Try again what has failed before.")] = False,
    banks: BanksFolder = Path("banks"),
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Speaks every text that the streams of a recipe need into a bank: with word times, and checked by recognition.

    An utterance is never made twice: the same command again goes on, and other recipes add to the same bank. Afterwards
    `soundflow run RECIPE OUT --set voices.bank=BANK` needs neither the engine nor any model.

    Example: `soundflow speak quickstart --out banks/speech`
    """
    terminal = Terminal(as_json=as_json)
    from soundflow_pipelines.speak import NamedTools  # noqa: PLC0415 - takes half a second

    toolbox = NamedTools(
        engine=engine,
        engine_options=_options("--option", option),
        aligner="" if aligner == NONE else aligner,
        aligner_options=_options("--aligner-option", aligner_option),
        recogniser="" if recogniser == NONE else recogniser,
        recogniser_options=_options("--recogniser-option", recogniser_option),
    )
    with interruptible(terminal, "run the same command again; what is spoken stays"):
        job = _prepare(terminal, recipe, toolbox, voices, out, banks, settings, batch=batch, again=again)
        there = job.info.num_clips if job.info is not None else 0
        alone = workers or (num_cpus() if engine == "espeak" else 1)
        with job.claim(), _open_workers(executor, workers, alone, address, gpus) as crew:
            elapsed_s = _fill(terminal, job, crew)
    command = " ".join(["soundflow run", recipe, "OUT", *(f"--set {one}" for one in settings or ())])
    _report(terminal, job, there, elapsed_s, crew.name, f"{command} --set voices.bank={job.out}")


def _prepare(
    terminal: Terminal,
    recipe: str,
    toolbox: NamedTools,
    voices: Path | None,
    out: Path | None,
    banks: Path,
    settings: list[str] | None,
    *,
    batch: int,
    again: bool,
) -> Speaking:
    """Checks all that can be checked before any work, and builds the recipe's banks that are not there yet."""
    import msgspec  # noqa: PLC0415

    from soundflow_pipelines.banks import open_banks, spoken_path  # noqa: PLC0415
    from soundflow_pipelines.cli.bank import build_with_meter  # noqa: PLC0415
    from soundflow_pipelines.speak import open_speaking, without_bank  # noqa: PLC0415

    loaded = open_recipe(recipe, settings)
    place = out or spoken_path(loaded) or banks / "speech"
    loaded = without_bank(loaded, voices)
    if toolbox.recogniser and not loaded.recipe.voices.check.recognise:
        terminal.note("voices.check.recognise is false: nothing is recognised")
        toolbox = msgspec.structs.replace(toolbox, recogniser="")
    build_with_meter(terminal, loaded, banks, workers=num_cpus())
    return open_speaking(loaded, open_banks(loaded, banks), place, toolbox, batch=batch, again=again)


@contextmanager
def _open_workers(kind: Kind, workers: int | None, alone: int, address: str | None, gpus: float) -> Iterator[Executor]:
    """Starts workers that keep their models, `alone` of them where this machine works by itself, and ends them."""
    from soundflow_data.errors import RunError  # noqa: PLC0415
    from soundflow_pipelines.executor import InProcess, LocalProcesses  # noqa: PLC0415

    if kind is Kind.LOCAL and (address is not None or gpus):
        raise RunError("--address and --gpus are for Ray, but --executor is local; leave them out, or take ray")
    closing: LocalProcesses | RayActors
    if kind is Kind.RAY or address is not None or gpus:
        from soundflow_pipelines.ray_executor import RayActors  # noqa: PLC0415

        closing = RayActors(workers, address, gpus=gpus)
    elif alone == 1:
        yield InProcess()
        return
    else:
        # Models would start as many threads in each process as the machine has CPUs.
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, num_cpus() // alone)))
        closing = LocalProcesses(alone, keep=True)
    try:
        yield closing
    finally:
        closing.close()


def _fill(terminal: Terminal, job: Speaking, crew: Executor) -> float:
    """Plans and speaks in turns until nothing is missing; returns the seconds that speaking took."""
    if job.recall():
        terminal.note(f"{job.out} has every utterance of {job.corpus.recipe.name} already")
        return 0.0
    elapsed_s = 0.0
    while job.num_unsettled:
        _plan(terminal, job)
        if not job.missing:
            break
        elapsed_s += _speak_missing(terminal, job, crew)
        if job.num_lost:
            raise typer.Exit(FAILED)
    job.finish()
    return elapsed_s


def _plan(terminal: Terminal, job: Speaking) -> None:
    from soundflow_pipelines.cli.meter import Meter  # noqa: PLC0415
    from soundflow_pipelines.executor import InProcess, LocalProcesses  # noqa: PLC0415

    total = job.num_unsettled
    planner: Executor = InProcess() if total < MANY_STREAMS or num_cpus() == 1 else LocalProcesses(num_cpus())
    planned = 0
    outcomes = cast("Generator[Outcome[Block, Needs], None, None]", job.plan(planner))
    with Meter(terminal, f"round {job.rounds + 1}, planning", total, "streams") as meter, contextlib.closing(outcomes):
        for outcome in outcomes:
            planned += len(outcome.task.indices)
            meter.update(planned, f"{plural(len(job.missing), 'utterance')} missing")
    terminal.note(
        f"round {job.rounds}: {plural(total, 'stream')} planned, {job.num_unsettled:,} of them need "
        f"{plural(len(job.missing), 'utterance')} more"
    )


def _speak_missing(terminal: Terminal, job: Speaking, crew: Executor) -> float:
    from soundflow_data.timeline import SAMPLE_RATE  # noqa: PLC0415
    from soundflow_pipelines.cli.meter import Meter  # noqa: PLC0415

    before = (job.spoken, job.failed.total(), job.num_samples)
    outcomes = cast("Generator[Outcome[PieceTask, PieceReceipt], None, None]", job.speak(crew))
    with (
        Meter(terminal, f"round {job.rounds}, speaking", len(job.missing), "utterances") as meter,
        contextlib.closing(outcomes),
    ):
        for outcome in outcomes:
            if outcome.failure is not None:
                terminal.fail(str(outcome.failure))
            done = job.spoken - before[0] + job.failed.total() - before[1]
            seconds = (job.num_samples - before[2]) / SAMPLE_RATE
            meter.update(
                done,
                f"{done / meter.elapsed_s:.1f} utterances/s · {hours(seconds / 3600)} h · "
                f"{times(seconds / meter.elapsed_s)} real time · {job.failed.total():,} failed",
            )
        elapsed_s = meter.elapsed_s
    job.assemble()
    return elapsed_s


def _report(terminal: Terminal, job: Speaking, there: int, elapsed_s: float, crew: str, command: str) -> None:
    """Tells what the bank holds now, what was made, and what streams will be dropped."""
    from soundflow_data.timeline import SAMPLE_RATE  # noqa: PLC0415

    info = job.info
    seconds = job.num_samples / SAMPLE_RATE
    terminal.say(
        f"spoken {plural(job.spoken, 'utterance')}, {job.retried:,} of them at a later attempt; {job.failed.total():,} "
        f"failed; {there:,} were there"
    )
    if job.spoken and elapsed_s:
        stages = job.seconds.items()
        shares = ", ".join(f"{stage} {percent(value / sum(job.seconds.values()))}" for stage, value in stages if value)
        terminal.say(
            f"made {hours(seconds / 3600)} h in {duration(elapsed_s)}, {times(seconds / elapsed_s)} real time, "
            f"{job.spoken / elapsed_s:.1f} utterances/s ({crew}; {shares})"
        )
    for columns, counts in (
        (("failed because", "#utterances"), job.failed),
        (("streams dropped because", "#streams"), job.drops),
    ):
        if counts:
            terminal.say()
            terminal.table(columns, [(reason, f"{number:,}") for reason, number in counts.most_common()])
    if info is not None:
        terminal.say()
        rows = [(licence, hours(value)) for licence, value in info.hours_by_licence.items()]
        terminal.table(("licence", "#hours in the bank"), rows)
        terminal.say()
        terminal.say(f"bank     {job.out}: {plural(info.num_clips, 'utterance')}, {hours(info.hours)} h")
        terminal.say(f"next     {command}")
    else:
        terminal.say("the streams of this recipe need no speech, so there is no bank")
    too_many = _too_many_drops(job)
    if too_many:
        terminal.fail(too_many)
    terminal.result(_as_json(job, there, elapsed_s, crew, too_many))
    if too_many:
        raise typer.Exit(FAILED)


def _too_many_drops(job: Speaking) -> str:
    streams, limit = job.corpus.recipe.num_streams, job.corpus.recipe.limits.max_drop_share
    dropped = job.drops.total()
    if dropped <= limit * streams:
        return ""
    return (
        f"{dropped:,} of {plural(streams, 'stream')} cannot be made, more than limits.max_drop_share {limit:g} allows; "
        "mend the voices or the models and speak with --again, or raise the limit"
    )


def _as_json(job: Speaking, there: int, elapsed_s: float, crew: str, error: str) -> dict[str, Any]:
    info = job.info
    return {
        "recipe": job.corpus.recipe.name,
        "bank": str(job.out),
        "rounds": job.rounds,
        "utterances": {
            "there": there,
            "spoken": job.spoken,
            "retried": job.retried,
            "failed": dict(job.failed),
            "in_bank": info.num_clips if info is not None else 0,
        },
        "hours": info.hours if info is not None else 0.0,
        "hours_by_licence": info.hours_by_licence if info is not None else {},
        "drops": dict(job.drops),
        "made": {"samples": job.num_samples, "seconds": elapsed_s, "stages": job.seconds, "workers": crew},
        **({"error": {"kind": "TooManyDrops", "message": error}} if error else {}),
    }


def _options(flag: str, texts: Sequence[str] | None) -> dict[str, str]:
    values = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{flag} {text!r} is not of the form {_OPTION}")
        values[key] = value
    return values
