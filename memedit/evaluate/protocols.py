"""Which edits are live together, and when what is asked."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from memedit.edit import Edit
from memedit.errors import EvaluationError
from memedit.evaluate.cases import Case, Query
from memedit.evaluate.contested import LiveEdits
from memedit.evaluate.facts import live_facts
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


Steps = Generator[list[Work | Failure], None, None]


def grouped(cases: Sequence[Case], k: str, seed: int) -> list[list[Case]]:
    """Cases whose edits are live together: all of them, or k at a time in a seeded random order."""
    if k == "all" or int(k) >= len(cases):
        return [list(cases)]
    order = list(cases)
    random.Random(seed).shuffle(order)
    return [order[i : i + int(k)] for i in range(0, len(order), int(k))]


def drawn(cases: Sequence[Case], n: int | None, seed: int) -> list[Case]:
    """``n`` random cases in their order; all of them where None or where there are no more."""
    if n is None or n >= len(cases):
        return list(cases)
    places = random.Random(seed).sample(range(len(cases)), n)
    return [cases[place] for place in sorted(places)]


class Protocol:
    """Applies edits of groups of cases and plans their queries.

    :meth:`batch` and :meth:`sequential` give what is to be answered, in lists. A list's plans hold
    at least until the next one is asked for. After a group every edit is reverted, and it is
    checked that the method is what it was before. Close a generator that is not read to its end,
    so that it reverts.

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
        self._live: set[str] = set()  # ids of the edits that have been applied
        self._facts: set[str] = set()  # ids of the facts that lie beside them
        self._refused: dict[str, str] = {}
        self._ahead: dict[str, float] = {}  # seconds spent on edits before they are applied

    def batch(self, group: Sequence[Case]) -> Steps:
        """All edits of the group, then every query."""
        if all(self.done(case.id, "end") for case in group):
            return
        with self.reverting():
            share = self.apply(group) / len(group)
            seconds = {case.id: share for case in group}
            yield self._planned(group, LiveEdits(group), "end", seconds)

    def sequential(self, group: Sequence[Case]) -> Steps:
        """The edits of some cases after the other, asked at once; all asked again at the end."""
        if all(self.done(case.id, after) for case in group for after in ("own", "end")):
            return
        seconds: dict[str, float] = {}
        with self.reverting():
            live = LiveEdits()
            for portion in self.portions(group):
                share = self.apply(portion) / len(portion)
                for case in portion:
                    seconds[case.id] = share
                    live.add(case)
                yield self._planned(portion, live, "own", seconds)
            yield self._planned(group, live, "end", seconds)

    # -- edits -----------------------------------------------------------------------------------

    def ahead(self, groups: Sequence[Sequence[Case]]) -> None:
        """Lets the method compute those groups together that are a single edit."""
        if self.suite.setting != "end-to-end":  # facts lie beside every edit
            return
        alone = [group[0].edits[0] for group in groups if [len(c.edits) for c in group] == [1]]
        started = time.perf_counter()
        self.method.ahead(alone)
        seconds = time.perf_counter() - started
        self._ahead = {edit.id: seconds / len(alone) for edit in alone}

    def portions(self, group: Sequence[Case]) -> list[Sequence[Case]]:
        """The cases of a group whose edits are applied together in sequential editing, in order."""
        size = self.suite.batch_size
        return [group[start : start + size] for start in range(0, len(group), size)]

    @contextmanager
    def reverting(self) -> Iterator[None]:
        """Reverts every edit at the end of the block.

        Raises:
            EvaluationError: The method is then not what it was before.
        """
        before = self.method.state()
        try:
            yield
        finally:
            self.method.revert()
            self._live.clear()
            self._facts.clear()
            self._refused.clear()
            if self.method.state() != before:
                raise EvaluationError(
                    f"method {self.method.name!r}: after the revert it is not what it was before.",
                    hint="Its results would depend on the order of the cases; mend its revert().",
                )

    def apply(self, cases: Sequence[Case]) -> float:
        """Applies the cases' edits, each once however many cases make it; returns seconds.

        Edits that are refused are remembered, see :meth:`refusal`.
        """
        facts = {fact.id: fact for fact in live_facts(cases, self.suite.setting)}
        beside = [fact for fact in facts.values() if fact.id not in self._facts]
        if beside:
            self._facts.update(fact.id for fact in beside)
            self.method.apply(beside)
        edits = {edit.id: edit for case in cases for edit in case.edits}
        new = [edit for edit in edits.values() if edit.id not in self._live]
        if not new:
            return 0.0
        started = time.perf_counter()
        self._refused |= (refused := self.method.refusals(new))
        for edit_id, reason in refused.items():
            log.warning("edit %s was refused: %s", edit_id, reason)
        self._apply_edits([edit for edit in new if edit.id not in refused])
        spent = sum(self._ahead.pop(edit.id, 0.0) for edit in new)
        return time.perf_counter() - started + spent

    def refusal(self, case: Case) -> str | None:
        """Why one of the case's edits is not live; None where all are."""
        refused = [self._refused[edit.id] for edit in case.edits if edit.id in self._refused]
        return f"its edit was refused: {refused[0]}" if refused else None

    def _apply_edits(self, edits: list[Edit]) -> None:
        if not edits:
            return
        try:
            self.method.apply(edits)
        except Exception as error:  # noqa: BLE001 - a refused edit is a result, not the end
            reason = reason_of(error)
        else:
            for edit in edits:
                self._live.add(edit.id)
                self._refused.pop(edit.id, None)
            return
        if len(edits) == 1:
            log.warning("edit %s was refused: %s", edits[0].id, reason)
            self._refused[edits[0].id] = reason
            return
        middle = len(edits) // 2
        self._apply_edits(edits[:middle])
        self._apply_edits(edits[middle:])

    # -- queries ---------------------------------------------------------------------------------

    def _planned(
        self, cases: Sequence[Case], live: LiveEdits, after: str, seconds: dict[str, float]
    ) -> list[Work | Failure]:
        """The planned queries of those cases that have not been asked yet."""
        open_cases = [case for case in cases if not self.done(case.id, after)]
        asked = {case.id: self._queries(case, after) for case in open_cases}
        plans = self._plans(open_cases, asked)
        return [
            self._work(
                Work(
                    case,
                    asked[case.id],
                    contested=live.contested(case, asked[case.id]),
                    after=after,
                    live=len(self._live),
                    edit_seconds=seconds[case.id],
                ),
                plans[case.id],
            )
            for case in open_cases
        ]

    def _work(self, work: Work, planned: list[Plan] | str) -> Work | Failure:
        """The work with its plans and conditions, or why it cannot be done."""
        refusal = self.refusal(work.case)
        if refusal or isinstance(planned, str):
            return Failure(failed(work, refusal or str(planned)))
        try:
            met = self.conditions(work.case)
        except Exception as error:  # noqa: BLE001 - what a model raises is a result, not the end
            return Failure(failed(work, reason_of(error)))
        by_query = dict(zip(self.suite.queries(work.case), met, strict=True))
        conditions_met = [by_query[query] for query in work.queries]
        return replace(work, plans=planned, conditions_met=conditions_met)

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
        else:
            return {case.id: [next(plans) for _ in asked[case.id]] for case in cases}
        middle = len(cases) // 2
        return self._plans(cases[:middle], asked) | self._plans(cases[middle:], asked)
