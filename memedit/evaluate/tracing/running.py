"""Tracing a data set, prompt by prompt: what is done is on the disk, and a stopped run goes on.

In the run's folder ``run.json`` says what it is, with its key, and ``prompts.jsonl`` has one prompt
a line: its trace, or why it was left out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memedit.errors import TraceError
from memedit.evaluate.datasets.registry import DataSet
from memedit.evaluate.folder import RunFolder
from memedit.evaluate.machine import code_version, model_facts, versions
from memedit.evaluate.runner import key_of
from memedit.evaluate.tracing.asked import Asked, all_asked, reason_of
from memedit.evaluate.tracing.decoupled import decoupled
from memedit.evaluate.tracing.traced import from_dict, to_dict
from memedit.trace import NoiseSettings, Prompt, Trace, embedding_std, place, trace
from memedit.trace.effects import Array, Measure
from memedit.trace.knowing import knows
from memedit.trace.meaning import trace_meaning
from memedit.trace.runs import PARTS

if TYPE_CHECKING:
    from memedit.bake.editable import Editable
    from memedit.bake.reading import Part
    from memedit.models.local import LocalChatModel

LINES = "prompts"
UNKNOWN = "the model's own first choice is another answer"
_EVERY = 3  # by meaning: every text has to be written
_AT_ONCE = 32  # prompts that are asked before one of them is traced


@dataclass(frozen=True)
class TraceJob:
    """What is traced, and how.

    Args:
        model: The model.
        model_name: As the user named it.
        data: The data set.
        limit: How many prompts to trace; fewer only where there are no more.
        known: Whether only prompts count that the model answers right by its own first choice.
        samples: How many draws of noise.
        times: The noise's width, as a multiple of that of the model's embeddings of subjects.
        window: How many layers' MLPs or attention are put back together; None for the published
            share.
        measure: Of an answer of several tokens; see :class:`~memedit.trace.effects.Trace`.
        ends: Whether to put back MLPs and attention only, at the subject's last token and at the
            last one, where the published sites are. By meaning it is never more.
        decoupled: Whether concrete elements are replaced by others of their kind.
        seed: Decides the prompts, the noise and the intervals.
    """

    model: LocalChatModel
    model_name: str
    data: DataSet
    limit: int = 100
    known: bool = True
    samples: int = 10
    times: float = 3.0
    window: int | None = None
    measure: Measure = "answer"
    ends: bool = False
    decoupled: bool = False
    seed: int = 0

    def identity(self) -> dict[str, Any]:
        """Everything that a trace depends on; not how many there are to be."""
        return {
            "model": model_facts(self.model, self.model_name),
            "data": self.data.checksum,
            "code": code_version(),
            "versions": versions(),
            "known": self.known,
            "samples": self.samples,
            "times": self.times,
            "window": self.window,
            "measure": self.measure,
            "ends": self.ends,
            "decoupled": self.decoupled,
            "seed": self.seed,
        }


@dataclass
class Traced:
    """What a run has come to.

    Attributes:
        traces: By case, in the order they were made.
        left_out: How many prompts were passed over, by reason.
        std: The standard deviation of the model's embeddings of subjects.
        seconds: What tracing took of the processor, in all processes together.
    """

    traces: dict[str, Trace] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    std: float = 0.0
    seconds: float = 0.0


def run(job: TraceJob, editable: Editable, folder: Path, advance: Callable[[int], None]) -> Traced:
    """Traces prompts of a data set, or goes on where an earlier process stopped.

    Args:
        job: What to do.
        editable: The job's model.
        folder: Where it is kept.
        advance: Told how many more prompts are traced.

    Raises:
        TraceError: No prompt can be traced.
        EvaluationError: The folder holds another run, or cannot be written.
    """
    identity = job.identity()
    kept = RunFolder(folder)
    try:
        kept.claim({"key": key_of(identity), "identity": identity})
        found = _on_record(kept.lines(LINES), job.limit)
        advance(len(found.traces))
        prompts, refused = _prompts(job, editable)
        found.left_out.update(refused.values())
        found.std = embedding_std(editable, list(prompts.values()))
        noise = NoiseSettings(found.std, job.times, job.samples, job.seed)
        done = {line["case"] for line in kept.lines(LINES)}
        left = [case for case in prompts if case not in done]
        if len(found.traces) < job.limit:
            for case, prompt in _counting(job, editable, prompts, left, kept, found):
                started = time.process_time()
                with job.model.engine.using(None):
                    one = _traced(job, editable, prompt, noise)
                seconds = time.process_time() - started
                kept.append_lines(LINES, [{"case": case, "seconds": seconds, **to_dict(one)}])
                found.traces[case] = one
                found.seconds += seconds
                advance(1)
                if len(found.traces) == job.limit:
                    break
    finally:
        kept.close()
    if not found.traces:
        raise _nothing(job, found.left_out)
    return found


def counted(job: TraceJob, editable: Editable) -> tuple[list[Prompt], Counter[str]]:
    """The prompts that a job would trace, and how many are left out, by reason."""
    prompts, refused = _prompts(job, editable)
    found: list[Prompt] = []
    left_out = Counter(refused.values())
    waiting = list(prompts.values())
    while waiting and len(found) < job.limit:
        some, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
        right = knows(editable, some) if job.known else [True] * len(some)
        found += [prompt for prompt, its in zip(some, right, strict=True) if its]
        if not all(right):
            left_out[UNKNOWN] += right.count(False)
    if not found:
        raise _nothing(job, left_out)
    return found[: job.limit], left_out


def place_all(
    editable: Editable, asked: Sequence[Asked]
) -> tuple[dict[str, Prompt], dict[str, str]]:
    """Prompts as token ids by case, and by case why there are none."""
    context = getattr(editable.network.config, "max_position_embeddings", None)
    found, refused = {}, {}
    for one in asked:
        try:
            found[one.id] = place(
                editable.tokens, one.template, one.subject, one.answer, context=context
            )
        except TraceError as error:
            refused[one.id] = reason_of(error)
    return found, refused


def _traced(job: TraceJob, editable: Editable, prompt: Prompt, noise: NoiseSettings) -> Trace:
    ends = (prompt.last, prompt.begin - 1)
    parts: tuple[Part, ...] = ("mlp_out", "attn_out") if job.ends else PARTS
    if job.measure == "meaning":
        return trace_meaning(
            editable, prompt, noise, _alike, window=job.window, parts=parts, every=_EVERY
        )
    tokens = tuple(dict.fromkeys(ends)) if job.ends else None
    return trace(
        editable, prompt, noise, window=job.window, measure=job.measure, parts=parts, tokens=tokens
    )


def _alike(text: str, others: Sequence[str]) -> Array:
    """The embedded encoder's cosines of a text with others; 0 with one that is empty."""
    from memedit.scope.encoder import load_encoder

    vectors = load_encoder().encode([text, *others])
    there = np.array([bool(other) for other in others])
    return np.where(there, vectors[1:] @ vectors[0], 0.0).astype(np.float64)


def _prompts(job: TraceJob, editable: Editable) -> tuple[dict[str, Prompt], dict[str, str]]:
    asked, refused = all_asked(job.data, job.seed)
    if job.decoupled:
        asked = decoupled(asked, job.seed)
    prompts, unfit = place_all(editable, asked)
    return prompts, refused | unfit


def _counting(
    job: TraceJob,
    editable: Editable,
    prompts: dict[str, Prompt],
    left: Sequence[str],
    kept: RunFolder,
    found: Traced,
) -> Iterator[tuple[str, Prompt]]:
    """The prompts that count, in order; those that do not are put on record as they come."""
    for start in range(0, len(left), _AT_ONCE):
        cases = left[start : start + _AT_ONCE]
        asked = [prompts[case] for case in cases]
        with job.model.engine.using(None):
            right = knows(editable, asked) if job.known else [True] * len(asked)
        for case, prompt, its in zip(cases, asked, right, strict=True):
            if its:
                yield case, prompt
            else:
                kept.append_lines(LINES, [{"case": case, "left_out": UNKNOWN}])
                found.left_out[UNKNOWN] += 1


def _on_record(lines: Sequence[dict[str, Any]], limit: int) -> Traced:
    """What an earlier process did, up to as many traces as are asked for."""
    found = Traced()
    for line in lines:
        if len(found.traces) == limit:
            break
        if "left_out" in line:
            found.left_out[line["left_out"]] += 1
        else:
            found.traces[line["case"]] = from_dict(line)
            found.seconds += line["seconds"]
    return found


def _nothing(job: TraceJob, left_out: Counter[str]) -> TraceError:
    return TraceError(
        f"data: of {job.data.name} not one prompt can be traced ({_most_common(left_out)}).",
        hint="Give other data, or trace prompts whatever the model answers.",
    )


def _most_common(reasons: Counter[str]) -> str:
    (reason, count), *_ = reasons.most_common(1) or [("there is none", 0)]
    return f"{reason}, {count} times" if count else reason
