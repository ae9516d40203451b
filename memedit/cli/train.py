"""``memedit train``: fit the scope classifier, the counterfactual adapter and the decomposer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memedit.cli import options, output
from memedit.cli.session import Commands
from memedit.cli.train_counterfactual import counterfactual
from memedit.cli.train_decomposer import decomposer

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="Fit the scope classifier, the counterfactual adapter and the decomposer.",
)


@app.command()
def scope(
    data: Annotated[
        Path,
        typer.Option(
            envvar="MEMEDIT_DATA",
            help="The folder of the data sets the recipe names.",
            exists=True,
            file_okay=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The matcher's folder.")],
    encoder: Annotated[
        str | None,
        typer.Option(help="The sentence encoder to build on.", show_default="the embedded one"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, show_default="as shipped", help="How many steps.")
    ] = None,
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
    from memedit.train.matching import MatcherSettings, Progress
    from memedit.train.name_weights import fit_names
    from memedit.train.names import name_pairs
    from memedit.train.scope import fit_decision, train_matcher
    from memedit.train.sources import read

    chosen = {"seed": seed} | ({"steps": steps} if steps else {})
    settings = MatcherSettings(**chosen)
    with output.working("Reading the data sets ..."):
        records = read(data)
        model = load_encoder(encoder or EMBEDDED_NAME)
        names = name_pairs(data, records, model, seed=seed)
    seen = 0
    with output.progress("training", settings.steps) as advance:

        def watch(progress: Progress) -> None:
            nonlocal seen
            advance(progress.step - seen)
            seen = progress.step

        about = train_matcher(
            records, model, out, settings, watch, without=without or (), half=half, names=names
        )
    with output.working("Fitting the weights of the decision ..."):
        decision = fit_decision(records, model, out, fit_names(records, model))
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
