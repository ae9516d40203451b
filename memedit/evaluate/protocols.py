"""Which edits are live together, and when what is asked."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from memedit.edit import Edit
from memedit.errors import EvaluationError
from memedit.evaluate.cases import Case, Query
from memedit.evaluate.contested import LiveEdits
from memedit.evaluate.judging import Work, failed, reason_of
from memedit.evaluate.methods.contract import Method, Plan
from memedit.evaluate.outcome import Outcome
from memedit.evaluate.suite import Suite

log = logging.getLogger(__name__)

# In sequential editing, right after a case's own edits only these are asked; at the end all are.
OWN_KINDS = ("edit", "rephrase")

# (case, after): whether its outcome is on record already.
Done = Callable[[str, str], bool]
# Whether the unedited model answers the conditions of each of a case's queries.
Conditions = Callable[[Case], Sequence[bool | None]]


@dataclass(frozen=True)
class Failure:
    """A case that failed before a model was asked."""

    outcome: Outcome


def grouped(cases: Sequence[Case], k: str, seed: int) -> list[list[Case]]:
    """Cases whose edits are live together: all of them, or k at a time in a seeded random order."""
    if k == "all" or int(k) >= len(cases):
        return [list(cases)]
    order = list(cases)
    random.Random(seed).shuffle(order)
    return [order[i : i + int(k)] for i in range(0, len(order), int(k))]


class Protocol:
    """Applies edits of groups of cases and plans their queries.

    :meth:`batch` and :meth:`sequential` give what is to be answered, in lists. A list's plans hold
    at least until the next one is asked for. After a group every edit is reverted, and it is
    checked that the method is what it was before.

    Args:
        method: The method under test.
        suite: What is asked.
        conditions: Whether the unedited model answers each query's conditions.
        done: What need not be asked again.
    """

    def __init__(self, method: Method, suite: Suite, conditions: Conditions, done: Done) -> None:
        self.method = method
        self.suite = suite
        self.conditions = conditions
        self.done = done
        self._refused: dict[str, str] = {}

    def batch(self, group: Sequence[Case]) -> Iterator[list[Work | Failure]]:
        """All edits of the group, then every query."""
        if all(self.done(case.id, "end") for case in group):
            return
        before = self.method.state()
        try:
            seconds = self._apply(group) / len(group)
            yield self._planned(group, group, "end", seconds)
        finally:
            self._revert(before)

    def sequential(self, group: Sequence[Case]) -> Iterator[list[Work | Failure]]:
        """One case's edits after the other, each asked at once; all asked again at the end."""
        if all(self.done(case.id, after) for case in group for after in ("own", "end")):
            return
        before = self.method.state()
        try:
            for n, case in enumerate(group, 1):
                seconds = self._apply([case])
                yield self._planned([case], group[:n], "own", seconds)
            yield self._planned(group, group, "end", 0.0)
        finally:
            self._revert(before)

    # -- edits -----------------------------------------------------------------------------------

    def _apply(self, cases: Sequence[Case]) -> float:
        """Applies the cases' edits; those that are refused are remembered. Returns seconds."""
        edits = list({edit.id: edit for case in cases for edit in case.edits}.values())
        started = time.perf_counter()
        if edits:
            self._apply_edits(edits)
        return time.perf_counter() - started

    def _apply_edits(self, edits: list[Edit]) -> None:
        try:
            self.method.apply(edits)
        except Exception as error:  # noqa: BLE001 - a refused edit is a result, not the end
            if len(edits) == 1:
                log.warning("edit %s was refused: %s", edits[0].id, reason_of(error))
                self._refused[edits[0].id] = reason_of(error)
                return
            middle = len(edits) // 2
            self._apply_edits(edits[:middle])
            self._apply_edits(edits[middle:])

    def _revert(self, before: str) -> None:
        self.method.revert()
        self._refused.clear()
        if self.method.state() != before:
            raise EvaluationError(
                f"method {self.method.name!r}: after the revert it is not what it was before.",
                hint="Its results would depend on the order of the cases; mend its revert().",
            )

    # -- queries ---------------------------------------------------------------------------------

    def _planned(
        self, cases: Sequence[Case], live: Sequence[Case], after: str, seconds: float
    ) -> list[Work | Failure]:
        """The planned queries of those cases that have not been asked yet."""
        open_cases = [case for case in cases if not self.done(case.id, after)]
        asked = {case.id: self._queries(case, after) for case in open_cases}
        edits = LiveEdits(live)
        plans = self._plans(open_cases, asked)
        works: list[Work | Failure] = []
        for case in open_cases:
            queries, planned = asked[case.id], plans[case.id]
            refused = [self._refused[e.id] for e in case.edits if e.id in self._refused]
            if refused:
                planned = f"its edit was refused: {refused[0]}"
            if isinstance(planned, str):
                works.append(Failure(failed(case, queries, planned, after)))
                continue
            met = dict(zip(self.suite.queries(case), self.conditions(case), strict=True))
            work = Work(
                case,
                queries,
                planned,
                contested=edits.contested(case, queries),
                conditions_met=[met[query] for query in queries],
                after=after,
                edit_seconds=seconds,
            )
            works.append(work)
        return works

    def _queries(self, case: Case, after: str) -> list[Query]:
        queries = self.suite.queries(case)
        return [q for q in queries if after == "end" or q.kind in OWN_KINDS]

    def _plans(
        self, cases: Sequence[Case], asked: dict[str, list[Query]]
    ) -> dict[str, list[Plan] | str]:
        """The plans of each case's queries, or why there are none."""
        prompts = [query.prompt for case in cases for query in asked[case.id]]
        try:
            plans = iter(self.method.plan(prompts))
        except Exception as error:  # noqa: BLE001 - a case that cannot be planned is a result
            if len(cases) == 1:
                return {cases[0].id: reason_of(error)}
            return {case.id: self._plans([case], asked)[case.id] for case in cases}
        return {case.id: [next(plans) for _ in asked[case.id]] for case in cases}
