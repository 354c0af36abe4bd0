"""`soundflow bank`: fills banks from sources and looks into them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec
import typer
from typer.core import TyperCommand

from soundflow_data.errors import BankError
from soundflow_pipelines.cli.arguments import BanksFolder, Json, Settings, Workers, num_cpus, open_recipe
from soundflow_pipelines.cli.formats import duration, hours, plural, times
from soundflow_pipelines.cli.terminal import Terminal

if TYPE_CHECKING:
    from soundflow_data.bank import Clip
    from soundflow_data.bank.build import BankSummary, Progress
    from soundflow_data.recipe import LoadedRecipe

bank = typer.Typer(
    name="bank",
    help="Fills banks of clips and utterances, and looks into them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

BankFolder = Annotated[Path, typer.Argument(metavar="BANK", help="Folder of a bank.")]


class _Build(TyperCommand):
    """The command whose help ends with the readers that there are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help."""
        from soundflow_data.bank.readers import load_reader, reader_names  # noqa: PLC0415

        lines = [
            f"- **{name}**: {load_reader(name).help().splitlines()[0]} "
            f"Options: {', '.join(option.name for option in load_reader(name).options())}."
            for name in reader_names()
        ]
        more = "`soundflow bank readers` explains the options; a READER may also be the path of a Python file."
        self.epilog = "\n\n".join(("Readers:", "\n".join(lines), more))
        super().format_help(ctx, formatter)


@bank.command(cls=_Build)
def build(
    reader: Annotated[
        str | None, typer.Argument(metavar="READER", help="What kind of source it is (see `soundflow bank readers`).")
    ] = None,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="Folder that the bank gets.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="KEY=VALUE", help="An option of the reader; repeatable."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the bank. [default: that of the folder]")] = "",
    recipe: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="Build all banks that this recipe describes, instead of one.")
    ] = None,
    banks: BanksFolder = Path("banks"),
    settings: Settings = None,
    workers: Workers = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a bank that was built from something else.")
    ] = False,
    max_drop_share: Annotated[
        float, typer.Option(min=0, max=1, help="Stop when more than this share of the source cannot be used.")
    ] = 0.1,
    speed: Annotated[
        float, typer.Option(min=0.5, max=2, help="How fast recordings are played; speakers then count as others.")
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """Decodes a source once and packs it: 16 kHz samples, an index, and what is known about each clip.

    A bank that is there already, built from the same source, is left alone.

    Example: `soundflow bank build esc50 banks/esc50 -o folder=data/ESC-50 -o beds=rain,wind`

    Example: `soundflow bank build --recipe quickstart --banks banks`
    """
    terminal = Terminal(as_json=as_json)
    if recipe is not None:
        if reader is not None or option or speed != 1.0:
            raise typer.BadParameter("give either --recipe, or a READER with its --option and --speed, not both")
        loaded = open_recipe(recipe, settings)
        summaries = build_with_meter(terminal, loaded, banks, workers=workers or num_cpus(), overwrite=overwrite)
    elif reader is None or out is None:
        raise typer.BadParameter("give READER and OUT, or --recipe RECIPE; `soundflow bank readers` lists the readers")
    else:
        values = dict(key_and_value(text) for text in option or ())
        summaries = [_build_one(terminal, reader, values, out, name, workers, overwrite, max_drop_share, speed)]
    for summary in summaries:
        _print_summary(terminal, summary)
    terminal.result({"banks": [_summary_as_json(summary) for summary in summaries]})


@bank.command()
def readers(
    reader: Annotated[str | None, typer.Argument(metavar="READER", help="Only this one.")] = None,
    as_json: Json = False,
) -> None:
    """Lists the kinds of sources that banks can be built from, with their options.

    Example: `soundflow bank readers esc50`
    """
    from soundflow_data.bank.readers import load_reader, reader_names  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    found = [load_reader(name) for name in ([reader] if reader is not None else reader_names())]
    for i, one in enumerate(found):
        if i:
            terminal.say()
        terminal.head(one.name())
        for line in one.help().splitlines():
            terminal.say(f"  {line}" if line else "")
        terminal.say()
        rows = [
            (option.name, "required" if option.required else f"default {_shown(option.default)}", option.help)
            for option in one.options()
        ]
        terminal.table(("option", "", "what it is"), rows, indent=2)
    terminal.result(
        {
            "readers": [
                {
                    "name": one.name(),
                    "help": one.help(),
                    "options": [
                        {"name": option.name, "help": option.help, "required": option.required,
                         "default": msgspec.to_builtins(option.default, enc_hook=str)}
                        for option in one.options()
                    ],
                }
                for one in found
            ]
        }
    )  # fmt: skip


@bank.command(name="list")
def list_banks(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of banks.")] = Path("banks"),
    as_json: Json = False,
) -> None:
    """Lists the banks in a folder.

    Example: `soundflow bank list banks`
    """
    from soundflow_data.bank.format import INFO, read_info  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    if not folder.is_dir():
        raise BankError(f"{str(folder)!r} is not a folder; give one that holds banks")
    infos = {path.parent: read_info(path.parent) for path in sorted(folder.glob(f"*/{INFO}"))}
    rows = [
        (
            str(path),
            f"{info.num_clips:,}",
            hours(info.hours),
            ", ".join(f"{kind} {hours(value)} h" for kind, value in info.hours_by_kind.items()),
            f"{sum(info.drops.values()):,}",
            info.fingerprint[:12],
        )
        for path, info in infos.items()
    ]
    if rows:
        terminal.table(("bank", "#clips", "#hours", "kinds", "#dropped", "fingerprint"), rows)
    else:
        terminal.say(f"no bank in {folder}; build one with `soundflow bank build`")
    terminal.result({"banks": [{"path": str(path), **msgspec.to_builtins(info)} for path, info in infos.items()]})


@bank.command()
def show(
    folder: BankFolder,
    clip: Annotated[str | None, typer.Argument(metavar="ID", help="Show this clip instead of the whole bank.")] = None,
    wav: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the clip's audio.")] = None,
    as_json: Json = False,
) -> None:
    """Shows what a bank holds, or one of its clips.

    Example: `soundflow bank show banks/sounds dog_bark-0 --wav bark.wav`
    """
    from soundflow_data.bank import Bank  # noqa: PLC0415
    from soundflow_pipelines.cli.bank_view import print_bank, print_clip  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    opened = Bank.open(folder)
    if clip is None:
        if wav is not None:
            raise typer.BadParameter("--wav needs the ID of a clip")
        terminal.result(print_bank(terminal, opened))
        return
    row = opened.find(clip)
    terminal.result(print_clip(terminal, opened, row))
    if wav is not None:
        from soundflow_pipelines.cli.show import write_wav  # noqa: PLC0415

        write_wav(wav, opened.pcm(row))
        terminal.note(f"wrote {wav}")


@bank.command()
def search(
    folder: BankFolder,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="Words that label, caption, text, speaker or id must have.")
    ] = "",
    where: Annotated[str, typer.Option(metavar="SQL", help="A condition on the columns of the index.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many clips.")] = 20,
    as_json: Json = False,
) -> None:
    """Finds clips by words, or by a condition in SQL.

    Example: `soundflow bank search banks/sounds dog --where "num_samples < 16000 AND licence = 'CC0-1.0'"`
    """
    from soundflow_data.bank import Bank  # noqa: PLC0415
    from soundflow_data.bank.search import search as find  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    if not text and not where:
        raise typer.BadParameter("give words to look for, or --where")
    clips: Sequence[Clip] = find(Bank.open(folder), text=text, where=where, limit=limit)
    rows = [
        (
            clip.id,
            clip.kind,
            f"{clip.seconds:.2f}",
            f"{clip.level_db:.1f}",
            clip.label,
            clip.text or clip.caption,
            clip.licence,
        )
        for clip in clips
    ]
    terminal.table(("id", "kind", "#seconds", "#level dB", "label", "text", "licence"), rows)
    if not clips:
        terminal.note("nothing found")
    # A clip is stored as an array for speed; people want names.
    fields = [field for field in clips[0].__struct_fields__ if field != "words"] if clips else []
    terminal.result({"clips": [{name: getattr(clip, name) for name in fields} for clip in clips]})


def build_with_meter(
    terminal: Terminal, loaded: LoadedRecipe, folder: Path, *, workers: int, overwrite: bool = False
) -> list[BankSummary]:
    """Builds the banks of a recipe that are not there yet, and shows how far they are."""
    from soundflow_pipelines.banks import build_banks  # noqa: PLC0415

    with _BankMeters(terminal) as meters:
        return build_banks(loaded, folder, workers=workers, overwrite=overwrite, progress=meters.update)


class _BankMeters:
    """One meter after the other, for banks that are built one after the other."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._name = ""
        self._meter: Any = None

    def update(self, name: str, progress: Progress) -> None:
        """Shows how far the bank of a name is."""
        from soundflow_pipelines.cli.meter import Meter  # noqa: PLC0415

        if name != self._name:
            self._close(None)
            self._name = name
            self._meter = Meter(self._terminal, f"bank {name}", progress.total, "recordings").__enter__()
        self._meter.update(progress.done, f"{hours(progress.seconds / 3600)} h · {plural(progress.dropped, 'drop')}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._close(kind)

    def _close(self, kind: type[BaseException] | None) -> None:
        if self._meter is not None:
            self._meter.__exit__(kind, None, None)
            self._meter = None


def _build_one(
    terminal: Terminal,
    reader: str,
    values: dict[str, str],
    out: Path,
    name: str,
    workers: int | None,
    overwrite: bool,
    max_drop_share: float,
    speed: float,
) -> BankSummary:
    from soundflow_data.bank.build import build_bank  # noqa: PLC0415
    from soundflow_data.bank.prepare import Preparation  # noqa: PLC0415
    from soundflow_data.bank.readers import load_reader  # noqa: PLC0415

    source = load_reader(reader).configure(values)
    with _BankMeters(terminal) as meters:
        return build_bank(
            source,
            out,
            name=name,
            preparation=Preparation(speed=speed),
            workers=workers or num_cpus(),
            overwrite=overwrite,
            max_drop_share=max_drop_share,
            progress=lambda progress: meters.update(name or out.name, progress),
        )


def key_and_value(text: str) -> tuple[str, str]:
    """Takes an option of the form KEY=VALUE apart."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise typer.BadParameter(f"{text!r} is not of the form KEY=VALUE, such as folder=data/ESC-50")
    return key, value


def _shown(default: Any) -> str:
    return "none" if default in (None, (), "") else str(default)


def _print_summary(terminal: Terminal, summary: BankSummary) -> None:
    info = summary.info
    dropped = sum(info.drops.values())
    what = f"{plural(info.num_clips, 'clip')}, {hours(info.hours)} h, {plural(dropped, 'drop')}"
    if summary.built:
        took = f"built in {duration(summary.elapsed_s)}, {times(summary.speed)} real time"
        terminal.say(f"{summary.path}: {what} ({took})")
    else:
        terminal.say(f"{summary.path}: {what} (was there already)")
    for reason, number in info.drops.items():
        terminal.warn(f"{summary.path}: {number} dropped: {reason}; see {summary.path}/quarantine.jsonl")


def _summary_as_json(summary: BankSummary) -> dict[str, Any]:
    info: dict[str, Any] = msgspec.to_builtins(summary.info)
    return {"path": str(summary.path), "built": summary.built, "elapsed_s": summary.elapsed_s, **info}
