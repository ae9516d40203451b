"""What a namespace's scope threshold rests on, kept with its edits: scores, and no words."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memedit.errors import StoreLockedError
from memedit.memory.queries import IN_LIST, as_list
from memedit.memory.reading import MemoryReader
from memedit.memory.writing import write_empty_revision

if TYPE_CHECKING:
    from memedit.scope.conformal import Form
    from memedit.scope.probes import ProbeScores

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """What ``memedit calibrate`` settled for a namespace.

    Args:
        rate: The wanted false-fire rate, 0…0.5.
        scorer: Digest of what scored the user's traffic; None where there was none.
        queries: How many queries of the traffic were read.
        scores: Those that count as out of scope and near, by form.
        time: When (UTC); set by the store.
    """

    rate: float
    scorer: str | None = None
    queries: int = 0
    scores: Mapping[Form, Sequence[float]] = field(default_factory=dict)
    time: dt.datetime | None = None


class CalibratedMemory(MemoryReader):
    """The part of the facade that keeps calibrations; see :class:`memedit.EditMemory`."""

    def calibration(self) -> StoredCalibration | None:
        """What was settled for the namespace; None where nothing was."""
        found = self._store.rows(
            "SELECT rate, scorer, queries, scores, time FROM calibrations WHERE namespace = ?",
            [self._namespace],
        )
        for rate, scorer, queries, scores, time in found:
            when = dt.datetime.fromisoformat(time)
            return StoredCalibration(rate, scorer, queries, json.loads(scores), when)
        return None

    def put_calibration(
        self, calibration: StoredCalibration | None, *, actor: str | None = None
    ) -> None:
        """Settles the namespace's calibration, as a new revision without events.

        The revision makes other processes look again.

        Args:
            calibration: What holds from now on; None to go back to the shipped settings.
            actor: Who, for the history.

        Raises:
            UnknownNamespaceError: There is no such namespace.
        """
        self._require_namespace()
        with self._store.writing() as connection:
            connection.execute("DELETE FROM calibrations WHERE namespace = ?", [self._namespace])
            if calibration is not None:
                connection.execute(
                    "INSERT INTO calibrations VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        self._namespace,
                        calibration.rate,
                        dt.datetime.now(dt.UTC).isoformat(timespec="microseconds"),
                        calibration.scorer,
                        calibration.queries,
                        json.dumps(calibration.scores),
                    ),
                )
            reason = "calibrated" if calibration else "calibration dropped"
            write_empty_revision(connection, self._occasion(reason, actor))

    def probe_scores(self) -> dict[str, tuple[str, ProbeScores]]:
        """The kept scores of the namespace's probes by edit id, each with its digest."""
        found = self._store.rows(
            """SELECT e.id, kept.digest, kept.scores FROM probe_scores kept JOIN edits e USING (row)
            WHERE e.namespace = ?""",
            [self._namespace],
        )
        return {edit_id: (digest, json.loads(scores)) for edit_id, digest, scores in found}

    def keep_probe_scores(
        self, scores: Mapping[str, tuple[str, ProbeScores]], gone: Iterable[str] = ()
    ) -> None:
        """Keeps scores of probes, so that no process has to make them again.

        They follow from the edits and are no change of the memory: there is no new revision. A
        store that cannot be written now goes without.

        Args:
            scores: By edit id, each with a digest of what it depends on.
            gone: Ids of edits whose scores are no longer needed.
        """
        if self._store.read_only:
            return
        lost = as_list(gone)
        try:
            with self._store.writing() as connection:
                connection.execute(
                    f"""DELETE FROM probe_scores
                    WHERE row IN (SELECT row FROM edits WHERE namespace = ? AND id {IN_LIST})""",
                    [self._namespace, lost],
                )
                # An edit erased meanwhile has no words any more, and no scores either.
                connection.executemany(
                    """INSERT OR REPLACE INTO probe_scores (row, digest, scores)
                    SELECT row, ?, ? FROM edits
                    WHERE namespace = ? AND id = ? AND status <> 'erased'""",
                    [
                        (digest, json.dumps(by_form), self._namespace, edit_id)
                        for edit_id, (digest, by_form) in scores.items()
                    ],
                )
        except StoreLockedError:
            _log.info("%d probe scores were not kept: the store is being written", len(scores))
