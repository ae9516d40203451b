"""Active edits that contradict each other, or may: found by rule, judged by a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

from memedit.edit import Edit
from memedit.memory.embeddings import matrix
from memedit.memory.queries import records
from memedit.memory.records import Conflict, EditRecord
from memedit.memory.store import Store
from memedit.memory.validity import overlap
from memedit.scope.encoder import Vectors
from memedit.text import name_key

SAME_RELATION_COSINE = 0.9


def find_conflicts(store: Store, namespace: str, *, near: bool) -> list[Conflict]:
    """The conflicts of a namespace; see :meth:`memedit.memory.memory.EditMemory.conflicts`."""
    with store.reading():
        active = records(store, "e.namespace = ? AND e.status = 'active'", [namespace])
        found = [*_overlaps(active), *_shared_names(active)]
        if near:
            found += _near_relations(store, active)
    return found


def _overlaps(active: Iterable[EditRecord]) -> Iterable[Conflict]:
    by_key = defaultdict(list)
    for record in active:
        if record.edit is not None:
            by_key[record.edit.key].append((record.rank, record.edit))
    for edits in by_key.values():
        for (rank, one), (other_rank, other) in combinations(edits, 2):
            if _contradict(one, other):
                counts, hidden = (one, other) if rank > other_rank else (other, one)
                yield Conflict(
                    "overlap",
                    (one.id, other.id),
                    f"{counts.stated!r} counts on the days on which {hidden.stated!r} holds too.",
                )


def _shared_names(active: Iterable[EditRecord]) -> Iterable[Conflict]:
    claims: dict[str, dict[str, list[Edit]]] = defaultdict(lambda: defaultdict(list))
    for record in active:
        if record.edit is not None:
            for name in {name_key(name) for name in record.edit.names}:
                claims[name][record.edit.subject_key].append(record.edit)
    for name, subjects in claims.items():
        if len(subjects) > 1:
            edits = [edit for of_subject in subjects.values() for edit in of_subject]
            listed = ", ".join(repr(of_subject[0].subject) for of_subject in subjects.values())
            yield Conflict(
                "name", tuple(edit.id for edit in edits), f"{name!r} is a name of {listed}."
            )


def _near_relations(store: Store, active: Iterable[EditRecord]) -> Iterable[Conflict]:
    by_subject = defaultdict(list)
    for record in active:
        if record.edit is not None and record.edit.subject_key:
            by_subject[record.edit.subject_key].append((record.row, record.edit))
    several = [pair for edits in by_subject.values() if len(edits) > 1 for pair in edits]
    phrases = _phrases_of(store, {row for row, _ in several})
    for edits in by_subject.values():
        for (row, one), (other_row, other) in combinations(edits, 2):
            if one.relation_key == other.relation_key or not _contradict(one, other):
                continue
            cosine = float((phrases[row] @ phrases[other_row].T).max())
            if cosine >= SAME_RELATION_COSINE:
                yield Conflict(
                    "relation",
                    (one.id, other.id),
                    f"{one.stated!r} and {other.stated!r} are probably about one relation "
                    f"(cosine {cosine:.2f}).",
                )


def _phrases_of(store: Store, rows: set[int]) -> dict[int, Vectors]:
    _, _, dimension = store.state()
    found: dict[int, list[bytes]] = defaultdict(list)
    links = store.rows("SELECT row, vector FROM edit_phrases JOIN phrases ON phrases.id = phrase")
    for row, vector in links:
        if row in rows:
            found[row].append(vector)
    return {row: matrix(vectors, dimension or 0) for row, vectors in found.items()}


def _contradict(one: Edit, other: Edit) -> bool:
    return overlap(one, other) and name_key(one.target_new) != name_key(other.target_new)
