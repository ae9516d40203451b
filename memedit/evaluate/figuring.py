"""From a run's recorded outcomes to its figures; also again, long after the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from memedit.errors import EvaluationError
from memedit.evaluate.alone import Alone, alone_figures
from memedit.evaluate.folder import (
    ALONE,
    BASE,
    MANIFEST,
    NEUTRAL,
    RESULT,
    RunFolder,
    outcomes_name,
)
from memedit.evaluate.machine import code_version
from memedit.evaluate.metrics import METRICS, Figure, by_relation, figures, reliability_bins
from memedit.evaluate.neutral import neutral_figures
from memedit.evaluate.outcome import Outcome
from memedit.evaluate.report.plots import RELATION_METRICS
from memedit.evaluate.report.result import Result
from memedit.evaluate.suite import Suite

LATENCIES = 2000
# Measured of the process that ran; no outcome tells them.
PEAKS = ("peak_rss_mb", "peak_gpu_mb")


def figured(folder: RunFolder, suite: Suite, seed: int, peaks: dict[str, Figure]) -> dict[str, Any]:
    """Those parts of a result that follow from the outcomes, JSON-ready.

    Args:
        folder: The run's folder, every outcome in it.
        suite: The suite.
        seed: Of the bootstrap.
        peaks: The peak memory of the process that ran.
    """
    outcomes = {k: folder.outcomes(outcomes_name(k)) for k in suite.k}
    recorded = folder.outcomes(BASE)
    alone = [Alone.from_dict(line) for line in folder.lines(ALONE)]
    largest = suite.k[-1]
    ends = [outcome for outcome in outcomes[largest] if outcome.after == "end"]
    failed = {outcome.case for outcome in ends if outcome.failed is not None}
    # A case on which only the base failed would make the base look worse than it is.
    base = [o for o in recorded if o.failed is None or o.case in failed]
    neutral = folder.lines(NEUTRAL)
    sweep = {
        k: _figures(found, base, suite, seed) | neutral_figures(neutral, k)
        for k, found in outcomes.items()
    }
    sweep[largest] |= alone_figures(alone, ends) | peaks
    failures = [outcome for outcome in ends if outcome.failed is not None]
    return {
        "counts": {
            "evaluated": len(ends),
            "failed": len(failures),
            "base_failed": len(recorded) - len(base),
            "contested": sum(output.contested for o in ends for output in o.outputs),
            "failures": [{"case": o.case, "reason": str(o.failed)} for o in failures],
        },
        "metrics": _json(sweep[largest]),
        "sweep": {k: _json(found) for k, found in sweep.items()},
        "reliability_diagram": reliability_bins(ends),
        "latency": [answer.seconds for answer in alone][:LATENCIES],
        "by_relation": _by_relation(ends, base),
    }


def figured_again(path: Path) -> Result:
    """A finished run's result with every figure computed anew from its outcomes.

    For metrics that have changed or come new since the run. Nothing is asked of a model. The
    result says which code answered and which computed.

    Args:
        path: The run's folder; its result is replaced.

    Raises:
        EvaluationError: The run is not finished, or its outcomes are not in the folder.
    """
    folder = RunFolder(path)
    try:
        manifest, recorded = folder.read_json(MANIFEST), folder.read_json(RESULT)
        if manifest is None or recorded is None:
            raise EvaluationError(
                f"run: {str(path)!r} holds no finished run with its outcomes.",
                hint="Give the folder of a run that has a result.",
            )
        old = Result.from_dict(recorded, name=str(path / RESULT))
        suite = Suite.model_validate(manifest["identity"]["suite"])
        peaks = {name: old.metrics[name] for name in PEAKS if name in old.metrics}
        parts = figured(folder, suite, old.seed, peaks)
        answered = old.code.split(", figures by ")[0]
        code = (
            answered if answered == code_version() else f"{answered}, figures by {code_version()}"
        )
        cases = {**recorded["cases"], **parts.pop("counts")}
        result = Result.from_dict({**recorded, **parts, "cases": cases, "code": code})
        folder.write_json(RESULT, result.to_dict())
        return result
    finally:
        folder.close()


def _figures(
    outcomes: Sequence[Outcome], base: Sequence[Outcome], suite: Suite, seed: int
) -> dict[str, Figure]:
    names = [
        name
        for name in METRICS
        if not any(fnmatchcase(name, pattern) for pattern in suite.leave_out)
    ]
    return figures(outcomes, base, names=names, seed=seed)


def _by_relation(
    outcomes: Sequence[Outcome], base: Sequence[Outcome]
) -> dict[str, dict[str, tuple[float, int]]]:
    table: dict[str, dict[str, tuple[float, int]]] = {}
    for metric in RELATION_METRICS:
        for relation, cell in by_relation(outcomes, metric, base).items():
            table.setdefault(relation, {})[metric] = cell
    return table


def _json(found: dict[str, Figure]) -> dict[str, Any]:
    return {name: asdict(figure) for name, figure in found.items()}
