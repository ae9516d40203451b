"""``memedit train decomposer``: fit the reader of plans from multi-hop questions."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from memedit.cli import options, output
from memedit.cli.stages import training


def decomposer(
    data: Annotated[
        Path,
        typer.Option(
            envvar="MEMEDIT_DATA",
            help="A folder with MQuAKE's files.",
            exists=True,
            file_okay=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The decomposer's folder.")],
    encoder: Annotated[
        str | None,
        typer.Option(help="The sentence encoder to build on.", show_default="the embedded one"),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, show_default="as shipped", help="Steps of the reader of plans."),
    ] = None,
    wording_steps: Annotated[
        int | None,
        typer.Option(min=1, show_default="as shipped", help="Steps of the reader of wordings."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(show_default="as shipped", help="Decides what is drawn.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="A relation (such as P36) to leave out; repeatable.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Fit what reads from a question which relations it walks, in order.

    Two readers are fitted, one after the other: of plans, relation by relation, and of wordings,
    which compares whole paths with the question. Interrupted, the same command goes on where it
    was. Questions about subjects and chains that are
    kept for development are only measured on. Leave relations out to measure what was never seen.
    """
    from memedit.scope.encoder import EMBEDDED_NAME, load_encoder
    from memedit.train.decomposer import Settings, read_cases, train_decomposer
    from memedit.train.path_wording import WordingSettings
    from memedit.train.planning import PlanSettings

    settings = Settings(
        PlanSettings(**_given(steps=steps, seed=seed)),
        WordingSettings(**_given(steps=wording_steps, seed=seed)),
    )
    with output.working("Reading the data sets ..."):
        cases = read_cases(data)
        model = load_encoder(encoder or EMBEDDED_NAME)
    with contextlib.ExitStack() as stack:
        about = train_decomposer(
            cases, model, out, settings, training(stack), without=without or ()
        )
    if json:
        output.as_json(about)
        return
    rows = ((side, figure["right"], figure["n"]) for side, figure in about["plans"].items())
    output.table(("side", "plans right", "questions"), rows, title="Plans alone")
    output.table(("step", "loss"), about["losses"].items(), title="Mean loss of plans")
    wording = about["wording"]["losses"]
    output.table(("step", "loss"), wording.items(), title="Mean loss of wordings")
    output.say(f"The decomposer is in {out}.")


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given; the others stay as shipped."""
    return {name: value for name, value in options.items() if value is not None}
