"""``memedit add``: an edit from a sentence, from its parts, or from JSON on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memedit.cli import options, output, tables
from memedit.cli.session import Session, session
from memedit.errors import InvalidEditError

if TYPE_CHECKING:
    from memedit.edit import Edit

Text = Annotated[
    str | None, typer.Argument(metavar="[SENTENCE]", help='A plain sentence, or "-" for JSONL.')
]


def add(
    ctx: typer.Context,
    sentence: Text = None,
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
    free_text: Annotated[
        bool, typer.Option("--free-text", help="Knowledge without a named subject.")
    ] = False,
    reason: options.Reason = "",
    yes: options.Yes = False,
    json: options.Json = False,
) -> None:
    """Add an edit: a sentence, or its parts, or JSONL from standard input ("-").

    memedit add "Lionel Messi now plays basketball."

    memedit add --subject France --relation capital --target Lyon --old Paris

    A sentence is taken apart by its grammar; what came out is shown, and --subject or --target
    correct it. An edit of the same subject and relation is superseded.
    """
    words = {
        **edit_fields(old=old, relation=relation, question=question, alias=alias,
                      paraphrase=paraphrase, valid_from=valid_from, valid_to=valid_to,
                      tag=tag, source=source),
        **({"kind": "free_text"} if free_text else {}),
    }  # fmt: skip
    here = session(ctx)
    if sentence == "-":
        _refuse_beside('"-"', *words, subject, prompt, target)
        from memedit.importers import load_edits

        _store(here, load_edits(sys.stdin.buffer, "jsonl"), reason, json)
    elif sentence is not None:
        _refuse_beside("a sentence", prompt)
        edit = _from_sentence(sentence, subject, target, words, ask=not yes and _interactive())
        _store(here, [edit], reason, json)
    else:
        from memedit.edit import Edit

        parts = edit_fields(subject=subject, prompt=prompt, target=target)
        if not parts:
            raise typer.BadParameter('Give a sentence, "-", or --subject, --prompt and --target.')
        _store(here, [_from_parts(Edit, {**words, **parts})], reason, json)


def edit_fields(**given: Any) -> dict[str, Any]:
    """Options as the fields of an edit, those left out not among them."""
    names = {
        "target": "target_new",
        "old": "target_true",
        "alias": "aliases",
        "paraphrase": "paraphrases",
        "tag": "tags",
    }
    return {names.get(key, key): value for key, value in given.items() if value is not None}


def _from_parts(edit: type[Edit], fields: dict[str, Any]) -> Edit:
    """A prompt may hold the subject's own words instead of the slot."""
    prompt, subject = fields.get("prompt"), fields.get("subject")
    if prompt and subject and "{}" not in prompt and "target_new" in fields:
        rest = {key: value for key, value in fields.items() if key != "prompt"}
        return edit.from_cloze(prompt, **rest)
    if "target_new" not in fields:
        raise typer.BadParameter("Say what is true from now on.", param_hint="--target")
    return edit(**fields)


def _from_sentence(
    text: str, subject: str | None, target: str | None, fields: dict[str, Any], *, ask: bool
) -> Edit:
    """The sentence's edit; on a terminal the user is asked until the split is right."""
    from memedit.edit import Edit

    if not ask:
        edit = Edit.from_sentence(text, subject=subject, target_new=target, **fields)
        output.note(f"subject: {edit.subject} | prompt: {edit.prompt} | target: {edit.target_new}")
        return edit
    while True:
        try:
            edit = Edit.from_sentence(text, subject=subject, target_new=target, **fields)
        except InvalidEditError as error:
            if error.field not in ("statement", "subject", "target_new"):
                raise
            output.fail(str(error))
            subject, target = typer.prompt("Subject"), typer.prompt("Target")
            continue
        tables.split(edit)
        if typer.confirm("Is this right?", default=True):
            return edit
        subject = typer.prompt("Subject", default=edit.subject)
        target = typer.prompt("Target", default=edit.target_new)


def _store(here: Session, edits: Iterable[Edit], reason: str, json: bool) -> None:
    with here.memory(create=True) as memory:
        before = memory.revision
        with output.working("Adding ..."):
            ids = memory.add(edits, reason=reason)
        touched = memory.changes(before).records
        if json:
            output.as_json({"ids": ids, "revision": memory.revision})
            return
        new = {record.id for record in touched if record.status == "active"}
        for edit_id in ids:
            verb = "Added" if edit_id in new else "Already there:"
            output.say(f"{verb} {edit_id}: {memory.get(edit_id).stated}")
        for record in touched:
            if record.superseded_by in ids and record.edit:
                output.say(f"Superseded {record.id}: {record.edit.stated}")


def _refuse_beside(given: str, *parts: str | None) -> None:
    if any(part is not None for part in parts):
        raise typer.BadParameter(f"Beside {given}, these parts of an edit cannot be given.")


def _interactive() -> bool:
    return sys.stdin.isatty()
