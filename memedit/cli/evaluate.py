"""`memedit eval`: run a suite, compare two runs, write reports."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memedit.cli.options import Json, Model
from memedit.cli.output import as_json, note, say, stderr, stdout, table, working
from memedit.cli.session import Commands
from memedit.settings import home

if TYPE_CHECKING:
    from memedit.evaluate.outcome import Outcome
    from memedit.evaluate.report.result import Result
    from memedit.evaluate.runner import Advance

_SECONDS_BETWEEN_LINES = 30


class EvalCommands(Commands):
    """A group in which any word that is no command is the name of a suite to run."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """`eval counterfact ...` is `eval run counterfact ...`."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            args = ["run", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=EvalCommands,
    no_args_is_help=True,
    help="Measure how well edits hold.\n\n`memedit eval SUITE` runs a suite: the base model first, "
    "then the method with so many edits live. A run that was stopped goes on with the same "
    "command. `memedit eval list` shows the suites.",
)

Run = Annotated[Path, typer.Argument(help="A run's folder, or its result.json.")]


@app.command("run", hidden=True)
def run(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a TOML file.")],
    method: Annotated[str, typer.Option(help="base, in-context or memory.")] = "memory",
    model: Model = "smollm2",
    data: Annotated[
        str | None,
        typer.Option(
            envvar="MEMEDIT_DATA",
            help="The data set's file, or a folder that holds it.",
            show_default="from the hub",
        ),
    ] = None,
    k: Annotated[
        str | None,
        typer.Option(
            help="How many edits are live together: numbers or 'all', with commas for a sweep.",
            show_default="the suite's",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N records.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run's folder; or a .json file for the result, its folder beside it.",
            show_default="in the folder of caches",
        ),
    ] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Edit one case after the other, test at the end.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of groups, samples and intervals.")] = 0,
    alone: Annotated[
        int, typer.Option(min=0, help="Cases that are also asked one query at a time.")
    ] = 8,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens of an answer.", show_default="suite's")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Of an OpenAI-compatible server.")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="A local model's number format.", show_default="as stored")
    ] = None,
    json: Json = False,
) -> None:
    """Run a suite, or go on with a run that was stopped."""
    from memedit.evaluate.datasets import load_dataset
    from memedit.evaluate.methods import make_method
    from memedit.evaluate.report.terminal import terminal_report
    from memedit.evaluate.runner import Job
    from memedit.evaluate.runner import run as run_job
    from memedit.evaluate.suite import load_suite, parse_k
    from memedit.models.load import load_model

    chosen = load_suite(suite)
    changes: dict[str, Any] = {}
    if k is not None:
        changes["k"] = parse_k(k)
    if sequential:
        changes["protocol"] = "sequential"
    if max_tokens is not None:
        changes["max_tokens"] = max_tokens
    chosen = chosen.model_copy(update=changes)
    found = load_dataset(chosen.dataset, data)
    with working(f"Loading {model} ..."):
        how: dict[str, Any] = {"dtype": dtype} if dtype else {}
        chat = load_model(model, base_url=base_url, **how)
        tested = make_method(method, chat)
    job = Job(
        suite=chosen,
        method=tested,
        model=chat,
        model_name=model,
        data=found,
        seed=seed,
        limit=limit,
        alone=alone,
        command=_command(
            suite,
            data=found.path.name,
            method=method,
            model=model,
            k=k,
            limit=limit,
            sequential=sequential,
            seed=seed,
            alone=alone,
            max_tokens=max_tokens,
            base_url=base_url,
            dtype=dtype,
        ),
    )
    try:
        folder, target = _places(out, job)
        result = run_job(job, folder, home() / "runs", _progress)
    except KeyboardInterrupt:
        note("Stopped. The same command goes on from here.")
        raise typer.Exit(130) from None
    finally:
        tested.close()
    _write_reports(folder, result)
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((folder / "result.json").read_text(encoding="utf-8"), encoding="utf-8")
    if json:
        as_json(result)
    else:
        stdout().print(terminal_report(result))
    note(f"Everything is in {folder}.")


@app.command("list")
def list_(json: Json = False) -> None:
    """The suites, and the files they read."""
    from memedit.evaluate.datasets import reader
    from memedit.evaluate.suite import load_suite, suite_names

    suites = [load_suite(name) for name in suite_names()]
    if json:
        as_json([suite.model_dump(mode="json") for suite in suites])
        return
    rows = [(s.name, s.description, ", ".join(reader(s.dataset).files)) for s in suites]
    table(("suite", "what it measures", "its file is called like"), rows)


@app.command("compare")
def compare(
    a: Run,
    b: Run,
    k: Annotated[
        str | None,
        typer.Option(help="Which number of live edits.", show_default="each run's largest"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the intervals and the test.")] = 0,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    json: Json = False,
) -> None:
    """Compare two runs on the cases both have, with a test of each difference."""
    from memedit.evaluate.compare import compare as compare_outcomes
    from memedit.evaluate.folder import BASE
    from memedit.evaluate.report.markdown import markdown_comparison
    from memedit.evaluate.report.terminal import terminal_comparison

    first, second = _result(a), _result(b)
    _same_data(first, second)
    differences = compare_outcomes(
        _outcomes(a, k or first.largest_k),
        _outcomes(b, k or second.largest_k),
        base=_outcomes(a, None, BASE),
        seed=seed,
    )
    names = {"a": _label(first, k), "b": _label(second, k)}
    if json:
        as_json({**names, "differences": differences})
    elif markdown:
        say(markdown_comparison(differences, **names))
    else:
        stdout().print(terminal_comparison(differences, **names))


@app.command("report")
def report(
    run: Run,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the reports.", show_default="the run's own"),
    ] = None,
    json: Json = False,
) -> None:
    """Show a finished run, and write its reports anew (Markdown and HTML)."""
    from memedit.evaluate.report.terminal import terminal_report

    result = _result(run)
    written = _write_reports(_folder(run), result, out)
    if json:
        as_json(result)
    else:
        stdout().print(terminal_report(result))
    for path in written:
        note(f"Wrote {path}.")


# -- internal ------------------------------------------------------------------------------------


def _command(suite: str, **options: Any) -> str:
    """The command line that reproduces a run; only what is not the default."""
    words = ["memedit", "eval", suite, "--data", options.pop("data")]
    defaults = {"seed": 0, "alone": 8, "model": "smollm2"}
    for name, value in options.items():
        if value is None or value is False or defaults.get(name) == value:
            continue
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words.append(str(value))
    return shlex.join(words)


def _places(out: Path | None, job: Any) -> tuple[Path, Path | None]:
    """The run's folder, and the JSON file that was asked for, if one was."""
    from memedit.evaluate.runner import key_of

    if out is None:
        name = f"{job.suite.name}-{job.method.name}-{key_of(job.identity())}"
        return home() / "runs" / name, None
    if out.suffix == ".json":
        return out.with_suffix(""), out
    return out, None


def _write_reports(folder: Path, result: Result, out: Path | None = None) -> list[Path]:
    """Markdown and, where matplotlib is there, HTML; the paths written."""
    from memedit.evaluate.folder import BASE, outcomes_name
    from memedit.evaluate.report.html import html_report
    from memedit.evaluate.report.markdown import markdown_report
    from memedit.evaluate.report.svg import ReportError

    target = out or folder
    target.mkdir(parents=True, exist_ok=True)
    files = {"report.md": markdown_report(result)}
    try:
        outcomes = _outcomes(folder, None, outcomes_name(result.largest_k))
        files["report.html"] = html_report(result, outcomes, _outcomes(folder, None, BASE))
    except ReportError as error:
        note(str(error))
    for name, text in files.items():
        (target / name).write_text(text, encoding="utf-8")
    return [target / name for name in files]


def _folder(run: Path) -> Path:
    return run.parent if run.suffix == ".json" and run.name == "result.json" else run


def _result(run: Path) -> Result:
    from memedit.evaluate.report.result import read_result

    return read_result(run if run.is_file() else run / "result.json")


def _outcomes(run: Path, k: str | None, name: str = "") -> list[Outcome]:
    """The outcomes on record in a run's folder; none where it only has a result."""
    from memedit.evaluate.folder import outcomes_name, read_outcomes

    return read_outcomes(_folder(run), name or outcomes_name(str(k)))


def _same_data(a: Result, b: Result) -> None:
    from memedit.errors import EvaluationError

    if a.data.sha256 != b.data.sha256:
        raise EvaluationError(
            f"runs: they are on different data ({a.data.path}, {b.data.path}).",
            hint="Compare runs on the same file.",
        )


def _label(result: Result, k: str | None) -> str:
    return f"{result.method} ({result.model.name}, k={k or result.largest_k})"


@contextmanager
def _progress(what: str, total: int) -> Iterator[Advance]:
    """A bar with rate and time left on a terminal, a line now and then elsewhere."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    console = stderr()
    if not console.is_terminal:
        lines = _Lines(what, total)
        yield lines.advance
        return

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.2f}/s" if task.speed else "")

    columns = (
        TextColumn("{task.description:24}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


class _Lines:
    """Progress as lines, for a log."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.started = self.told = time.monotonic()
        self.before = 0

    def advance(self, done: int) -> None:
        """``done`` more cases."""
        self.done += done
        now = time.monotonic()
        if now - self.told < _SECONDS_BETWEEN_LINES and self.done < self.total:
            return
        self.told = now
        rate = self.done / max(now - self.started, 1e-9)
        left = (self.total - self.done) / rate if rate else 0.0
        note(f"{self.what}: {self.done}/{self.total}, {rate:.2f}/s, {left:.0f} s left")
