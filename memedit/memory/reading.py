"""Reading an edit memory: the half of the facade that changes nothing."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from numpy.typing import NDArray

from memedit.edit import Edit
from memedit.errors import QueryError, StoreError
from memedit.files import write_atomically
from memedit.forms import SLOT
from memedit.memory import queries
from memedit.memory.base import Day, MemoryBase
from memedit.memory.conflicts import find_conflicts
from memedit.memory.queries import IN_LIST, as_list
from memedit.memory.records import Changes, Conflict, EditRecord, Event, SearchHit, Stats
from memedit.scope.encoder import Vectors
from memedit.text import name_key

ListedStatus = Literal["active", "baked", "retired", "superseded", "erased", "all"]

_MOST_CHARS = 20_000  # of a text to search by; an encoder reads no more than its beginning


class MemoryReader(MemoryBase):
    """What can be asked of an edit memory; see :class:`memedit.memory.memory.EditMemory`.

    Every call sees the store's newest revision. Reading a namespace that was never written to
    raises :class:`~memedit.errors.UnknownNamespaceError`, except the default one.
    """

    # -- edits -----------------------------------------------------------------------------------

    def get(self, edit_id: str) -> Edit:
        """The words of an edit of any status but erased.

        Raises:
            UnknownEditError: There is no such edit.
        """
        (record,) = self._require([edit_id])
        assert record.edit is not None  # _require passes no erased ones
        return record.edit

    def record(self, edit_id: str) -> EditRecord:
        """An edit with its standing; of an erased one, the tombstone.

        Raises:
            UnknownEditError: There is no such edit.
        """
        (record,) = self._require([edit_id], also=("erased",))
        return record

    def __len__(self) -> int:
        """How many edits are active."""
        self._require_namespace()
        return queries.namespaces(self._store).get(self._namespace, 0)

    def __contains__(self, edit_id: object) -> bool:
        """Whether there is an active edit of this id."""
        self._require_namespace()
        found = queries.records_with_ids(self._store, self._namespace, [str(edit_id)])
        return any(record.status == "active" for record in found.values())

    def list(
        self,
        *,
        status: ListedStatus = "active",
        subject: str | None = None,
        relation: str | None = None,
        tag: str | None = None,
        source: str | None = None,
        contains: str | None = None,
        as_of: Day | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> builtins.list[EditRecord]:
        """Edits in order of age, those that pass every filter given.

        Args:
            status: Which edits; ``all`` includes tombstones.
            subject: The subject or an alias, in any spelling of the name.
            relation: The relation, or the prompt of edits without one.
            tag: One of the edit's tags.
            source: The edit's source.
            contains: Text anywhere in the edit's words, whatever the case.
            as_of: Only active edits that hold on this day; of one fact, the one that counts.
            limit: At most so many.
            offset: Pass over so many first.

        Raises:
            QueryError: ``as_of`` is not a date, or there is no such status.
        """
        self._require_namespace()
        if status not in get_args(ListedStatus):
            raise QueryError(
                f"status: there is no {status!r}.",
                hint=f"Use one of: {', '.join(get_args(ListedStatus))}.",
            )
        filters = {
            "status": None if status == "all" else status,
            "not_status": "rolled_back",
            "subject_or_alias": subject and name_key(subject),
            "relation": relation and name_key(relation.replace(SLOT, " ")),
            "tag": tag,
            "source": source,
        }
        with self._store.reading():
            if as_of is not None:
                filters["rows"] = as_list(self._rows_on(as_of))
            return queries.listed(
                self._store,
                self._namespace,
                filters,
                contains=contains,
                limit=limit,
                offset=offset,
            )

    def search(
        self, text: str, k: int = 10, *, as_of: Day | None = None
    ) -> builtins.list[SearchHit]:
        """Active edits nearest in meaning to ``text``; first those it names.

        Args:
            text: A question, a sentence or a name.
            k: At most so many.
            as_of: Only edits that count on this day.

        Raises:
            EncoderError: The store was made with another encoder.
            QueryError: ``text`` is empty, or ``as_of`` is not a date.
        """
        self._require_namespace()
        if not text.strip():
            raise QueryError("text: it is empty.", hint="Say what to search for.")
        text = text[:_MOST_CHARS]
        (vector,) = self.encoder.encode([text])
        with self._store.reading():
            return self._nearest_to(text, vector, k, as_of)

    def _nearest_to(
        self, text: str, vector: NDArray[Any], k: int, as_of: Day | None
    ) -> builtins.list[SearchHit]:
        rows = None if as_of is None else self._rows_on(as_of)
        named = set(queries.rows_named_in(self._store, self._namespace, text))
        if rows is not None:
            named &= set(rows)
        hits = dict(self._index.search(vector, k, rows=sorted(named)))
        hits |= {
            row: score for row, score in self._index.search(vector, k, rows=rows) if row not in hits
        }
        found = queries.records(self._store, f"e.row {IN_LIST}", [as_list(hits)])
        by_row = {record.row: record for record in found}
        return [
            SearchHit(by_row[row], score, "name" if row in named else "meaning")
            for row, score in hits.items()
        ][:k]

    def history(
        self, edit_id: str | None = None, *, limit: int | None = None
    ) -> builtins.list[Event]:
        """What was done to the namespace, or to one edit, oldest first.

        Args:
            edit_id: Only this edit, whatever became of it.
            limit: Only the last so many events.

        Raises:
            UnknownEditError: There is no such edit.
        """
        self._require_namespace()
        if edit_id is not None:
            self._require([edit_id], also=("erased", "rolled_back"))
        return queries.history(self._store, self._namespace, edit_id, limit)

    def conflicts(self, *, near: bool = False) -> builtins.list[Conflict]:
        """Active edits worth a second look.

        Two kinds always: one fact with different targets that hold on the same days (on which
        the later counts), and one name, subject or alias, that stands for several subjects.

        Args:
            near: Also edits of one subject with different targets and relations that are probably
                the same in other words: some of their phrases have a cosine of 0.9 or more.
        """
        self._require_namespace()
        return find_conflicts(self._store, self._namespace, near=near)

    def stats(self) -> Stats:
        """The memory in figures."""
        self._require_namespace()
        with self._store.reading():
            return queries.stats(self._store, self._namespace)

    def namespaces(self) -> dict[str, int]:
        """Every namespace of the store, with the number of its active edits."""
        return queries.namespaces(self._store)

    def export(self, path: str | Path, *, status: ListedStatus = "active") -> int:
        """Writes edits as JSONL, one a line as :meth:`~memedit.edit.Edit.to_json` gives it.

        The file is there whole or not at all. Erased edits have no words to write.

        Returns:
            How many were written.

        Raises:
            StoreError: The file cannot be written.
        """
        edits = [record.edit for record in self.list(status=status) if record.edit]
        try:
            write_atomically(Path(path), (f"{edit.to_json()}\n".encode() for edit in edits))
        except OSError as error:
            raise StoreError(
                f"The file {path} cannot be written ({error.strerror}).",
                hint="Give a path in a folder you may write to, with room on the disk.",
            ) from error
        return len(edits)

    # -- for routing -----------------------------------------------------------------------------

    def changes(self, since: int) -> Changes:
        """The records touched after revision ``since``, in their present state.

        Args:
            since: A revision seen before, or 0 to get every active edit.

        Returns:
            The records, and the revision to ask from next time. Of an edit that is erased or
            rolled back, the record has no words.
        """
        with self._store.reading():
            self._require_namespace()
            where = "e.revision > ?" if since else "e.status = 'active' AND e.revision > ?"
            found = queries.records(
                self._store, f"e.namespace = ? AND {where}", [self._namespace, since]
            )
            gone = "rolled_back"
            records = (replace(r, edit=None) if r.status == gone else r for r in found)
            return Changes(self.revision, tuple(records))

    def phrase_vectors(self, texts: Sequence[str]) -> Vectors:
        """Vectors of phrases (see :func:`memedit.scope.phrases.relation_phrases`).

        Args:
            texts: Phrases; those the store does not hold are encoded and kept.

        Returns:
            float32 ``[len(texts), dimension]``, unit length.

        Raises:
            EncoderError: The store was made with another encoder.
        """
        return self._embeddings.phrase_vectors(texts)

    def nearest(self, vector: NDArray[Any], k: int) -> builtins.list[tuple[str, float]]:
        """The active edits whose statements are nearest to a vector.

        Args:
            vector: Unit vector of the store's encoder, ``[dimension]``.
            k: At most so many.

        Returns:
            Ids with cosines, nearest first.

        Raises:
            QueryError: The vector has another dimension or numbers that are not finite.
        """
        self._require_namespace()
        with self._store.reading():
            hits = self._index.search(vector, k)
            ids = queries.ids_of_rows(self._store, [row for row, _ in hits])
        return [(ids[row], score) for row, score in hits]
