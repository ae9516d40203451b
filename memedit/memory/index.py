"""The vector index of one namespace: FAISS over the statements of its active edits.

It follows from the database and holds nothing of its own. Before each use it is brought to the
store's revision, from its file where there is a sound one, else from the stored vectors.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memedit.errors import QueryError, StoreError
from memedit.memory.embeddings import matrix
from memedit.memory.index_file import IndexFile
from memedit.memory.store import Store
from memedit.scope.encoder import Vectors

_log = logging.getLogger(__name__)

# Searching everything is exact and takes milliseconds up to here; above, an inverted file
# searches the cells near the query.
FLAT_LIMIT = 50_000
# A file spares reading the vectors one by one, which for few takes no time.
WORTH_SAVING = 2_000


@dataclass
class _Built:
    """An index and what it shows."""

    index: Any
    trained_on: int  # vectors when the cells were made; 0 for a flat index
    revision: int
    encoder: str | None
    unsaved: int  # vectors that differ from the file's


class VectorIndex:
    """Nearest statements by cosine.

    Args:
        store: Where the vectors are.
        namespace: Whose.
    """

    def __init__(self, store: Store, namespace: str) -> None:
        self._store = store
        self._namespace = namespace
        self._built: _Built | None = None
        self._file = IndexFile(store.index_folder, namespace) if store.index_folder else None

    def search(
        self, vector: NDArray[Any], k: int, *, rows: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """The ``k`` nearest edits, or fewer where there are fewer.

        Args:
            vector: ``[dimension]``, unit length.
            k: How many.
            rows: Search only among these rows, exactly.

        Returns:
            Rows and cosines, best first.

        Raises:
            QueryError: The vector has another dimension or numbers that are not finite.
        """
        built = self.refreshed()
        count = built.index.ntotal if rows is None else len(rows)
        query = np.ascontiguousarray(vector, dtype=np.float32).reshape(1, -1)
        k = min(k, count)
        if k <= 0:
            return []
        if query.shape[1] != built.index.d or not np.isfinite(query).all():
            raise QueryError(
                f"vector: it has {query.shape[1]} numbers, or some that are not finite.",
                hint=f"Give {built.index.d} finite numbers, as the store's encoder does.",
            )
        options = _search_options(built, rows)
        with _one_thread():
            scores, found = built.index.search(query, k, params=options)
        # Where fewer are found than asked for, FAISS fills up with -1.
        return [
            (int(row), float(score))
            for row, score in zip(found[0], scores[0], strict=True)
            if row >= 0
        ]

    def refreshed(self) -> _Built:
        """The index at the store's present revision."""
        with self._store.reading():
            revision, encoder, dimension = self._store.state()
            built = self._built or self._loaded(encoder)
            if built is None or built.encoder != encoder or built.revision > revision:
                built = self._rebuilt(revision, encoder, dimension)
            elif built.revision < revision:
                self._apply_changes(built, revision)
                if self._outgrown(built):
                    built = self._rebuilt(revision, encoder, dimension)
            self._built = built
            return built

    def rebuild(self) -> int:
        """Builds the index from the database and saves it.

        Returns:
            How many vectors it holds.
        """
        with self._store.reading():
            self._built = self._rebuilt(*self._store.state())
        self.save()
        return int(self._built.index.ntotal)

    def note_changes(self, count: int) -> None:
        """Saves the index after a mutation of many edits, so that the next process finds it."""
        if count >= WORTH_SAVING:
            self.save()

    def save_if_worthwhile(self) -> None:
        """Saves an index in use once it differs from its file by many vectors."""
        if self._built is not None and self._built.unsaved >= WORTH_SAVING:
            self.save()

    def save(self) -> None:
        """Writes the index file; a failure is logged, since the index can be rebuilt."""
        if self._file is None or self._store.read_only:
            return
        try:
            with self._file.locked():
                built = self.refreshed()
                header = {
                    "revision": built.revision,
                    "revision_time": self._time_of(built.revision),
                    "encoder": built.encoder,
                    "trained_on": built.trained_on,
                }
                self._file.write(header, built.index)
                built.unsaved = 0
        except (OSError, StoreError) as error:
            _log.warning("%s was not saved (%s)", self._file.path, error)

    def discard(self) -> None:
        """Forgets the index and deletes its file."""
        self._built = None
        if self._file is None or not self._file.path.parent.exists():
            return
        try:
            with self._file.locked():
                self._file.delete()
        except OSError as error:
            _log.warning("%s was not deleted (%s)", self._file.path, error)

    # -- building --------------------------------------------------------------------------------

    def _rebuilt(self, revision: int, encoder: str | None, dimension: int | None) -> _Built:
        found = self._store.rows(
            """SELECT e.row, v.vector FROM edits e JOIN vectors v USING (row)
            WHERE e.namespace = ? AND e.status = 'active' ORDER BY e.row""",
            [self._namespace],
        )
        rows = np.array([row for row, _ in found], dtype=np.int64)
        vectors = matrix([vector for _, vector in found], dimension or 1)
        cells = len(rows) > FLAT_LIMIT
        index = _with_cells(vectors) if cells else _flat(vectors.shape[1])
        if len(rows):
            index.add_with_ids(vectors, rows)
        return _Built(index, len(rows) if cells else 0, revision, encoder, len(rows))

    def _loaded(self, encoder: str | None) -> _Built | None:
        found = self._file.read() if self._file else None
        if found is None:
            return None
        header, index = found
        # In a file of another store, or of a past that a restored backup undid, the revision
        # was made at another time.
        revision = header["revision"]
        if header["encoder"] != encoder or header["revision_time"] != self._time_of(revision):
            return None
        return _Built(index, header["trained_on"], revision, encoder, 0)

    def _apply_changes(self, built: _Built, revision: int) -> None:
        import faiss

        changed = self._store.rows(
            """SELECT e.row, e.status, v.vector FROM edits e LEFT JOIN vectors v USING (row)
            WHERE e.namespace = ? AND e.revision > ?""",
            [self._namespace, built.revision],
        )
        if changed:
            rows = np.array([row for row, _, _ in changed], dtype=np.int64)
            built.index.remove_ids(faiss.IDSelectorBatch(rows))
        active = [(row, vector) for row, status, vector in changed if status == "active"]
        if active:
            rows = np.array([row for row, _ in active], dtype=np.int64)
            built.index.add_with_ids(matrix([vector for _, vector in active], built.index.d), rows)
        built.revision = revision
        built.unsaved += len(changed)

    def _outgrown(self, built: _Built) -> bool:
        count = built.index.ntotal
        if not built.trained_on:
            return bool(count > FLAT_LIMIT)
        return not FLAT_LIMIT / 2 < count < 4 * built.trained_on

    def _time_of(self, revision: int) -> str | None:
        found = self._store.rows("SELECT time FROM revisions WHERE revision = ?", [revision])
        return found[0][0] if found else None


def _flat(dimension: int) -> Any:
    import faiss

    return faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))


def _with_cells(vectors: Vectors) -> Any:
    """An empty inverted file whose cells are the clusters of ``vectors``."""
    import faiss

    count, dimension = vectors.shape
    cells = max(1, math.isqrt(count))
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(dimension), dimension, cells, faiss.METRIC_INNER_PRODUCT
    )
    # A rough clustering of a sample is enough to search by, and takes seconds, not minutes.
    index.cp.niter = 10
    index.cp.max_points_per_centroid = 64
    index.cp.min_points_per_centroid = 1
    index.cp.spherical = True
    index.train(vectors)
    # Edits about alike things share cells; an eighth of them holds nearly all neighbours.
    index.nprobe = max(8, cells // 8)
    return index


def _search_options(built: _Built, rows: Sequence[int] | None) -> Any:
    import faiss

    if rows is None:
        return None
    selector = faiss.IDSelectorBatch(np.array(rows, dtype=np.int64))
    # FAISS adds the keyword arguments at run time, unknown to its type stubs.
    flat: Any = faiss.SearchParameters
    cells: Any = faiss.SearchParametersIVF
    return cells(sel=selector, nprobe=built.index.nlist) if built.trained_on else flat(sel=selector)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """For one query, waking other threads takes longer than they save."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
