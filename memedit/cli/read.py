"""Commands that tell what the memory holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from memedit.cli import options, output, tables
from memedit.cli.session import session

Standing = Literal["active", "baked", "retired", "superseded", "erased", "all"]


def list_(
    ctx: typer.Context,
    status: Annotated[Standing, typer.Option(help="Edits of this standing.")] = "active",
    subject: Annotated[str | None, typer.Option(help="Only edits about this name.")] = None,
    relation: Annotated[str | None, typer.Option(help="Only edits of this relation.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only edits with this tag.")] = None,
    source: Annotated[str | None, typer.Option(help="Only edits from this source.")] = None,
    contains: Annotated[str | None, typer.Option(help="Only edits with these words.")] = None,
    as_of: options.AsOf = None,
    limit: options.Limit = 50,
    offset: Annotated[int, typer.Option(min=0, help="Pass over this many first.")] = 0,
    json: options.Json = False,
) -> None:
    """List edits."""
    with session(ctx).memory() as memory:
        # One more than is shown tells whether there are more.
        found = memory.list(
            status=status, subject=subject, relation=relation, tag=tag, source=source,
            contains=contains, as_of=as_of, offset=offset, limit=limit + 1 if limit else None,
        )  # fmt: skip
    shown = found[:limit] if limit else found
    if json:
        output.as_json(shown)
    elif shown:
        tables.records(shown)
    else:
        output.note("No such edits.")
    if len(found) > len(shown):
        output.note(f"There are more: --offset {offset + limit} goes on, --limit 0 shows all.")


def show(ctx: typer.Context, edit_ids: options.EditIds, json: options.Json = False) -> None:
    """Show edits with everything known about them."""
    with session(ctx).memory() as memory:
        found = [memory.record(edit_id) for edit_id in edit_ids]
        held = memory.held_by(edit_ids)
    if json:
        output.as_json(found)
        return
    for one in found:
        tables.record(one, held.get(one.id, ()))


def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="A name, a question, any words.")],
    limit: Annotated[int, typer.Option("--limit", "-k", min=1, help="At most this many.")] = 10,
    as_of: options.AsOf = None,
    json: options.Json = False,
) -> None:
    """Find edits by name and meaning, best first."""
    with session(ctx).memory() as memory, output.working("Searching ..."):
        found = memory.search(text, limit, as_of=as_of)
    if json:
        output.as_json(found)
    elif found:
        tables.hits(found)
    else:
        output.note("Nothing found.")


def history(
    ctx: typer.Context,
    edit_id: Annotated[
        str | None,
        typer.Argument(help="Only this edit's events.", autocompletion=options.complete_ids),
    ] = None,
    limit: options.Limit = 50,
    json: options.Json = False,
) -> None:
    """List who changed what, when and why; the last ones, oldest first."""
    with session(ctx).memory() as memory:
        events = memory.history(edit_id, limit=limit or None)
    if json:
        output.as_json(events)
    elif events:
        tables.history(events)
    else:
        output.note("Nothing has been done yet.")


def export(
    ctx: typer.Context,
    path: Annotated[Path | None, typer.Argument(help="The file; else standard output.")] = None,
    status: Annotated[Standing, typer.Option(help="Edits of this standing.")] = "active",
) -> None:
    """Write edits as JSONL, which `import` reads back without loss."""
    with session(ctx).memory() as memory:
        if path is None:
            for record in memory.list(status=status):
                if record.edit:
                    typer.echo(record.edit.to_json())
        else:
            count = memory.export(path, status=status)
            output.note(f"{count:,} edits written to {path}.")
        baked = len(memory.list(status="baked")) if status == "active" else 0
        if baked:
            output.note(f"{baked:,} more are baked into weights: --status baked writes them.")


def conflicts(
    ctx: typer.Context,
    near: Annotated[
        bool, typer.Option("--near", help="Also relations that mean the same in other words.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if there are any.")] = False,
    json: options.Json = False,
) -> None:
    """List active edits that contradict or shadow each other."""
    with session(ctx).memory() as memory:
        found = memory.conflicts(near=near)
    if json:
        output.as_json(found)
    elif found:
        tables.conflicts(found)
    else:
        output.note("No conflicts.")
    if check and found:
        raise typer.Exit(1)


def stats(ctx: typer.Context, json: options.Json = False) -> None:
    """Show the memory in figures."""
    with session(ctx).memory() as memory:
        figures = memory.stats()
    if json:
        output.as_json(figures)
    else:
        tables.stats(figures)
