"""``memedit trace``: where in a model the answer to a prompt is, or those of a data set are."""

from __future__ import annotations

import re
from enum import StrEnum
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memedit.cli.options import Json, Model
from memedit.cli.output import as_json, note, say, table, working
from memedit.cli.stages import stage
from memedit.settings import DEFAULT_MODEL, home

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memedit.evaluate.tracing.averages import Averages
    from memedit.evaluate.tracing.running import Traced, TraceJob
    from memedit.models.local import LocalChatModel
    from memedit.trace import Trace

_SHADES = " ▁▂▃▄▅▆▇█"


class Number(StrEnum):
    """Number formats of the weights."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class Measure(StrEnum):
    """What is measured of an answer of several tokens."""

    answer = "answer"
    token = "token"
    meaning = "meaning"


def trace(
    prompt: Annotated[
        str | None, typer.Argument(help='The text up to its answer; "{}" may be its subject.')
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="The words of the prompt that noise is put on.")
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(help="What is to follow.", show_default="the model's own next word"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            envvar="MEMEDIT_DATA",
            help="Instead of a prompt: a data set's file, or a folder that holds it.",
        ),
    ] = None,
    dataset: Annotated[str, typer.Option(help="The data set's name.")] = "known_1000",
    limit: Annotated[int, typer.Option(min=1, help="How many of its prompts to trace.")] = 100,
    unknown: Annotated[
        bool,
        typer.Option("--unknown", help="Also prompts that the model itself answers otherwise."),
    ] = False,
    samples: Annotated[int, typer.Option(min=1, help="Draws of noise for each prompt.")] = 10,
    noise: Annotated[
        float,
        typer.Option(min=0.0, help="The noise's width, in that of the embeddings of subjects."),
    ] = 3.0,
    window: Annotated[
        int | None,
        typer.Option(
            help="How many layers' MLPs or attention are put back together.",
            show_default="ten of 48, in proportion",
        ),
    ] = None,
    measure: Annotated[
        Measure,
        typer.Option(
            help="The probability of the whole answer; its mean over tokens, for answers that are "
            "sentences; or how alike in meaning the model's own continuation stays (KLFT)."
        ),
    ] = Measure.answer,
    ends: Annotated[
        bool,
        typer.Option(
            "--ends", help="Of a data set, only MLPs and attention, at the two published sites."
        ),
    ] = False,
    decoupled: Annotated[
        bool,
        typer.Option(
            "--decoupled", help="Of a data set, other names and things in the prompts (KLFT)."
        ),
    ] = False,
    recall: Annotated[
        bool,
        typer.Option(
            "--recall", help="Of a data set, what each layer adds to the stream, instead (KLFT)."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Decides prompts, noise and intervals.")] = 0,
    model: Model = DEFAULT_MODEL,
    dtype: Annotated[
        Number | None, typer.Option(help="The weights' number format.", show_default="as stored")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder to write to.", show_default="a folder in the cache"),
    ] = None,
    json: Json = False,
) -> None:
    """Find where a model keeps an answer, by causal tracing (ROME).

    The subject's embeddings are drowned in noise; then one clean state at a time is put back, and
    what that gives of the answer's probability is its indirect effect. Writes heat maps as a page
    and a picture, and the numbers. With --data it averages over a data set's prompts; a run that
    was stopped goes on with the same command, and with a larger --limit.
    """
    if (prompt is None) == (data is None):
        raise typer.BadParameter("Give either a prompt or --data.")
    if prompt is not None and (measure is Measure.meaning or ends or decoupled or recall):
        raise typer.BadParameter("Meaning, --ends, --decoupled and --recall are for --data.")
    chat = _loaded(model, dtype)
    if prompt is not None:
        folder = out or home() / "traces" / _slug(prompt)
        one, facts = _one(chat, prompt, subject or "", answer, samples, noise, window, seed,
                          measure.value)  # fmt: skip
        _show_one(one, facts, json)
        from memedit.evaluate.tracing.reports import write_trace

        paths = write_trace(folder, one, facts)
        note(f"The page is {paths[0]}; beside it are the picture and the numbers.")
        return
    from memedit.evaluate.datasets import load_dataset
    from memedit.evaluate.runner import key_of
    from memedit.evaluate.tracing.running import TraceJob

    job = TraceJob(
        chat, model, load_dataset(dataset, data), limit, known=not unknown, samples=samples,
        times=noise, window=window, measure=measure.value, ends=ends, decoupled=decoupled,
        seed=seed,
    )  # fmt: skip
    if recall:
        _recalled(job, json)
        return
    folder = out or home() / "traces" / f"{dataset}-{key_of(job.identity())}"
    try:
        _averaged(job, folder, json)
    except KeyboardInterrupt:
        note("Stopped. The same command goes on from here.")
        raise typer.Exit(130) from None


def _loaded(name: str, dtype: Number | None) -> LocalChatModel:
    with working(f"Loading {name} ..."):
        from memedit.models.load import load_local_model

        how = {"dtype": dtype.value} if dtype else {}
        return load_local_model(name, **how)


def _one(
    chat: LocalChatModel,
    prompt: str,
    subject: str,
    answer: str | None,
    samples: int,
    noise: float,
    window: int | None,
    seed: int,
    measure: str,
) -> tuple[Trace, list[tuple[str, str]]]:
    from memedit.bake import Editable
    from memedit.evaluate.tracing.single import trace_prompt

    with chat.engine.using(None), working("Tracing ..."):
        editable = Editable.of(chat.engine)
        found, std = trace_prompt(
            editable, prompt, subject, answer, samples=samples, times=noise, window=window,
            seed=seed, measure=measure,  # type: ignore[arg-type]
        )  # fmt: skip
    facts = [
        ("subject", found.prompt.subject),
        ("answer", found.prompt.answer),
        ("probability, clean", f"{found.clean:.4f}"),
        ("probability, corrupted", f"{found.corrupted:.4f}"),
        ("total effect", f"{found.total_effect:.4f}"),
        ("noise", f"{samples} draws, {noise:g} times the embeddings' {std:.4f}"),
        ("window", f"{found.window} layers of MLPs or attention"),
        ("model", chat.model_name),
    ]
    return found, facts


def _show_one(found: Trace, facts: Iterable[tuple[str, str]], json: bool) -> None:
    from memedit.trace import KINDS

    if json:
        from memedit.evaluate.tracing.traced import to_dict

        as_json(to_dict(found))
        return
    table(["what", "value"], facts)
    asked = found.prompt
    for part in found.restored:
        what, effects = KINDS[part], found.effects(part)
        most = float(effects.max())
        say(f"{what[0].upper()}{what[1:]} put back: the most is {most:.4f}")
        rows = []
        for token, (words, row) in enumerate(zip(asked.tokens, effects.tolist(), strict=True)):
            inside = asked.first <= token <= asked.last
            peak = max(range(len(row)), key=row.__getitem__)
            rows.append((words.strip() + " *" * inside, _shades(row, most), f"{row[peak]:.4f}",
                         str(peak)))  # fmt: skip
        table(["token", "layers", "most", "at layer"], rows)


def _averaged(job: TraceJob, folder: Path, json: bool) -> None:
    from memedit.bake import Editable
    from memedit.evaluate.tracing.averages import averages
    from memedit.evaluate.tracing.reports import numbers, write_averages
    from memedit.evaluate.tracing.running import run

    with job.model.engine.using(None):
        editable = Editable.of(job.model.engine)
    with stage("Tracing", job.limit) as advance:
        found = run(job, editable, folder, advance)
    traces = list(found.traces.values())
    came = averages(traces, job.seed)
    facts = _facts(job, found, came)
    if json:
        as_json({"facts": dict(facts), "averages": numbers(came)})
    else:
        table(["what", "value"], facts)
        _show_averages(came)
    if len(traces) < job.limit:
        note(f"The data has only {len(traces)} prompts that count, not {job.limit}.")
    title = f"{len(traces)} prompts of {job.data.name}"
    paths = write_averages(folder, title, came, traces[0].window, facts)
    note(f"The page is {paths[0]}; beside it are the picture and the numbers.")


def _recalled(job: TraceJob, json: bool) -> None:
    from memedit.bake import Editable
    from memedit.evaluate.tracing.recalled import THIRDS, recalled
    from memedit.evaluate.tracing.running import counted
    from memedit.trace import KINDS

    with job.model.engine.using(None), working("Reading ..."):
        editable = Editable.of(job.model.engine)
        prompts, left_out = counted(job, editable)
        came = recalled(editable, prompts, job.seed)
    if json:
        as_json({"prompts": len(prompts), "left_out": left_out, "curves": came.curves,
                 "thirds": came.thirds})  # fmt: skip
        return
    left = [(f"left out: {reason}", f"{count:,}") for reason, count in left_out.items()]
    table(["what", "value"], [("prompts", f"{len(prompts):,} of {job.data.name}"), *left])
    rows = []
    for part, curve in came.curves.items():
        most = max(curve.values)
        thirds = [_with_interval(mean) for mean in came.thirds[part]]
        rows.append((KINDS[part], _shades(curve.values, most), str(curve.peak), *thirds))
    say("One minus the cosine of the stream before and after, at the last token")
    table(["what", "layers", "most at", *THIRDS], rows)


def _facts(job: TraceJob, found: Traced, came: Averages) -> list[tuple[str, str]]:
    return [
        ("prompts", f"{came.n:,} of {job.data.name}"),
        *((f"left out: {reason}", f"{count:,}") for reason, count in found.left_out.items()),
        ("probability, clean", _with_interval(came.clean)),
        ("probability, corrupted", _with_interval(came.corrupted)),
        ("total effect", _with_interval(came.total_effect)),
        ("noise", f"{job.samples} draws, {job.times:g} times the embeddings' {found.std:.4f}"),
        ("model", job.model_name),
        ("processor", f"{found.seconds:.0f} s of tracing"),
    ]


def _show_averages(came: Averages) -> None:
    from memedit.trace import KINDS

    for part, curves in came.effects.items():
        what = KINDS[part]
        most = max(curve.values[curve.peak] for curve in curves.values())
        say(f"{what[0].upper()}{what[1:]} put back: the most is {most:.4f}")
        rows = []
        for group, curve in curves.items():
            at = curve.peak
            interval = f"{curve.values[at]:.4f} ({curve.low[at]:.4f} to {curve.high[at]:.4f})"
            rows.append((group, _shades(curve.values, most), interval, str(at), str(curve.n)))
        table(["tokens", "layers", "most", "at layer", "prompts"], rows)
    say("The published shape holds where these are above zero")
    table(["claim", "difference"], [(n, _with_interval(m)) for n, m in came.contrasts.items()])


def _with_interval(mean: object) -> str:
    from memedit.evaluate.tracing.averages import Mean

    assert isinstance(mean, Mean)
    return f"{mean.value:.4f} ({mean.low:.4f} to {mean.high:.4f})"


def _shades(row: Iterable[float], most: float) -> str:
    """A row of effects as blocks of growing height; what is not above zero is blank."""
    top = len(_SHADES) - 1
    heights = [0.0 if isnan(value) or most <= 0 else max(0.0, value / most) for value in row]
    return "".join(_SHADES[round(top * height)] for height in heights)


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")[:60] or "prompt"
