"""What the memory hands out, as tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from memedit.cli.output import say, table

if TYPE_CHECKING:
    from memedit.edit import Edit
    from memedit.importers import ImportSummary
    from memedit.memory import Conflict, EditRecord, Event, SearchHit, Stats
    from memedit.scope.decision import Candidate


def records(found: Sequence[EditRecord]) -> None:
    """Edits, one a row."""
    with_status = any(record.status != "active" for record in found)
    with_days = any(_validity(record.edit) for record in found)
    columns = ["id", "subject", "prompt", "new", "instead of"]
    columns += ["holds"] * with_days + ["status"] * with_status
    rows = []
    for record in found:
        row: list[Any] = [record.id, *_words(record.edit)]
        row += [_validity(record.edit)] * with_days + [_status(record)] * with_status
        rows.append(row)
    table(columns, rows)


def hits(found: Sequence[SearchHit]) -> None:
    """Search results, best first."""
    rows = [(f"{hit.score:.2f}", hit.by, hit.record.id, *_words(hit.record.edit)) for hit in found]
    table(["score", "by", "id", "subject", "prompt", "new", "instead of"], rows)


def record(one: EditRecord, bakes: Sequence[str] = ()) -> None:
    """One edit with everything known about it, and the live bakes whose deltas hold it."""
    rows = [("id", one.id), ("status", _status(one))]
    if one.edit:
        rows += [
            (name, _shown(value)) for name, value in one.edit.to_dict().items() if name != "id"
        ]
        rows += [("asked as", one.edit.asked), ("stated as", one.edit.stated)]
    rows += [("created", _time(one.created)), ("changed", _time(one.changed))]
    rows.append(("revision", str(one.revision)))
    if bakes:
        rows.append(("in the weights by", ", ".join(bakes)))
    table(["field", "value"], rows)


def split(edit: Edit) -> None:
    """How a sentence was taken apart, for the user to check."""
    rows = [("subject", edit.subject), ("prompt", edit.prompt), ("target", edit.target_new)]
    table(["part", "words"], rows)


def history(events: Sequence[Event]) -> None:
    """Events, oldest first."""
    rows = [
        (e.revision, _time(e.time), e.actor, e.action, e.edit_id, _change(e), e.reason)
        for e in events
    ]
    table(["revision", "time", "actor", "action", "edit", "what", "reason"], rows)


def conflicts(found: Sequence[Conflict]) -> None:
    """Conflicts, one a row."""
    table(["kind", "edits", "what"], [(c.kind, " ".join(c.ids), c.text) for c in found])


def stats(figures: Stats) -> None:
    """The memory in figures."""
    spaces = ", ".join(f"{name} ({count})" for name, count in sorted(figures.namespaces.items()))
    rows: list[tuple[str, object]] = [
        ("namespace", figures.namespace),
        ("active edits", figures.active),
        ("baked", figures.baked),
        ("retired", figures.retired),
        ("superseded", figures.superseded),
        ("erased", figures.erased),
        ("subjects", figures.subjects),
        ("relations", figures.relations),
        ("revision", figures.revision),
        ("namespaces", spaces),
        ("first change", _time(figures.first_change)),
        ("last change", _time(figures.last_change)),
        ("database", _bytes(figures.database_bytes)),
        ("index files", _bytes(figures.index_bytes)),
        ("encoder", figures.encoder or "none yet"),
        ("schema", figures.schema_version),
    ]
    table(["what", "value"], rows)


def imported(summary: ImportSummary, added: int | None) -> None:
    """What became of a file's records."""
    merged = f", {summary.merged:,} repeated and merged" if summary.merged else ""
    say(f"{summary.path.name} ({summary.format}): {summary.taken:,} edits taken, "
        f"{summary.skipped:,} records skipped{merged}.")  # fmt: skip
    if summary.reasons:
        rows = [
            (count, reason, ", ".join(summary.examples[reason]))
            for reason, count in summary.reasons.most_common()
        ]
        table(["skipped", "because", "such as"], rows)
    if added is not None and added != summary.taken:
        say(f"{added:,} are new; the others say what the store holds already.")


def candidates(found: Sequence[Candidate]) -> None:
    """The edits a decision was made between, likeliest first."""
    rows = [
        (
            one.edit.id,
            one.edit.stated,
            f"{one.mention} ({one.kind})" if one.mention else one.kind,
            f"{one.probability:.2f}",
            "in scope" if one.in_scope else "",
        )
        for one in found
    ]
    table(["edit", "says", "named as", "probability", ""], rows)


def _words(edit: Edit | None) -> tuple[str, str, str, str]:
    if edit is None:
        return "", "", "", ""
    prompt = edit.prompt or edit.statement or ""
    return edit.subject, prompt, edit.target_new, edit.target_true or ""


def _validity(edit: Edit | None) -> str:
    if edit is None or not (edit.valid_from or edit.valid_to):
        return ""
    return f"{edit.valid_from or '...'} to {edit.valid_to or '...'}"


def _status(one: EditRecord) -> str:
    if one.bake:
        return f"{one.status} in {one.bake}"
    return f"{one.status} by {one.superseded_by}" if one.superseded_by else one.status


def _change(event: Event) -> str:
    old, new = event.before, event.after
    if old and new and old.stated != new.stated:
        return f"{old.stated} -> {new.stated}"
    words = new or old
    return words.stated if words else "(erased)"


def _time(when: dt.datetime | None) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S") if when else ""


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count:,} bytes"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
