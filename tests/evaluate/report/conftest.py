"""A made-up run: its result, what a method answered, and what the unedited model did."""

import pytest

from memedit.evaluate.metrics import Figure
from memedit.evaluate.outcome import Outcome, Output
from memedit.evaluate.report.result import (
    Bin,
    Cases,
    Data,
    Drop,
    FailedCase,
    Model,
    Result,
)


@pytest.fixture(scope="session")
def small() -> Result:
    """A result with nothing in it that may be missing."""
    return Result(
        suite="capitals",
        method="in_context",
        model=Model("tiny"),
        data=Data("counterfact", "capitals.json", "ab" * 32),
        code="0.1.0",
        key="c0ffee",
        k=("all",),
        protocol="batch",
        command="memedit eval capitals --method in_context",
        started="2026-01-02T03:04:05+00:00",
        finished="2026-01-02T03:05:05+00:00",
        seconds=60.0,
        cases=Cases(evaluated=3),
        metrics={},
    )


@pytest.fixture(scope="session")
def full() -> Result:
    """A result with everything: a sweep, a router, relations, failed and dropped cases."""
    return Result(
        suite="capitals",
        description="Capitals that moved.",
        method="memory",
        method_settings={"threshold": 0.5, "role": "counterfactual"},
        model=Model("tiny", "feed", "float32", "cpu"),
        data=Data("counterfact", "capitals.json", "ab" * 32, "made up"),
        code="0.1.0",
        key="c0ffee",
        seed=7,
        limit=100,
        k=("1", "10", "all"),
        protocol="batch",
        command="memedit eval capitals --k 1,10,all",
        started="2026-01-02T03:04:05+00:00",
        finished="2026-01-02T04:14:05+00:00",
        seconds=4200.0,
        machine={"processor": "some", "cores": 2},
        cases=Cases(
            evaluated=90,
            failed=2,
            dropped={"the target is already true": Drop(8, ("4", "9"))},
            failures=(FailedCase("12", "no subject"), FailedCase("13", "out of <memory>")),
        ),
        metrics={**_figures(0.1), "peak_rss_mb": Figure(1834.0, 1834.0, 1834.0, 1)},
        sweep={"1": _figures(0.0), "10": _figures(0.05), "all": _figures(0.1)},
        reliability_diagram=(Bin(0.0, 0.1, 4000, 0.02, 0.01), Bin(0.9, 1.0, 170, 0.97, 0.94)),
        latency=(0.012, 0.02, 0.021, 0.9),
        by_relation={
            "capital": {"reliability": (0.75, 40), "locality": (1.0, 200)},
            "": {"reliability": (0.5, 2)},
        },
    )


@pytest.fixture(scope="session")
def outcomes() -> list[Outcome]:
    """Five cases: a right one, three with faults, and one that failed."""
    right = _output("edit", "Perth is the capital.", ("Perth",), fires=True, route="counterfactual")
    wrong = _output(
        "edit",
        "It is <b>Canberra</b>.",
        ("Perth", "Perth, WA"),
        fires=True,
        route="counterfactual",
        right_edit=False,
        probability=0.93,
        trace={"edits": [{"id": "e1", "stated": "The capital of Peru is Oslo."}],
               "messages": [{"role": "user", "content": "asked\nthus"}]},
        hops=({"question": "Where is it?", "answer": "There.", "source": "base"},),
    )  # fmt: skip
    missed = _output("rephrase", "Canberra", ("Perth",), fires=True, route="base")
    changed = _output("locality", "Oslo", (), fires=False, route="counterfactual")
    return [
        Outcome("right", (right,)),
        Outcome("wrong", (wrong,), relation="capital"),
        Outcome("missed", (missed,)),
        Outcome("changed", (changed,)),
        Outcome("broken", failed="ValueError: <no> subject"),
    ]


@pytest.fixture(scope="session")
def base(outcomes) -> list[Outcome]:
    """The unedited model says "Lima" to everything."""
    return [
        Outcome(one.case, tuple(_output(o.kind, "Lima", o.answers) for o in one.outputs))
        for one in outcomes
    ]


def _output(kind: str, text: str, answers: tuple[str, ...], **more) -> Output:
    more.setdefault("right_edit", True if more.get("route") == "counterfactual" else None)
    return Output(f"<script>alert('{kind}')</script> What is it?", kind, text, answers, **more)


def _figures(down: float) -> dict[str, Figure]:
    return {
        "reliability": Figure(0.875 - down, 0.85 - down, 0.9 - down, 80, 0.0125),
        "es": Figure(0.95 - down, 0.925 - down, 0.975 - down, 80, 0.25),
        "scope.false_fire": Figure(0.01 + down, 0.0 + down, 0.02 + down, 400),
        "seconds_per_query": Figure(0.21, 0.2, 0.25, 480, 0.19),
        "novel.metric": Figure(1.5, 1.25, 1.75, 9),
    }
