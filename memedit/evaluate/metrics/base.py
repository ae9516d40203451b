"""What a metric is: observations of a case, and how the cases' sums become a figure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from memedit.errors import EvaluationError
from memedit.evaluate.metrics.statistics import FloatArray, ratio
from memedit.evaluate.outcome import Outcome, Output

# An output, and the unedited model's to the same query.
Pair = tuple[Output, Output | None]
Measured = Literal["generation", "teacher-forced", "routing", "efficiency"]
Better = Literal["higher", "lower"]


class MetricError(EvaluationError, ValueError):
    """Outcomes that do not belong together, or a metric that does not exist."""


@dataclass(frozen=True)
class View:
    """One case as a metric sees it.

    Attributes:
        outcome: What the method made of it with all edits live.
        base: What the unedited model made of it; None where that was not run or failed.
        own: In sequential editing, the test right after the case's own edits.
    """

    outcome: Outcome
    base: Outcome | None = None
    own: Outcome | None = None

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Each output with the unedited model's output to the same query, None without one.

        Raises:
            MetricError: The unedited model was asked something else.
        """
        outputs = self.outcome.outputs
        if self.base is None or self.base.failed is not None or not outputs:
            return tuple((output, None) for output in outputs)
        base = self.base.outputs
        if [output.prompt for output in base] != [output.prompt for output in outputs]:
            raise MetricError(
                f"case {self.outcome.case!r}: the base model's answers are to other queries.",
                hint="Run the base model on the same data and suite.",
            )
        return tuple(zip(outputs, base, strict=True))


# One entry for each thing the metric counts in a case; None where it cannot be measured (nothing
# was generated, say). A failed case gives the entries that it would have had.
Observe = Callable[[View], Sequence[float | None]]
Select = Callable[[Output], bool]
Judge = Callable[[Output, Output | None], float | None]


@dataclass(frozen=True, kw_only=True)
class Metric(ABC):
    """A figure's name, meaning and arithmetic.

    Attributes:
        name: Flat and dotted, as in a result's ``metrics``.
        definition: One sentence.
        source: The paper, section or code that defines it.
        measured: What it is measured on; teacher-forced figures leak the answer's length and its
            beginning, and are shown apart.
        better: Which way is good.
        unit: ``share`` (0…1) or a unit's name.
    """

    name: str
    definition: str
    source: str
    measured: Measured
    better: Better = "higher"
    unit: str = "share"

    @abstractmethod
    def row(self, view: View) -> list[float]:
        """A case's summands: first its number of observations, then what the metric needs."""

    @abstractmethod
    def combine(self, sums: FloatArray) -> FloatArray:
        """The figure from sums of rows over cases.

        Args:
            sums: Shape (..., columns), columns as in :meth:`row`.

        Returns:
            Shape (...); NaN where nothing was observed.
        """

    def fitted(self, outcomes: Iterable[Outcome]) -> Metric:
        """The metric ready for these outcomes; only metrics with a corpus need it."""
        return self


@dataclass(frozen=True, kw_only=True)
class Mean(Metric):
    """The mean of a case's observations, averaged over cases.

    Attributes:
        observe: A case's observations.
        pooled: Every observation weighs the same, rather than every case.
        worst: What each observation of a failed case counts; None: failed cases do not count.
        owed: Whether a failed case of which not even the queries are known (a malformed record)
            counts as one observation.
        at: Which test of a sequential run is judged.
    """

    observe: Observe
    pooled: bool = False
    worst: float | None = 0.0
    owed: bool = True
    at: Literal["end", "own"] = "end"

    def observations(self, view: View) -> list[float]:
        """The numbers that count for a case; a failed case's are the worst there are."""
        if self.at == "own":
            if view.own is None:
                return []
            view = View(view.own)  # asked fewer queries than the base model was
        seen = self.observe(view)
        if view.outcome.failed is None:
            return [value for value in seen if value is not None]
        if self.worst is None:
            return []
        malformed = self.owed and not view.outcome.outputs
        return [self.worst] * (1 if malformed else len(seen))

    def row(self, view: View) -> list[float]:
        """``[observations, sum, observations]`` if pooled, else ``[observations, mean, 1]``."""
        values = self.observations(view)
        n, total = float(len(values)), sum(values)
        if not values or self.pooled:
            return [n, total, n]
        return [n, total / n, 1.0]

    def combine(self, sums: FloatArray) -> FloatArray:
        """The mean."""
        return ratio(sums[..., 1], sums[..., 2])


def queries(select: Select, judge: Judge, *, grouped: bool = False) -> Observe:
    """Observations of the outputs that ``select`` takes, each as ``judge`` finds it.

    Args:
        select: What the metric is about. It must do with what is known of a query before it is
            answered, so that a failed case's queries are counted too.
        judge: An output (and the unedited model's) to a number, or None where that cannot be told.
        grouped: Whether outputs of one group make one observation, the best (test OR) or the worst
            (test AND) of theirs.
    """

    def observe(view: View) -> list[float | None]:
        chosen = [pair for pair in view.pairs if select(pair[0])]
        if not grouped:
            return [judge(*pair) for pair in chosen]
        return [tested(members, judge) for members in groups(chosen)]

    return observe


def groups(
    pairs: Sequence[Pair],
) -> list[list[Pair]]:
    """The pairs of each group in order; an output without a group is one by itself."""
    found: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for i, pair in enumerate(pairs):
        output = pair[0]
        found[(output.kind, output.group) if output.group else ("", str(i))].append(pair)
    return list(found.values())


def tested(members: Sequence[Pair], judge: Judge) -> float | None:
    """One group's result: any right (OR) or all right (AND); None where nothing was judged."""
    results = [result for pair in members if (result := judge(*pair)) is not None]
    if not results:
        return None
    return min(results) if members[0][0].test == "AND" else max(results)


def of_kind(*kinds: str) -> Select:
    """Selects outputs of these kinds."""
    return lambda output: output.kind in kinds


def answerable(*kinds: str) -> Select:
    """Selects outputs of these kinds whose right answers are known."""
    return lambda output: output.kind in kinds and bool(output.answers)


def uncontested(select: Select) -> Select:
    """``select`` without queries that an edit of another live case may rightly answer."""
    return lambda output: select(output) and not output.contested
