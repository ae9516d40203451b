"""``memedit calibrate``: the scope threshold of a namespace, and what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memedit.cli import options, output
from memedit.cli.session import session
from memedit.errors import QueryError, StoreError

if TYPE_CHECKING:
    from memedit.calibration import Report
    from memedit.evaluate.report.result import Bin
    from memedit.scope.conformal import Calibrated

_BASIS = {
    "own": "the memory's own probes",
    "blend": "the memory's own probes, filled up with the shipped sample",
    "shipped": "the shipped sample of probes",
    "default": "the shipped default",
}
_BAR = 20  # characters
_MOST_LISTED = 20


def calibrate(
    ctx: typer.Context,
    rate: Annotated[
        float | None,
        typer.Option(
            help="The share of near misses that may fire, above 0 and at most 0.5.",
            show_default="as before, at first 0.01",
        ),
    ] = None,
    traffic: Annotated[
        Path | None,
        typer.Option(help="Your own queries, one a line or JSONL; most of them out of scope."),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with the diagram here.")] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Drop what was settled for the namespace.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Set the threshold so that at most a given share of near misses fires, and show its promise.

    Near misses name an edited subject and ask for something else. They are made from the memory;
    queries of your own can be added. The threshold follows as edits come and go.
    """
    if reset:
        _reset(ctx, given=rate is not None or traffic is not None or report is not None)
        return
    from memedit.calibration import calibrate_namespace, read_queries
    from memedit.evaluate.report.calibration import reliability
    from memedit.scope.conformal import check_rate

    if rate is not None:
        check_rate(rate)
    queries = read_queries(traffic) if traffic else []
    with session(ctx).memory() as memory, output.working("Asking near misses ..."):
        made = calibrate_namespace(memory, rate, queries)
        namespace = memory.namespace
    bins = reliability(made.judged)
    if report:
        _write_page(report, namespace, made, bins)
    if json:
        output.as_json(_as_dict(made, bins))
        return
    output.table(["what", "value"], _facts(made))
    output.table(["probability", "queries", "right to answer", ""], map(_bin_row, bins))
    if made.traffic and made.traffic.likely:
        _tell_likely(made)


def _reset(ctx: typer.Context, *, given: bool) -> None:
    if given:
        raise QueryError(
            "--reset drops the calibration; another option was given with it.",
            hint="Reset first, then calibrate.",
        )
    with session(ctx).memory() as memory:
        memory.put_calibration(None)
    output.note("The namespace is back at the shipped settings.")


def _facts(made: Report) -> list[tuple[str, str]]:
    calibrated = made.calibrated
    rows = [
        ("live edits", f"{made.edits:,}, {made.sampled:,} of them sampled"),
        ("false fires asked for", f"at most {_percent(calibrated.rate)} of near misses"),
        *(
            (f"threshold, {form}s", f"{threshold:.6f}, from {_BASIS[calibrated.basis[form]]}")
            for form, threshold in calibrated.thresholds.items()
        ),
        *_promise(calibrated),
    ]
    if made.wordings:
        kept = _percent(made.recalled / made.wordings)
        rows.append(("the edits' own wordings", f"{kept} of {made.wordings:,} find their edit"))
    if made.traffic:
        t = made.traffic
        rows.append(("traffic", f"{t.queries:,} queries, {t.near:,} near an edit"))
        rows.append(("traffic that fires", f"{_percent(t.fired / t.queries)} ({t.fired:,})"))
    return rows


def _promise(calibrated: Calibrated) -> list[tuple[str, str]]:
    rows = []
    for form, fires in calibrated.fires.items():
        probes = len(calibrated.evidence[form].own)
        shipped = fires.n - probes
        made_of = f"{probes:,} probes" + (f" and {shipped:,.0f} shipped" if shipped else "")
        interval = f"{_percent(fires.low)} to {_percent(fires.high)}"
        rows.append((f"expected, {form}s", f"{_percent(fires.mean)} ({interval}; {made_of})"))
    if not calibrated.promised:
        certain = max(calibrated.thresholds.values()) >= 1.0
        why = "too many near misses are certain" if certain else "there are too few near misses"
        rows.append(("promise", f"none: {why}"))
    return rows


def _bin_row(one: Bin) -> tuple[str, str, str, str]:
    bar = "█" * round(one.accuracy * _BAR)
    return f"{one.low:.1f} to {one.high:.1f}", f"{one.n:,}", _percent(one.accuracy), bar


def _likely(made: Report) -> list[tuple[str, str, str]]:
    found = made.traffic.likely if made.traffic else ()
    return [(f"{d.probability:.3f}", d.question, d.candidates[0].edit.stated) for d in found]


def _tell_likely(made: Report) -> None:
    rows = _likely(made)
    output.note(
        f"{len(rows):,} queries are probably in scope and were left out of the calibration; if "
        "they ought not to fire, the edits below need other words:"
    )
    output.table(["probability", "query", "edit"], rows[:_MOST_LISTED])
    if len(rows) > _MOST_LISTED:
        output.note("--json and --report list all of them.")


def _as_dict(made: Report, bins: tuple[Bin, ...]) -> dict[str, Any]:
    calibrated, traffic = made.calibrated, made.traffic
    return {
        "thresholds": calibrated.thresholds,
        "rate": calibrated.rate,
        "promised": calibrated.promised,
        "basis": calibrated.basis,
        "probes": {form: len(one.own) for form, one in calibrated.evidence.items()},
        "expected": calibrated.fires,
        "edits": made.edits,
        "sampled": made.sampled,
        "wordings": made.wordings,
        "recall": made.recalled / made.wordings if made.wordings else None,
        "reliability": bins,
        "traffic": traffic
        and {
            "queries": traffic.queries,
            "near": traffic.near,
            "fired": traffic.fired,
            "likely_in_scope": [
                {"probability": d.probability, "query": d.question, "edit": d.candidates[0].edit.id}
                for d in traffic.likely
            ],
        },
    }


def _write_page(path: Path, namespace: str, made: Report, bins: tuple[Bin, ...]) -> None:
    from memedit.evaluate.report.calibration import calibration_page
    from memedit.files import write_atomically

    page = calibration_page(f"Calibration of {namespace}", _facts(made), bins, _likely(made))
    try:
        write_atomically(path, [page.encode()])
    except OSError as error:
        raise StoreError(
            f"The page {path} cannot be written ({error.strerror}).",
            hint="Give a path in a folder you may write to.",
        ) from error
    output.note(f"The page is at {path}.")


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
