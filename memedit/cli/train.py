"""``memedit train``: fit the scope classifier, the counterfactual adapter and the decomposer."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from memedit.cli import options, output
from memedit.cli.session import Commands
from memedit.cli.stages import training
from memedit.cli.train_counterfactual import counterfactual
from memedit.cli.train_decomposer import decomposer

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="Fit the scope classifier, the counterfactual adapter and the decomposer.",
)


@app.command()
def scope(
    data: options.Data,
    out: Annotated[Path, typer.Option(help="The matcher's folder.")],
    encoder: Annotated[
        str | None,
        typer.Option(help="The sentence encoder to build on.", show_default="the embedded one"),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="How many steps.")] = 1600,
    seed: Annotated[int, typer.Option(help="Decides what is drawn.")] = 0,
    without: Annotated[
        list[str] | None, typer.Option(help="A family of data sets to leave out; repeatable.")
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Leave out half of CounterFact's relations.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Fit the matcher that tells whether a question asks for what an edit says.

    Interrupted, the same command goes on where it was. Leave families or relations out to measure
    what has never been seen. The final figures are the benchmark's: python eval/bench.py.
    """
    from memedit.scope.encoder import EMBEDDED_NAME, load_encoder
    from memedit.train.matching import MatcherSettings
    from memedit.train.names import name_pairs
    from memedit.train.scope import fit_decision, train_matcher
    from memedit.train.sources import read

    settings = MatcherSettings(seed=seed, steps=steps)
    with output.working("Reading the data sets ..."):
        records = read(data)
        model = load_encoder(encoder or EMBEDDED_NAME)
        names = name_pairs(data, records, model, seed=seed)
    with contextlib.ExitStack() as stack:
        about = train_matcher(
            records,
            model,
            out,
            settings,
            training(stack),
            without=without or (),
            half=half,
            names=names,
        )
    with output.working("Fitting the weights of the decision ..."):
        decision = fit_decision(records, model, out)
    if json:
        output.as_json({**about, "decision": decision})
        return
    output.table(("part", "records"), about["records"].items(), title="Trained on")
    output.table(("step", "loss"), about["losses"].items(), title="Mean loss")
    output.say(
        f"The matcher is in {out}. Measure it: python eval/bench.py DATA --set matcher={out}"
    )


app.command()(counterfactual)
app.command()(decomposer)
