"""`memedit train counterfactual`: fits the adapter of the counterfactual role."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memedit.cli.options import Data, Json, Model
from memedit.cli.output import as_json, note, table, working
from memedit.cli.stages import training
from memedit.settings import DEFAULT_MODEL

if TYPE_CHECKING:
    from memedit.train.counterfactual import Trained
    from memedit.train.counterfactual.fitting import Progress, Watch


def counterfactual(
    data: Data,
    out: Annotated[Path, typer.Option(help="The adapter's folder, written when it is done.")],
    model: Model = DEFAULT_MODEL,
    parts: Annotated[
        str | None,
        typer.Option(
            help="Only these parts of the recipe, with commas between.", show_default="all"
        ),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="A kind of example to leave out; repeatable.")
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="How many examples.")] = 12000,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Be done after so many minutes of training, loading and measuring aside.",
            show_default="when every example was seen",
        ),
    ] = None,
    probes: Annotated[
        int, typer.Option(min=0, help="Measure so many held-out tasks of each kind in the end.")
    ] = 100,
    rank: Annotated[int, typer.Option(min=1, help="The rank of LoRA's matrices.")] = 8,
    learning_rate: Annotated[
        float, typer.Option(min=0.0, help="The highest learning rate.")
    ] = 1e-3,
    seed: Annotated[int, typer.Option(help="Decides examples, order and first weights.")] = 0,
    device: Annotated[str, typer.Option(help="'auto', 'cpu', or a device such as 'cuda:0'.")] = (
        "auto"
    ),
    json: Json = False,
) -> None:
    """Train an adapter that answers from edits, for the embedded model or any other local one.

    A training that was stopped goes on with the same command. In the end the adapter is measured on
    records that no training touches.
    """
    from memedit.train import sources
    from memedit.train.counterfactual import Settings, train
    from memedit.train.counterfactual.fitting import FitSettings

    with working("Reading the records ..."):
        records = sources.read(data, parts.split(",") if parts else None)
    fit = FitSettings(rank=rank, learning_rate=learning_rate, minutes=minutes, seed=seed)
    settings = Settings(
        model=model,
        device=device,
        examples=examples,
        without=tuple(without or ()),
        probes=probes,
        fit=fit,
    )
    try:
        with contextlib.ExitStack() as stack:
            trained = train(records, out, settings, _watch(stack))
    except KeyboardInterrupt:
        note("Stopped. The same command goes on from here.")
        raise typer.Exit(130) from None
    _show(trained, json)


def _watch(stack: contextlib.ExitStack) -> Watch:
    """Shows the steps as they are done, and the losses on the examples that are held back."""
    told: set[int] = set()
    step_done = training(stack)

    def show(progress: Progress) -> None:
        step_done(progress)
        for step in sorted(progress.held.keys() - told):
            told.add(step)
            losses = progress.held[step]
            if losses:
                mean = sum(losses.values()) / len(losses)
                note(f"Step {step}: {progress.loss:.3f} nats a token, {mean:.3f} held back.")

    return show


def _show(trained: Trained, json: bool) -> None:
    figures = trained.card.figures
    if json:
        as_json({"path": trained.path, "figures": figures, "trained": trained.card.trained})
        return
    rows = [
        (kind, figure["asked"], f"{100 * figure['share']:.1f} %")
        for kind, figure in figures.items()
    ]
    if rows:
        table(("kind", "asked", "right"), rows, title="On records kept for development")
    note(f"The adapter is in {trained.path}.")
