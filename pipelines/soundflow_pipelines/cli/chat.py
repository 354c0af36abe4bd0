"""`soundflow chat`: looks after the language model that may plan scenes, and after what it answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from soundflow_data.errors import ChatError
from soundflow_pipelines.cli.arguments import Json
from soundflow_pipelines.cli.formats import plural
from soundflow_pipelines.cli.terminal import Terminal

if TYPE_CHECKING:
    from soundflow_data.recipe import LoadedRecipe

chat = typer.Typer(
    name="chat",
    help="Checks the language-model server that may plan scenes, and looks after its recorded answers.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

AnswersFolder = Annotated[
    Path,
    typer.Option("--answers", metavar="DIR", help="Folder of recorded answers: `scenario.chat.answers` of a recipe."),
]


@chat.command()
def check(
    url: Annotated[str, typer.Option(metavar="URL", help="Address, else SOUNDFLOW_CHAT_URL.")] = "",
    model: Annotated[str, typer.Option(metavar="NAME", help="Model, else SOUNDFLOW_CHAT_MODEL.")] = "",
    timeout_s: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="Longest wait.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Asks the server one small question and tells whether the answer follows its schema.

    The key, when the server wants one, is taken from SOUNDFLOW_CHAT_KEY.

    Example: `soundflow chat check --url http://127.0.0.1:8000 --model Qwen/Qwen3-8B`
    """
    from pydantic import ValidationError  # noqa: PLC0415

    from soundflow_data.scenario.chat import ChatClient, ChatSettings  # noqa: PLC0415

    try:
        settings = ChatSettings(url=url, model=model, timeout_s=timeout_s)
    except ValidationError as error:
        raise typer.BadParameter("; ".join(problem["msg"] for problem in error.errors())) from None
    terminal = Terminal(as_json=as_json)
    found = ChatClient(settings).check()
    terminal.say(
        f"{found.url} answers in {found.seconds:.1f} s with {found.model}, and keeps the schema ({found.mode})"
    )
    if found.mode == "json_object":
        terminal.note("it knows no JSON schemas, so the schema is part of the prompt; answers may break it more often")
    terminal.result(msgspec.to_builtins(found))


@chat.command()
def answers(folder: AnswersFolder = Path("answers"), as_json: Json = False) -> None:
    """Counts the recorded answers, and the questions that got none, by purpose and reason.

    Example: `soundflow chat answers --answers answers`
    """
    from soundflow_data.scenario.chat import Answers  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    counts = Answers(folder).count()
    rows = [
        (purpose, "answered" if not reason else f"replaced: {reason}", f"{number:,}")
        for purpose, reasons in counts.items()
        for reason, number in sorted(reasons.items())
    ]
    if rows:
        terminal.table(("purpose", "outcome", "#questions"), rows)
    else:
        terminal.say(f"no answers are recorded in {folder}")
    terminal.result({"answers": str(folder), "purposes": {purpose: dict(found) for purpose, found in counts.items()}})


@chat.command()
def forget(
    folder: AnswersFolder = Path("answers"),
    reason: Annotated[
        str, typer.Option(metavar="REASON", help="Only those with this reason, such as 'timed out'; else all.")
    ] = "",
    purpose: Annotated[
        str, typer.Option(metavar="PURPOSE", help="Only those of this purpose, such as plan; else all.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Forgets that questions got no usable answer, so that they are asked again; answers are never forgotten.

    Streams that exist already stay as they are. What is made after this may differ from what was made before.

    Example: `soundflow chat forget --reason "cannot reach"`
    """
    from soundflow_data.scenario.chat import Answers  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    number = Answers(folder).forget(reason=reason, purpose=purpose)
    terminal.say(f"{plural(number, 'question')} without an answer will be asked again")
    terminal.result({"answers": str(folder), "forgotten": number})


def with_who_answers(terminal: Terminal, loaded: LoadedRecipe) -> LoadedRecipe:
    """Returns the recipe, with rules in the place of a language model that does not answer, and warns of that.

    For looking ahead: nothing is put on record that a run would then have to keep.
    """
    scenario = loaded.recipe.scenario
    if not scenario.asks:
        return loaded
    from soundflow_data.scenario.chat import ChatClient  # noqa: PLC0415

    try:
        ChatClient(scenario.chat).check()
    except ChatError as error:
        terminal.warn(
            f"scenario.chat: {error}. A run would let rules take the place of the language model and record that; "
            "`soundflow chat check` tells when the server is well"
        )
        rules = scenario.model_copy(update={"planner": "rules", "rewriter": "none", "auditor": "rules"})
        return loaded.model_copy(update={"recipe": loaded.recipe.model_copy(update={"scenario": rules})})
    return loaded
