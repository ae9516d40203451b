"""The commands and the options before them."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from memedit.cli import add, ask, bake, calibrate, care, change, evaluate, read, trace, train
from memedit.cli.session import Commands, Session
from memedit.settings import default_store

_LIBRARY_SETTINGS = {
    "TQDM_DISABLE": "1",  # the command line has its own progress
    "TOKENIZERS_PARALLELISM": "false",  # else a warning at every fork
    # OpenMP's threads wait for each other by spinning. Where another program wants the same
    # cores, that makes a small model ten to thirty times slower. Spinning only shortly, it is
    # always about as fast: two thirds of what it could be on an idle machine.
    "GOMP_SPINCOUNT": "1000",
}

app = typer.Typer(
    name="memedit",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 it failed or a check found something (one sentence on stderr "
    "says what and how to mend it), 2 wrong usage.",
)


@app.callback()
def options(
    ctx: typer.Context,
    store: Annotated[
        Path | None,
        typer.Option(
            envvar="MEMEDIT_STORE",
            help="The store's file.",
            show_default="stores/memory.db in a folder with stores, else in the user's data",
        ),
    ] = None,
    namespace: Annotated[
        str,
        typer.Option("--namespace", "-n", envvar="MEMEDIT_NAMESPACE", help="Part of the store."),
    ] = "default",
    actor: Annotated[
        str | None,
        typer.Option(
            envvar="MEMEDIT_ACTOR", help="Who makes the change.", show_default="login name"
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what is going on to stderr.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=care.version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Tell a language model what is no longer true.

    Edits live in a store. Where a question is about one of them, the answer comes from the edit;
    everywhere else the model answers as if memedit were not there.
    """
    for name, value in _LIBRARY_SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")
    ctx.obj = Session(store or default_store(), namespace, actor)


EDITS, MEMORY, ASKING, BAKING, CARE = "Edits", "Memory", "Asking", "Baking", "Care"

app.command("add", rich_help_panel=EDITS)(add.add)
app.command("import", rich_help_panel=EDITS)(change.import_)
app.command("list", rich_help_panel=EDITS)(read.list_)
app.command("show", rich_help_panel=EDITS)(read.show)
app.command("search", rich_help_panel=EDITS)(read.search)
app.command("update", rich_help_panel=EDITS)(change.update)
app.command("retire", rich_help_panel=EDITS)(change.retire)
app.command("restore", rich_help_panel=EDITS)(change.restore)
app.command("erase", rich_help_panel=EDITS)(change.erase)
app.command("history", rich_help_panel=MEMORY)(read.history)
app.command("rollback", rich_help_panel=MEMORY)(change.rollback)
app.command("export", rich_help_panel=MEMORY)(read.export)
app.command("conflicts", rich_help_panel=MEMORY)(read.conflicts)
app.command("stats", rich_help_panel=MEMORY)(read.stats)
app.command("ask", rich_help_panel=ASKING)(ask.ask)
app.command("chat", rich_help_panel=ASKING)(ask.chat)
app.command("bake", rich_help_panel=BAKING)(bake.bake)
app.command("bakes", rich_help_panel=BAKING)(bake.bakes)
app.command("unbake", rich_help_panel=BAKING)(bake.unbake)
app.command("adapter", rich_help_panel=BAKING)(bake.adapter)
app.add_typer(evaluate.app, name="eval", rich_help_panel=CARE)
app.add_typer(train.app, name="train", rich_help_panel=CARE)
app.command("trace", rich_help_panel=CARE)(trace.trace)
app.command("calibrate", rich_help_panel=CARE)(calibrate.calibrate)
app.command("demo", rich_help_panel=CARE)(care.demo)
app.command("doctor", rich_help_panel=CARE)(care.doctor)
