"""``memedit demo``, ``memedit doctor`` and ``memedit --version``."""

from __future__ import annotations

from typing import Annotated

import typer

from memedit.cli import options, output
from memedit.cli.session import session
from memedit.settings import DEFAULT_MODEL


def demo(
    model: options.Model = DEFAULT_MODEL,
    base_url: options.BaseUrl = None,
) -> None:
    """Take a tour on a store of its own: edits made, asked, superseded and retired."""
    from memedit.demo import run_tour

    if not run_tour(output.stdout(), model, base_url=base_url):
        raise typer.Exit(1)


def doctor(
    ctx: typer.Context,
    model: options.Model = DEFAULT_MODEL,
    reencode: Annotated[
        bool,
        typer.Option("--reencode", help="Make the store's vectors anew with the default encoder."),
    ] = False,
    json: options.Json = False,
) -> None:
    """Tell what is installed, where things are, what is wrong and how to mend it."""
    from memedit.doctor import examine

    here = session(ctx)
    if reencode:
        with here.memory() as memory, output.working("Encoding ..."):
            from memedit.scope.encoder import EMBEDDED_NAME

            output.note(f"{memory.reencode(EMBEDDED_NAME):,} edits embedded anew.")
    with output.working("Examining ..."):
        checks = examine(here.store, model)
    if json:
        output.as_json({"ok": all(check.state != "wrong" for check in checks), "checks": checks})
    else:
        marks = {"ok": "ok", "note": "note", "wrong": "WRONG"}
        output.table(
            ["", "what", "found", "to mend it"],
            [(marks[c.state], c.name, c.found, c.remedy) for c in checks],
        )
    if any(check.state == "wrong" for check in checks):
        raise typer.Exit(1)


def version(wanted: bool) -> None:
    """Prints the version and leaves, where that is wanted."""
    if wanted:
        from importlib.metadata import version as of

        output.say(f"memedit {of('memedit')}")
        raise typer.Exit
