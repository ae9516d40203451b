"""A namespace's threshold, kept true as its edits come and go.

memory → its sampled edits → probes → scores (kept in the store) → conformal threshold
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from memedit.edit import Edit
from memedit.errors import QueryError
from memedit.importers.files import read_text
from memedit.memory import EditMemory
from memedit.memory.calibrations import StoredCalibration
from memedit.memory.records import EditRecord
from memedit.scope.bank import Bank
from memedit.scope.classifier import DEFAULT_THRESHOLD, ScopeClassifier
from memedit.scope.conformal import (
    DEFAULT_RATE,
    FORMS,
    Calibrated,
    Form,
    calibrate,
    check_rate,
    shipped_scores,
)
from memedit.scope.decision import Decision
from memedit.scope.probes import (
    ProbeSample,
    ProbeScores,
    decide_all,
    form_of,
    score_probes,
    scorer_digest,
)

# A query of the user's traffic that is as sure as this to be in scope is set aside.
LIKELY_IN_SCOPE = 0.9


class Calibrator:
    """The threshold of one memory at a false-fire rate.

    Edits that come or go add or remove their own probes; only new probes are scored, and the
    threshold is computed from all kept scores.

    Args:
        memory: The edits; probe scores are kept in its store.
        rate: Wanted false-fire rate; the one settled for the namespace, or
            :data:`~memedit.scope.conformal.DEFAULT_RATE`, where None.

    Raises:
        QueryError: There is no such rate.
    """

    def __init__(self, memory: EditMemory, rate: float | None = None) -> None:
        self.memory = memory
        self.sample: ProbeSample | None = None
        self._rate = None if rate is None else check_rate(rate)
        self._kept: dict[str, tuple[str, ProbeScores]] | None = None

    def reset(self) -> None:
        """Forgets every edit, to be told of them anew."""
        self.sample = None
        self._kept = None

    def score_anew(self) -> None:
        """Lets every probe be scored again, also those whose scores are kept."""
        self._kept = {}

    def update(self, records: Iterable[EditRecord]) -> None:
        """Takes in the records of edits that came, changed or went."""
        if self.sample is None:
            bank = Bank.load(self.memory.encoder)
            self.sample = ProbeSample(bank, self.memory.phrase_vectors)
        live: list[Edit] = []
        for record in records:
            if record.status == "active" and record.edit is not None:
                live.append(record.edit)
            else:
                self.sample.drop(record.id)
        self.sample.put(live)

    def calibrated(
        self, scope: ScopeClassifier, *, settled: StoredCalibration | None
    ) -> Calibrated:
        """The thresholds for the edits as they are.

        Args:
            scope: The classifier with all live edits.
            settled: What is settled for the namespace.
        """
        scorer = scorer_digest(scope)
        own = self._own_scores(scope, scorer)
        if settled is not None and settled.scorer == scorer:
            for form in FORMS:
                own[form] += [[score] for score in settled.scores.get(form, ())]
        rate = self._rate or (settled.rate if settled else DEFAULT_RATE)
        return calibrate(own, shipped_scores(scorer), rate, default=DEFAULT_THRESHOLD)

    def _own_scores(self, scope: ScopeClassifier, scorer: str) -> dict[Form, list[list[float]]]:
        """The scores of the sampled edits' probes by form, those of one edit together."""
        sampled = self.sample.sampled() if self.sample else {}
        if self._kept is None:
            self._kept = self.memory.probe_scores()
        digests = {edit_id: f"{scorer}:{probed.digest}" for edit_id, probed in sampled.items()}
        due = {
            edit_id: sampled[edit_id].probes
            for edit_id, digest in digests.items()
            if self._kept.get(edit_id, ("",))[0] != digest
        }
        gone = self._kept.keys() - sampled.keys()
        if due or gone:
            fresh = score_probes(scope, due, self.memory.nearest)
            new = {edit_id: (digests[edit_id], scores) for edit_id, scores in fresh.items()}
            self._kept = {i: kept for i, kept in self._kept.items() if i in sampled} | new
            self.memory.keep_probe_scores(new, gone)
        return {form: [self._kept[edit_id][1][form] for edit_id in sampled] for form in FORMS}


@dataclass(frozen=True)
class Traffic:
    """What a user's own queries, of which nobody said what is right, tell.

    Attributes:
        queries: How many there are.
        near: How many of them name a live subject or are near to an edit in meaning.
        fired: How many reach the threshold of their form.
        likely: Decisions on those that are probably in scope, the surest first; they are for the
            user to look at and took no part in the calibration.
    """

    queries: int
    near: int
    fired: int
    likely: tuple[Decision, ...]


@dataclass(frozen=True)
class Report:
    """A calibration with what it was made from.

    Attributes:
        calibrated: The threshold and its promise.
        edits: Number of live edits.
        sampled: Number of edits whose subjects were asked about.
        wordings: Number of the sampled edits' own prompts, questions and paraphrases.
        recalled: How many of these still find their edit.
        judged: Every probability with whether the surest edit is right to answer: of the probes
            and of the edits' own wordings.
        traffic: What the user's own queries tell, where there were any.
    """

    calibrated: Calibrated
    edits: int
    sampled: int
    wordings: int
    recalled: int
    judged: tuple[tuple[float, bool], ...]
    traffic: Traffic | None


def calibrate_namespace(
    memory: EditMemory, rate: float | None = None, queries: Sequence[str] = ()
) -> Report:
    """Calibrates a namespace from scratch and settles the result in its store.

    Every probe is scored anew. Queries of the user's traffic that name a live subject, or are near
    to an edit in meaning, join the probes unless they are probably in scope; all others would
    only dilute them, since the promise is about near misses. Those settled before stay where
    no new ones are given.

    Args:
        memory: The edits.
        rate: Wanted false-fire rate; what was settled before, or the default, where None.
        queries: The user's own queries.

    Raises:
        QueryError: No edit is live, a query is far too long, or there is no such rate.
        StoreError: The store cannot be written.
    """
    calibrator = Calibrator(memory, rate)
    if not len(memory):
        raise QueryError(
            f"namespace {memory.namespace!r}: it has no live edit to calibrate for.",
            hint="Add edits first, or name another namespace.",
        )
    scope = ScopeClassifier(memory.encoder)
    records = memory.changes(0).records
    scope.put([(r.edit, r.rank) for r in records if r.edit], memory.phrase_vectors)
    calibrator.update(records)
    calibrator.score_anew()
    before = memory.calibration()
    settled = StoredCalibration(
        rate=rate or (before.rate if before else DEFAULT_RATE),
        scorer=before.scorer if before else None,
        queries=before.queries if before else 0,
        scores=before.scores if before else {},
    )
    decisions = list(decide_all(scope, list(queries), memory.nearest))
    if queries:
        settled = StoredCalibration(
            settled.rate, scorer_digest(scope), len(queries), _out_of_scope(queries, decisions)
        )
    calibrated = calibrator.calibrated(scope, settled=settled)
    scope.thresholds = calibrated.thresholds
    memory.put_calibration(settled)
    assert calibrator.sample is not None
    own = _own_wordings(scope, calibrator.sample, memory)
    return Report(
        calibrated=calibrated,
        edits=len(memory),
        sampled=len(calibrator.sample.sampled()),
        wordings=len(own),
        recalled=sum(right and decision.candidates[0].in_scope for decision, right in own),
        judged=(
            *((decision.probability, right) for decision, right in own),
            *((score, False) for score in _scores(calibrated)),
        ),
        traffic=_traffic(queries, decisions, calibrated) if queries else None,
    )


def read_queries(path: Path) -> list[str]:
    """The queries of a file: one a line, or JSONL objects with a ``query``.

    Args:
        path: The file, plain or gzipped; empty lines are passed over.

    Raises:
        ImportFormatError: The file cannot be read or is not UTF-8.
        QueryError: It holds no query, or a line is no object with one.
    """
    queries = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            queries.append(_query_of(line.strip(), f"{path.name}:{number}"))
    if not queries:
        raise QueryError(
            f"traffic: {str(path)!r} holds no query.",
            hint='Write one query a line, or JSONL such as {"query": "..."}.',
        )
    return queries


def _query_of(line: str, where: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        query = json.loads(line)["query"]
    except (ValueError, KeyError) as error:
        raise QueryError(
            f"{where}: {line:.60} is no JSON object with a query ({error}).",
            hint='Write {"query": "..."} on the line, or the query itself.',
        ) from None
    if not isinstance(query, str) or not query.strip():
        raise QueryError(f"{where}: query: {query!r} is no text.", hint="Say what was asked.")
    return query


def _out_of_scope(queries: Sequence[str], decisions: Sequence[Decision]) -> dict[Form, list[float]]:
    scores: dict[Form, list[float]] = {form: [] for form in FORMS}
    for query, decision in zip(queries, decisions, strict=True):
        if decision.candidates and decision.probability < LIKELY_IN_SCOPE:
            scores[form_of(query, decision)].append(decision.probability)
    return scores


def _traffic(
    queries: Sequence[str], decisions: Sequence[Decision], calibrated: Calibrated
) -> Traffic:
    fired = [
        bool(d.candidates) and d.probability >= calibrated.thresholds[form_of(query, d)]
        for query, d in zip(queries, decisions, strict=True)
    ]
    likely = [d for d in decisions if d.probability >= LIKELY_IN_SCOPE]
    return Traffic(
        queries=len(decisions),
        near=sum(bool(d.candidates) for d in decisions),
        fired=sum(fired),
        likely=tuple(sorted(likely, key=lambda d: -d.probability)),
    )


def _own_wordings(
    scope: ScopeClassifier, sample: ProbeSample, memory: EditMemory
) -> list[tuple[Decision, bool]]:
    """The decision on each wording of the sampled edits of today, and if its edit comes first."""
    today = dt.date.today()
    own = [(edit, text) for edit, text in sample.wordings() if edit.holds_on(today)]
    decisions = decide_all(scope, [text for _, text in own], memory.nearest)
    return [
        (d, bool(d.candidates) and d.candidates[0].edit.key == edit.key)
        for (edit, _), d in zip(own, decisions, strict=True)
    ]


def _scores(calibrated: Calibrated) -> list[float]:
    """Every own score out of scope."""
    return [float(x) for one in calibrated.evidence.values() for x in one.own]
