"""Commands that change what the memory holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from memedit.cli import options, output, tables
from memedit.cli.add import edit_fields
from memedit.cli.session import session


def import_(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="A JSON list or JSONL file, plain or gzipped.")],
    format: Annotated[
        str, typer.Option(help="jsonl, counterfact, zsre, mquake, easyedit, or auto.")
    ] = "auto",
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many edits.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read, but add nothing.")] = False,
    reason: options.Reason = "",
    json: options.Json = False,
) -> None:
    """Add the edits of a file: our own JSONL, CounterFact, zsRE, MQuAKE or EasyEdit requests."""
    from memedit.importers import load_edits

    with output.progress("Reading") as read:
        edits = load_edits(path, format, limit=limit, progress=read)
    added = None
    if not dry_run:
        with session(ctx).memory(create=True) as memory:
            with output.progress("Adding", len(edits)) as done:
                ids = memory.add(edits, reason=reason or f"import of {path.name}", progress=done)
            added = len({edit.id for edit in edits} & set(ids))
    if json:
        output.as_json({**edits.summary.to_dict(), "added": added})
    else:
        tables.imported(edits.summary, added)


def update(
    ctx: typer.Context,
    edit_id: options.EditId,
    subject: options.Subject = None,
    prompt: options.Prompt = None,
    target: options.Target = None,
    old: options.Old = None,
    relation: options.Relation = None,
    question: options.Question = None,
    alias: options.Alias = None,
    paraphrase: options.Paraphrase = None,
    valid_from: options.ValidFrom = None,
    valid_to: options.ValidTo = None,
    tag: options.Tag = None,
    source: options.Source = None,
    reason: options.Reason = "",
    json: options.Json = False,
) -> None:
    """Change an edit's words and keep its id. An empty value clears a field."""
    changes = edit_fields(
        subject=subject, prompt=prompt, target=target, old=old, relation=relation,
        question=question, alias=alias, paraphrase=paraphrase, valid_from=valid_from,
        valid_to=valid_to, tag=tag, source=source,
    )  # fmt: skip
    if not changes:
        raise typer.BadParameter("Say what to change, for example --target.")
    cleared: dict[str, Any] = {key: _cleared(key, value) for key, value in changes.items()}
    with session(ctx).memory() as memory:
        edit = memory.update(edit_id, reason=reason, **cleared)
        if json:
            output.as_json(edit)
        else:
            output.say(f"Updated {edit_id}: {edit.stated}")


def retire(
    ctx: typer.Context,
    edit_ids: options.EditIds,
    reason: options.Reason = "",
) -> None:
    """Put edits out of force; `restore` brings them back."""
    with session(ctx).memory() as memory:
        output.say(f"Retired {_edits(memory.retire(edit_ids, reason=reason))}.")


def restore(
    ctx: typer.Context,
    edit_ids: options.EditIds,
    reason: options.Reason = "",
) -> None:
    """Bring retired or superseded edits back into force."""
    with session(ctx).memory() as memory:
        output.say(f"Restored {_edits(memory.restore(edit_ids, reason=reason))}.")


def erase(
    ctx: typer.Context,
    edit_ids: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of edits.", autocompletion=options.complete_ids),
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="Erase every edit about this name instead.")
    ] = None,
    reason: options.Reason = "",
    yes: options.Yes = False,
) -> None:
    """Remove edits' words for good, from history too. This cannot be undone."""
    if bool(edit_ids) == bool(subject):
        raise typer.BadParameter("Give ids of edits, or --subject.")
    what = f"every edit about {subject!r}" if subject else _edits(len(edit_ids or []))
    with session(ctx).memory() as memory:
        for edit_id in edit_ids or []:
            memory.history(edit_id, limit=1)  # an unknown id is told before the question
        if not yes:
            typer.confirm(f"Erase {what} for good?", abort=True, err=True)
        if subject:
            count = memory.erase_subject(subject, reason=reason)
        else:
            count = memory.erase(edit_ids or [], reason=reason)
        output.say(f"Erased {_edits(count)}.")


def rollback(
    ctx: typer.Context,
    revision: Annotated[int, typer.Argument(min=0, help="A revision, as `history` lists them.")],
    reason: options.Reason = "",
) -> None:
    """Return to how the memory was at a revision. Erased edits stay erased."""
    with session(ctx).memory() as memory:
        new = memory.rollback(revision, reason=reason)
        output.say(
            f"Back to revision {revision}, as revision {new}: {_edits(len(memory))} in force."
        )


def _cleared(field: str, value: str | list[str]) -> str | list[str] | None:
    if isinstance(value, list):
        return [item for item in value if item]
    optional = field not in ("subject", "prompt", "target_new")
    return None if optional and not value.strip() else value


def _edits(count: int) -> str:
    return f"{count:,} edit{'' if count == 1 else 's'}"
