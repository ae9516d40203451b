"""``memedit eval lm-eval``: lm-evaluation-harness's tasks on the base and on the edited model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from memedit.cli.options import Json, Model, Threshold
from memedit.cli.output import as_json, note, say, stderr, table
from memedit.cli.session import session
from memedit.errors import EvaluationError
from memedit.settings import DEFAULT_MODEL

MOST_CHANGED = 10
_MOST_CHARS = 60
# A chat model has to have a bound; lm-eval's tasks set their own.
_MAX_TOKENS = 256


def lm_eval(
    ctx: typer.Context,
    tasks: Annotated[
        str, typer.Option(help="Tasks, groups or tags by name, or YAML files; commas between.")
    ],
    model: Model = DEFAULT_MODEL,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first N documents of each task.")
    ] = None,
    num_fewshot: Annotated[
        int | None,
        typer.Option(min=0, help="Examples before each question.", show_default="the task's"),
    ] = None,
    include_path: Annotated[
        Path | None, typer.Option(help="A folder with YAML tasks of your own.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Requests in one forward pass.")] = 8,
    threshold: Threshold = None,
    out: Annotated[
        Path | None, typer.Option(help="A .json file for everything, every changed item too.")
    ] = None,
    json: Json = False,
) -> None:
    """Run tasks of lm-evaluation-harness on a model and on the same model with the store's edits.

    Shows whether the edits cost general ability. Needs the optional extra lm-eval.
    """
    from memedit.evaluate.harness import run_tasks

    if out is not None:
        _check(out)
    here = session(ctx)
    with here.memory() as memory:
        edited = here.model(
            memory, model, base_url=None, max_tokens=_MAX_TOKENS, threshold=threshold
        )
        note(f"Running {tasks} on {model}: first as it is, then with {_edits(len(memory))} ...")
        found = run_tasks(
            edited,
            [task.strip() for task in tasks.split(",") if task.strip()],
            include_path=include_path,
            num_fewshot=num_fewshot,
            limit=limit,
            batch_size=batch_size,
            progress=stderr().is_terminal,
        )
    if out is not None:
        _write(out, found)
    if json:
        as_json(found)
    else:
        _show(found)
    for warning in found["warnings"]:
        times = f" ({warning['count']:,} times)" if warning["count"] > 1 else ""
        note(f"lm-eval warns{times}: {warning['message']}")
    if out is not None:
        note(f"Wrote {out}.")


# -- internal ------------------------------------------------------------------------------------


def _check(out: Path) -> None:
    """Refuses a place that cannot be written now, rather than after an hour's run."""
    if out.suffix != ".json" or out.is_dir():
        raise EvaluationError(
            f"out: {str(out)!r} is not a .json file.", hint="Give a file name that ends in .json."
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluationError(
            f"out: {str(out)!r} cannot be written ({error.strerror}).", hint="Choose another place."
        ) from error


def _write(out: Path, found: Mapping[str, Any]) -> None:
    import json

    text = json.dumps(found, indent=1, ensure_ascii=False)
    out.write_text(text + "\n", encoding="utf-8")


def _show(found: Mapping[str, Any]) -> None:
    say(
        f"{found['model']}, {_edits(found['edits'])} (revision {found['revision']}), "
        f"lm-eval {found['lm_eval']}"
    )
    columns = ("task", "n", "metric", "base", "edited", "routed", "same off scope",
               "mean |Δ log p|", "changed")  # fmt: skip
    table(columns, _rows(found))
    overall = found["overall"]
    if not overall["routed"]:
        note("No question was routed to an edit, so the edits were not put to the test.")
    changed = [(task, item) for task, its in found["tasks"].items() for item in its["changed"]]
    if changed:
        say("Answers that changed (of a choice, its number from 0):")
    for task, item in changed[:MOST_CHANGED]:
        say(_changed(task, item))
    if len(changed) > MOST_CHANGED:
        note(f"and {len(changed) - MOST_CHANGED:,} more changed; --out FILE.json holds them all.")


def _edits(count: int) -> str:
    return f"{count:,} live edit{'s' * (count != 1)}"


def _rows(found: Mapping[str, Any]) -> Iterator[list[str]]:
    """A row for each task, one for all tasks together where there are several, and the groups."""
    for name, task in found["tasks"].items():
        yield [name, f"{task['items']:,}", *_metrics(task["metrics"]), *_differences(task)]
    if len(found["tasks"]) > 1:
        overall = found["overall"]
        yield ["all", f"{overall['items']:,}", "", "", "", *_differences(overall)]
    for name, group in found["groups"].items():
        yield [f"{name} (group)", "", *_metrics(group["metrics"]), "", "", "", ""]


def _metrics(metrics: Mapping[str, Mapping[str, float]]) -> tuple[str, str, str]:
    """Names and both models' figures, one a line."""
    base = "\n".join(f"{figure['base']:.4g}" for figure in metrics.values())
    edited = "\n".join(f"{figure['edited']:.4g}" for figure in metrics.values())
    return "\n".join(metrics), base, edited


def _differences(comparison: Mapping[str, Any]) -> tuple[str, str, str, str]:
    delta = comparison["mean_abs_delta_log_prob"]
    return (
        _percent(comparison["routed"]),
        _percent(comparison["identical_out_of_scope"]),
        "–" if delta is None else f"{delta:.3g} nats",
        _percent(comparison["answers_changed"]),
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _changed(task: str, item: Mapping[str, Any]) -> str:
    """One item whose answer the edits changed, in a line."""
    told = (f"{name} {_short(item[name])}" for name in ("base", "edited", "target"))
    edits = " ".join(item["edits"])
    return f"  {task}, item {item['item']}: {', '.join(told)}. {edits}".rstrip()


def _short(value: object) -> str:
    text = " ".join(value.split()) if isinstance(value, str) else str(value)
    cut = text if len(text) <= _MOST_CHARS else text[: _MOST_CHARS - 1] + "…"
    return repr(cut) if isinstance(value, str) else cut
