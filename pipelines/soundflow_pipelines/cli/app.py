"""All commands, in the order in which the help shows them."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from soundflow_data.version import VERSION
from soundflow_pipelines.cli.bank import bank
from soundflow_pipelines.cli.bank_align import align
from soundflow_pipelines.cli.chat import chat
from soundflow_pipelines.cli.check import check
from soundflow_pipelines.cli.errors import Commands
from soundflow_pipelines.cli.plan import plan
from soundflow_pipelines.cli.query import query
from soundflow_pipelines.cli.recipes import recipes
from soundflow_pipelines.cli.rerender import rerender
from soundflow_pipelines.cli.run import run
from soundflow_pipelines.cli.show import show
from soundflow_pipelines.cli.speak import SpeakCommand, speak
from soundflow_pipelines.cli.stats import stats
from soundflow_pipelines.cli.status import status
from soundflow_pipelines.cli.try_subtask import try_subtask
from soundflow_pipelines.cli.validate import validate

_HELP = """SoundFlow makes training streams for always-on audio models: audio, timeline, one target per 0.4 s chunk.

A first corpus, with nothing to download:

    soundflow run quickstart out/quickstart
"""
_MAKE, _LOOK, _MATERIAL = "Make a corpus", "Look at a corpus", "Material"

app = typer.Typer(
    cls=Commands,
    name="soundflow",
    help=_HELP,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"soundflow {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for _function, _panel in (
    (plan, _MAKE),
    (run, _MAKE),
    (status, _MAKE),
    (try_subtask, _MAKE),
    (show, _LOOK),
    (stats, _LOOK),
    (query, _LOOK),
    (validate, _LOOK),
    (check, _LOOK),
    (rerender, _LOOK),
    (recipes, _MATERIAL),
):
    app.command(name=_function.__name__.removesuffix("_subtask"), rich_help_panel=_panel)(_function)
app.command(name="speak", cls=SpeakCommand, rich_help_panel=_MATERIAL)(speak)
bank.command()(align)
app.add_typer(bank, rich_help_panel=_MATERIAL)
app.add_typer(chat, rich_help_panel=_MATERIAL)

# Commands of packages that stand beside this one, such as the trainer's: neither imports the other.
for _entry in importlib.metadata.entry_points(group="soundflow.commands"):
    app.add_typer(_entry.load())


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    app()
