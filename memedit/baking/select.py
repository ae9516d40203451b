"""Which edits of a memory are to be baked, and which of those cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from memedit.edit import Edit
from memedit.errors import BakeError

if TYPE_CHECKING:
    from memedit.memory import EditMemory

ALL = "all"
_FILTERS = ("tag", "source", "subject", "relation")


def select(memory: EditMemory, wanted: Iterable[str], limit: int | None = None) -> list[Edit]:
    """The active edits that one of ``wanted`` names, in order of age.

    Args:
        memory: The edits.
        wanted: ``"all"``, an edit's id, or one of ``tag:``, ``source:``, ``subject:`` and
            ``relation:`` with a value.
        limit: At most so many, the oldest first.

    Raises:
        BakeError: A word selects nothing, or an edit that is not active.
        UnknownEditError: There is no such edit.
    """
    rows: dict[int, Edit] = {}
    for word in wanted:
        found = _selected(memory, word)
        if not found:
            raise BakeError(
                f"select: {word!r} names no active edit of namespace {memory.namespace!r}.",
                hint="See them with: memedit list",
            )
        rows |= found
    edits = [edit for _, edit in sorted(rows.items(), key=lambda item: item[0])]
    if not edits:
        raise BakeError(
            "select: nothing is selected.", hint="Give ids, tag:NAME, source:NAME or all."
        )
    return edits[:limit]


def _selected(memory: EditMemory, word: str) -> dict[int, Edit]:
    kind, colon, value = word.partition(":")
    if word == ALL:
        records = memory.list()
    elif colon and kind in _FILTERS:
        filters: dict[str, str] = {kind: value}
        records = memory.list(status="active", **filters)  # type: ignore[arg-type]
    else:
        record = memory.record(word)
        if record.status != "active":
            raise BakeError(
                f"select: edit {word!r} is {record.status}, not active.",
                hint=f"It is in the weights (bake {record.bake})."
                if record.bake
                else "Restore it first.",
            )
        records = [record]
    return {record.row: record.edit for record in records if record.edit is not None}


def unbakeable(edits: Sequence[Edit]) -> dict[str, str]:
    """Which edits weights cannot hold, and why, by id, whatever the model."""
    reasons = {}
    for edit in edits:
        if edit.kind == "free_text" and not edit.prompt:
            reasons[edit.id] = "it is free text without a prompt that its target completes"
        elif edit.valid_from or edit.valid_to:
            reasons[edit.id] = "it holds on some days only, and weights know no date"
    return reasons
