"""``memedit eval compare`` and ``memedit eval report``: what finished runs have on record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memedit.cli.options import Json
from memedit.cli.output import as_json, note, say, stdout
from memedit.errors import EvaluationError
from memedit.settings import home

if TYPE_CHECKING:
    from memedit.evaluate.outcome import Outcome
    from memedit.evaluate.report.result import Result

Run = Annotated[Path, typer.Argument(help="A run's folder, or its result's .json file.")]


def compare(
    a: Run,
    b: Run,
    k: Annotated[
        str | None,
        typer.Option(
            help="With how many live edits: one of the numbers both were run with, or 'all'.",
            show_default="each run's largest",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the intervals and the test.")] = 0,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    json: Json = False,
) -> None:
    """Compare two runs on the cases both have, with a test of each difference."""
    from memedit.evaluate.compare import compare as compare_outcomes
    from memedit.evaluate.folder import BASE
    from memedit.evaluate.metrics import METRICS
    from memedit.evaluate.report.markdown import markdown_comparison
    from memedit.evaluate.report.terminal import terminal_comparison

    first, second = _result(a), _result(b)
    _same_data(first, second)
    ks = k or first.largest_k, k or second.largest_k
    # What the suite leaves out says nothing about its data; what one run lacks has no difference.
    shared = first.at(ks[0]).keys() & second.at(ks[1]).keys()
    if first.model != second.model:
        note("The models differ, so there is no common base that locality could be judged by.")
    differences = compare_outcomes(
        _outcomes_at(a, first, ks[0]),
        _outcomes_at(b, second, ks[1]),
        base=_outcomes(a, BASE) if first.model == second.model else (),
        names=[name for name in METRICS if name in shared],
        seed=seed,
    )
    labels, common = _labels(_about(first, ks[0]), _about(second, ks[1]))
    names = {"a": labels[0], "b": labels[1]}
    if json:
        runs = {"a": _about(first, ks[0]), "b": _about(second, ks[1])}
        as_json({**runs, "differences": differences})
    elif markdown:
        say(f"{names['a']} against {names['b']}: {common}\n")
        say(markdown_comparison(differences, **names))
    else:
        say(f"Both: {common}")
        stdout().print(terminal_comparison(differences, **names))


def report(
    run: Run,
    out: Annotated[
        Path | None,
        typer.Option(help="The reports' folder.", show_default="the run's own"),
    ] = None,
    recompute: Annotated[
        bool,
        typer.Option(
            "--recompute",
            help="First compute the figures anew from the recorded answers, and keep them.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Show a finished run, and write its reports anew (Markdown and HTML)."""
    result = _result(run)
    if recompute:
        from memedit.evaluate.figuring import figured_again  # PyTorch, which nothing else needs

        result = figured_again(_folder(run))
        copy_result(_folder(run), run)
    written = write_reports(_folder(run), result, out)
    show(result, json)
    for path in written:
        note(f"Wrote {path}.")


def show(result: Result, json: bool) -> None:
    """A result on stdout."""
    from memedit.evaluate.report.terminal import terminal_report

    if json:
        as_json(result)
    else:
        stdout().print(terminal_report(result))


def write_reports(folder: Path, result: Result, out: Path | None = None) -> list[Path]:
    """Markdown and, where matplotlib is there, HTML; the paths written."""
    from memedit.evaluate.folder import BASE, outcomes_name
    from memedit.evaluate.report.html import html_report
    from memedit.evaluate.report.markdown import markdown_report
    from memedit.evaluate.report.svg import ReportError

    target = out or folder
    files = {"report.md": markdown_report(result)}
    try:
        outcomes = _outcomes(folder, outcomes_name(result.largest_k))
        files["report.html"] = html_report(result, outcomes, _outcomes(folder, BASE))
    except ReportError as error:
        note(str(error))
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (target / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise EvaluationError(
            f"out: {str(target)!r} cannot be written ({error.strerror}).",
            hint="Choose another folder with --out.",
        ) from error
    return [target / name for name in files]


def copy_result(folder: Path, target: Path) -> None:
    """Writes a run's result to the .json file beside its folder, if that is what was named."""
    from memedit.evaluate.folder import RESULT

    source = folder / RESULT
    if target.suffix == ".json" and target != source:
        target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")


# -- internal ------------------------------------------------------------------------------------


def _folder(run: Path) -> Path:
    """The folder of a run that is given by itself or by its result: inside it or beside it."""
    from memedit.evaluate.folder import RESULT

    if run.suffix != ".json" or run.is_dir():
        return run
    return run.parent if run.name == RESULT else run.with_suffix("")


def _result(run: Path) -> Result:
    from memedit.evaluate.folder import MANIFEST, RESULT
    from memedit.evaluate.report.result import read_result

    path = run if run.is_file() else run / RESULT
    if path.is_file():
        return read_result(path)
    if (run / MANIFEST).is_file():
        raise EvaluationError(
            f"run: {str(run)!r} is not finished.", hint="The command that began it goes on with it."
        )
    raise EvaluationError(
        f"run: {str(run)!r} is no run.",
        hint=f"Give a run's folder or its .json file; runs without --out are in {home() / 'runs'}.",
    )


def _outcomes(folder: Path, name: str) -> list[Outcome]:
    """The outcomes on record in a run's folder; none where it only has a result."""
    from memedit.evaluate.folder import read_outcomes

    return read_outcomes(_folder(folder), name)


def _outcomes_at(run: Path, result: Result, k: str) -> list[Outcome]:
    from memedit.evaluate.folder import outcomes_name

    if k not in result.k:
        raise EvaluationError(
            f"k: {str(run)!r} was not run with {k!r}.", hint=f"It has {', '.join(result.k)}."
        )
    found = _outcomes(run, outcomes_name(k))
    if not found:
        raise EvaluationError(
            f"run: {str(run)!r} has a result but not the answers it was made from.",
            hint="Give the run's folder with its .jsonl files.",
        )
    return found


def _same_data(a: Result, b: Result) -> None:

    if a.data.sha256 != b.data.sha256:
        raise EvaluationError(
            f"runs: they are on different data ({a.data.path}, {b.data.path}).",
            hint="Compare runs on the same file.",
        )


def _about(result: Result, k: str) -> dict[str, str]:
    """What tells one run from another, the most telling first."""
    return {
        "method": result.method,
        "suite": result.suite,
        "data": result.data.path,
        "model": result.model.name,
        "form": f"{result.model.form} form",
        "dtype": result.model.dtype or "unknown format",
        "k": f"k = {k}",
        "protocol": result.way,
        "limit": "all records" if result.limit is None else f"first {result.limit:,} records",
        "seed": f"seed {result.seed}",
        "code": result.code,
        "key": result.key,
    }


def _labels(a: dict[str, str], b: dict[str, str]) -> tuple[tuple[str, str], str]:
    """Two runs each called by what the other is not, and what both are."""
    differ = [name for name in a if a[name] != b[name]]
    # Code and key differ along with something else; by themselves they are what differs.
    telling = [name for name in differ if name not in ("code", "key")] or differ[:1] or ["key"]
    labels = tuple(", ".join(run[name] for name in telling) for run in (a, b))
    common = ", ".join(a[name] for name in a if name not in (*differ, "code", "key"))
    return (labels[0], labels[1]), common
