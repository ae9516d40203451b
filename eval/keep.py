"""Keeps runs among the recorded results: ``python eval/keep.py RUN_FOLDER ...``.

Copies each run's result and Markdown report to ``eval/results/SUITE-METHOD-DTYPE.{json,md}`` and
writes the overview ``eval/results/README.md`` anew from every result there.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from memedit.evaluate.report.result import Result, read_result

RESULTS = Path(__file__).parent / "results"
NO_RUNS = ("bake", "commonsense", "floor", "multihop", "scope", "trace")  # what benchmarks wrote
COLUMNS = (
    "reliability",
    "generalization",
    "locality",
    "portability.alias",
    "portability.reverse",
    "portability.one_hop",
    "score",
    "commonsense.score",
    "answers.repetition",
    "scope.recall",
    "scope.false_fire",
)


def main() -> None:
    """Copies the runs and writes the overview."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="*", help="folders of finished runs")
    for run in parser.parse_args().runs:
        name = name_of(read_result(run / "result.json"))
        shutil.copyfile(run / "result.json", RESULTS / f"{name}.json")
        shutil.copyfile(run / "report.md", RESULTS / f"{name}.md")
    paths = sorted(path for path in RESULTS.glob("*.json") if not path.stem.startswith(NO_RUNS))
    results = [read_result(path) for path in paths]
    (RESULTS / "README.md").write_text(overview(results), encoding="utf-8")


def name_of(result: Result) -> str:
    """The name a result is kept under."""
    return f"{result.suite}-{result.method}-{result.model.dtype}"


def overview(results: list[Result]) -> str:
    """All results, one table a suite."""
    lines = [
        "# Recorded results",
        "",
        "Greedy answers of the embedded model (SmolLM2-135M-Instruct), judged by whether they "
        "state a right answer, in per cent with 95 % intervals; `score` is CounterFact's and "
        "teacher-forced, `commonsense.score` the harmonic mean of what commonsense edits are "
        "asked. A row *base* is the unedited model. Each report holds every figure, the machine, "
        "and the command that makes it again. `floor.md` is the scope benchmark of the untrained "
        "floor.",
    ]
    for suite in dict.fromkeys(result.suite for result in results):
        lines += ["", *suite_table([r for r in results if r.suite == suite])]
    return "\n".join(lines) + "\n"


def suite_table(results: list[Result]) -> list[str]:
    """One suite's methods, a row for each number of live edits."""
    columns = [c for c in COLUMNS if any(c in r.metrics for r in results)]
    first = results[0]
    lines = [
        f"## {first.suite}",
        "",
        f"{first.description} `{first.data.path}`.",
        "",
        f"| method | weights | cases | live edits | {' | '.join(columns)} |",
        "|" + "---|" * (len(columns) + 4),
    ]
    for dtype in dict.fromkeys(result.model.dtype for result in results):
        alike = [result for result in results if result.model.dtype == dtype]
        base = {c: r.metrics[c].base for r in alike for c in columns if c in r.metrics}
        cells = [percent(base.get(column)) for column in columns]
        cases = max(result.cases.evaluated for result in alike)
        lines.append(f"| base | {dtype} | {cases:,} | 0 | {' | '.join(cells)} |")
        for result in alike:
            for k in result.k:
                live = result.at(k).get("edits_live")
                cells = [cell(result, k, column) for column in columns]
                count = f"{live.value:,.0f}" if live else k
                row = f"| {result.method} | {dtype} | {result.cases.evaluated:,} | {count} |"
                lines.append(f"{row} {' | '.join(cells)} |")
    reports = ", ".join(f"[{name_of(r)}]({name_of(r)}.md)" for r in results)
    return [*lines, "", f"Reports: {reports}."]


def cell(result: Result, k: str, name: str) -> str:
    """A figure with its interval."""
    figure = result.at(k).get(name)
    if figure is None:
        return "–"
    return f"{percent(figure.value)} [{percent(figure.low)}, {percent(figure.high)}]"


def percent(share: float | None) -> str:
    """A share in per cent."""
    return "–" if share is None else f"{100 * share:.1f}"


if __name__ == "__main__":
    main()
