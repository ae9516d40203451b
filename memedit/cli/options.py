"""Options that several commands share."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal

import typer

from memedit.cli.session import complete_ids
from memedit.settings import DEFAULT_MODEL


def _day(text: str) -> dt.date:
    from memedit.edit import parse_date

    try:
        return parse_date(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Why, for the history.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
AsOf = Annotated[
    dt.date | None,
    typer.Option(parser=_day, metavar="DATE", help="Only what holds on this day (YYYY-MM-DD)."),
]
Limit = Annotated[int, typer.Option(min=0, help="At most this many; 0 for all.")]
EditId = Annotated[str, typer.Argument(help="An edit's id.", autocompletion=complete_ids)]
EditIds = Annotated[list[str], typer.Argument(help="Ids of edits.", autocompletion=complete_ids)]

Data = Annotated[
    Path,
    typer.Option(
        envvar="MEMEDIT_DATA",
        help="The folder of the data sets the recipe names.",
        exists=True,
        file_okay=False,
    ),
]

# -- the words of an edit ------------------------------------------------------------------------

Subject = Annotated[str | None, typer.Option(help="The name the fact is about.")]
Prompt = Annotated[
    str | None,
    typer.Option(help='The fact up to its target, "{}" or the subject in it: "{} plays".'),
]
Target = Annotated[str | None, typer.Option(help="What is true from now on.")]
Old = Annotated[str | None, typer.Option(help="What the model believes so far.")]
Relation = Annotated[str | None, typer.Option(help='The relation\'s name or id: "capital", "P36".')]
Question = Annotated[str | None, typer.Option(help="A question the target answers.")]
Alias = Annotated[list[str] | None, typer.Option(help="Another name of the subject; repeatable.")]
Paraphrase = Annotated[
    list[str] | None, typer.Option(help="Another prompt or question; repeatable.")
]
ValidFrom = Annotated[str | None, typer.Option(metavar="DATE", help="First day it holds.")]
ValidTo = Annotated[str | None, typer.Option(metavar="DATE", help="First day it no longer holds.")]
Tag = Annotated[list[str] | None, typer.Option(help="A label of your own; repeatable.")]
Source = Annotated[str | None, typer.Option(help="Where the edit comes from.")]

# -- the model -----------------------------------------------------------------------------------

Model = Annotated[
    str,
    typer.Option(
        envvar="MEMEDIT_MODEL",
        help=f'"{DEFAULT_MODEL}", a folder, a hub id, a GGUF file, or "openai:NAME" for a server.',
    ),
]
BaseUrl = Annotated[
    str | None, typer.Option(envvar="MEMEDIT_BASE_URL", help="An OpenAI-compatible server's URL.")
]
Adapter = Annotated[
    str | None,
    typer.Option(
        help="A folder of `memedit train counterfactual` to answer from edits with, or 'none' for "
        "a prompt alone.",
        show_default="the adapter that comes with memedit, where it fits the model",
    ),
]
MaxTokens = Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")]
Threshold = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="Probability from which an edit applies; else calibrated."),
]
MultiHop = Annotated[
    bool | None,
    typer.Option(
        "--multihop/--no-multihop",
        help="Take questions apart that are put together of several.",
        show_default="where a decomposer fits",
    ),
]
Strategy = Annotated[
    Literal["walk", "mello"] | None,
    typer.Option(
        help="How they are taken apart: walk (over the edits, for models of any size) or mello "
        "(by a capable model itself, in prompts; several calls a question).",
        show_default="walk",
    ),
]
