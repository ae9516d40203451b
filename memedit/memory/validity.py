"""Which edits are about the same fact, on which days they hold, and which of them counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from memedit.edit import Edit
from memedit.memory.records import EditRecord

Key = tuple[str, str]

# What may differ between two edits that say the same.
_NOT_WORDS = frozenset({"id", "source", "tags", "namespace"})
_WORDS = tuple(name for name in Edit.model_fields if name not in _NOT_WORDS)


def same_words(one: Edit, other: Edit) -> bool:
    """Whether two edits differ at most in id, source, tags and namespace."""
    return all(getattr(one, name) == getattr(other, name) for name in _WORDS)


def covers(outer: Edit, inner: Edit) -> bool:
    """Whether ``outer`` holds on every day on which ``inner`` does."""
    starts_before = outer.valid_from is None or (
        inner.valid_from is not None and outer.valid_from <= inner.valid_from
    )
    ends_after = outer.valid_to is None or (
        inner.valid_to is not None and inner.valid_to <= outer.valid_to
    )
    return starts_before and ends_after


def overlap(one: Edit, other: Edit) -> bool:
    """Whether there is a day on which both hold."""
    return _starts_before_end(one, other) and _starts_before_end(other, one)


def winners(records: Iterable[EditRecord], day: dt.date) -> list[EditRecord]:
    """Of the active records that hold on ``day``, the one of each key that was changed last.

    Args:
        records: Records in any order; those not active are passed over.
        day: The day asked about.

    Returns:
        One record a key, in the order of ``records``.
    """
    best: dict[Key, EditRecord] = {}
    for record in records:
        if record.status != "active" or record.edit is None or not record.edit.holds_on(day):
            continue
        key = record.edit.key
        if key not in best or best[key].rank < record.rank:
            best[key] = record
    return list(best.values())


def _starts_before_end(one: Edit, other: Edit) -> bool:
    return one.valid_from is None or other.valid_to is None or one.valid_from < other.valid_to
