"""A run from its data set to its result: the base model first, then the method at every k."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage

from memedit.evaluate.alone import ask_alone, ask_unedited, sampled
from memedit.evaluate.answering import Answerer
from memedit.evaluate.cases import Case, Malformed
from memedit.evaluate.datasets import DataSet
from memedit.evaluate.figuring import figured
from memedit.evaluate.folder import (
    ALONE,
    BASE,
    MANIFEST,
    NEUTRAL,
    RESULT,
    RunFolder,
    outcomes_name,
)
from memedit.evaluate.judging import Work, judge, reason_of
from memedit.evaluate.machine import (
    code_version,
    machine,
    model_facts,
    peak_gpu_mb,
    peak_rss_mb,
    versions,
)
from memedit.evaluate.methods.contract import Method, Plan
from memedit.evaluate.methods.unedited import Unedited
from memedit.evaluate.metrics import (
    mean_figure,
)
from memedit.evaluate.neutral import read_edited, read_unedited
from memedit.evaluate.outcome import Outcome
from memedit.evaluate.protocols import Failure, Protocol, drawn, grouped
from memedit.evaluate.report.result import Result
from memedit.evaluate.suite import Suite
from memedit.match import states

# So many queries are answered together and then written: enough to fill the batches, and all
# that a killed run has to do again.
CHUNK = 512
CONDITION_TOKENS = 24
BASE_GROUP = 256  # cases
AHEAD = 64  # groups of edits

log = logging.getLogger(__name__)


class Progress(Interface):
    """Is told how far a run is."""

    def __call__(self, what: str, total: int) -> AbstractContextManager[Advance]:
        """Begins a stage of ``total`` cases; what it gives is called with the cases just done."""


class Advance(Interface):
    """See :class:`Progress`."""

    def __call__(self, done: int) -> None:
        """``done`` more cases are finished."""


@dataclass(frozen=True)
class Job:
    """What to run.

    Args:
        suite: What is asked, of which data.
        method: The method under test.
        model: The base model.
        model_name: What the model is called in the result.
        data: The data set.
        seed: Of the groups of k edits, the sample asked alone and the bootstrap.
        limit: At most this many records; None for all.
        asked: So many cases, drawn by the seed, are asked about, with the edits of all of them
            live; None for all.
        alone: How many queries, in whole cases, are also asked one at a time.
        command: What reproduces the run.
    """

    suite: Suite
    method: Method
    model: BaseChatModel
    model_name: str
    data: DataSet
    seed: int = 0
    limit: int | None = None
    asked: int | None = None
    alone: int = 24
    command: str = ""

    @cached_property
    def model_facts(self) -> dict[str, str | None]:
        """What the model is; hashing its weights takes a moment, so it is done once."""
        return model_facts(self.model, self.model_name)

    def identity(self) -> dict[str, Any]:
        """Everything the outcomes depend on."""
        return {
            "suite": self.suite.model_dump(mode="json"),
            "method": {"name": self.method.name, **self.method.settings},
            "model": self.model_facts,
            "data": self.data.checksum,
            "code": code_version(),
            "versions": versions(),
            "server": getattr(self.model, "openai_api_base", None),
            "seed": self.seed,
            "limit": self.limit,
            "asked": self.asked,
            "alone": self.alone,
        }


def key_of(identity: dict[str, Any]) -> str:
    """12 hexadecimal digits that name a run: equal keys, equal figures."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run(job: Job, out: Path, shared: Path, progress: Progress) -> Result:
    """Runs a job, or goes on with it where an earlier process stopped.

    Args:
        job: What to run.
        out: The run's folder.
        shared: Folder of the base model's outcomes, which runs of other methods on the same
            data share.
        progress: Is told how far the run is.

    Raises:
        EvaluationError: The folder holds another run, or the method does not revert.
    """
    identity = job.identity()
    manifest: dict[str, Any] = {
        "key": key_of(identity),
        "command": job.command,
        "identity": identity,
        "started": _now(),
        "seconds": 0.0,
        "peaks": {},
    }
    with closing(RunFolder(out)) as folder:
        manifest = folder.claim(manifest)
        recorded = folder.read_json(RESULT)
        if recorded is not None:
            return Result.from_dict(recorded, name=str(out / RESULT))
        started = time.perf_counter()
        try:
            stages = _Stages(job, folder, shared, progress)
            stages.base()
            for k in job.suite.k:
                stages.method(k)
            stages.alone()
        finally:
            manifest["seconds"] += time.perf_counter() - started
            manifest["peaks"] = _peaks(manifest["peaks"])
            folder.write_json(MANIFEST, manifest)
        result = stages.result(manifest)
        folder.write_json(RESULT, result.to_dict())
        return result


class _Stages:
    """The stages of one run; each looks first at what is on record."""

    def __init__(self, job: Job, folder: RunFolder, shared: Path, progress: Progress) -> None:
        self.job = job
        self.suite = job.suite
        self.folder = folder
        self.shared = shared
        self.progress = progress
        self.answerer = Answerer()
        records = list(islice(job.data, job.limit))
        self.cases = _unique(record for record in records if isinstance(record, Case))
        self.asked = drawn(self.cases, job.asked, job.seed)
        self.passed_over = {case.id for case in self.cases} - {case.id for case in self.asked}
        self.malformed = [
            Outcome(case=f"{m.id} (malformed)", failed=m.reason)
            for m in records
            if isinstance(m, Malformed)
        ]
        self.dropped = job.data.dropped.to_dict()

    # -- base ------------------------------------------------------------------------------------

    def base(self) -> None:
        """The unedited model's outcomes, taken from the shared folder as far as they are there."""
        identity = self.job.identity()
        for name in ("method", "seed", "limit", "asked", "alone"):
            del identity[name]
        for name in ("k", "protocol", "batch_size", "name", "description"):
            del identity["suite"][name]
        shared = self.shared / f"base-{key_of(identity)}"
        # Another run on the same data may be at it; what it finds is found for this one too.
        with closing(RunFolder(shared, wait=True)) as folder:
            folder.claim({"key": key_of(identity), "identity": identity})
            # What failed is tried again: the reason may have been a server that was away.
            done = {o.case for o in folder.outcomes(BASE) if o.failed is None}
            protocol = Protocol(
                Unedited(self.job.model), self.suite, self._conditions, lambda *_: False
            )
            finished = sum(case.id in done for case in self.asked)
            self._run(protocol, self._unedited_groups(done), folder, BASE, "base", finished)
            wanted = {case.id for case in self.asked}
            outcomes = [o for o in folder.outcomes(BASE) if o.case in wanted]
        self.base_outcomes = {outcome.case: outcome for outcome in outcomes}
        have = {outcome.case: outcome for outcome in self.folder.outcomes(BASE)}
        found = [*outcomes, *self.malformed]
        self.folder.append(BASE, [o for o in found if have.get(o.case) != o])
        self._remember_base()

    def _unedited_groups(self, done: Container[str]) -> Iterator[list[Case]]:
        """The cases to ask of the base model, without edits, so that nothing is contested.

        The conditions of a group have been answered together when it is given.
        """
        bare = [replace(case, edits=()) for case in self.asked if case.id not in done]
        for start in range(0, len(bare), BASE_GROUP):
            group = bare[start : start + BASE_GROUP]
            plans = [plan for case in group for plan in self._condition_plans(case)]
            try:
                self.answerer.texts(plans, [CONDITION_TOKENS] * len(plans))
            except Exception as error:  # noqa: BLE001 - each case's own are asked with the case
                log.warning("conditions could not be answered together: %s", reason_of(error))
            yield group

    def _remember_base(self) -> None:
        """Lets the method share the base model's answers where it asks exactly the same."""
        for case in self.asked:
            outcome = self.base_outcomes[case.id]
            if outcome.failed is None:
                self.answerer.remember(self.job.model, self.suite, case, outcome)

    def _condition_plans(self, case: Case) -> list[Plan]:
        prompts = [c.prompt for query in self.suite.queries(case) for c in query.conditions]
        return [Plan([HumanMessage(prompt)], self.job.model) for prompt in prompts]

    def _conditions(self, case: Case) -> list[bool | None]:
        """Whether the unedited model answers every condition of each query; None without any."""
        plans = self._condition_plans(case)
        texts = iter(self.answerer.texts(plans, [CONDITION_TOKENS] * len(plans)))
        met: list[bool | None] = []
        for query in self.suite.queries(case):
            right = [states(next(texts).text, c.answers) for c in query.conditions]
            met.append(all(right) if right else None)
        return met

    # -- method ----------------------------------------------------------------------------------

    def method(self, k: str) -> None:
        """The method's outcomes with ``k`` edits live."""
        name = outcomes_name(k)
        recorded = self.folder.outcomes(name)
        # What failed is tried again, as with the base model; a malformed record stays one.
        gone = {outcome.case for outcome in self.malformed}
        done = {(o.case, o.after) for o in recorded if o.failed is None or o.case in gone}
        tests = ("own", "end") if self.suite.protocol == "sequential" else ("end",)
        malformed = [replace(outcome, after=after) for outcome in self.malformed for after in tests]
        self.folder.append(name, [m for m in malformed if (m.case, m.after) not in done])
        protocol = Protocol(
            self.job.method,
            self.suite,
            self._base_conditions,
            lambda case, after: case in self.passed_over or (case, after) in done,
        )
        groups = grouped(self.cases, k, self.job.seed)
        finished = sum((case.id, after) in done for case in self.asked for after in tests)
        open_ = [g for g in groups if any(not protocol.done(c.id, a) for c in g for a in tests)]
        if open_:
            self.job.method.prepare()
        before = read_unedited(self.job.method, self.job.model) if open_ else None

        def look(group: Sequence[Case]) -> None:
            if before is not None:
                read = read_edited(self.job.model, before, k, group)
                self.folder.append_lines(NEUTRAL, [read.to_dict()])

        what = f"{self.job.method.name}, k={k}"
        self._run(protocol, _ahead(open_, protocol), self.folder, name, what, finished, look)

    def _base_conditions(self, case: Case) -> list[bool | None]:
        outcome = self.base_outcomes[case.id]
        if len(outcome.outputs) != len(self.suite.queries(case)):
            return [None] * len(self.suite.queries(case))
        return [output.conditions_met for output in outcome.outputs]

    def _run(
        self,
        protocol: Protocol,
        groups: Iterable[Sequence[Case]],
        folder: RunFolder,
        name: str,
        what: str,
        finished: int,
        look: Callable[[Sequence[Case]], None] = lambda _: None,
    ) -> None:
        """Answers what the protocol plans, and writes it as it comes.

        Args:
            protocol: What is asked when.
            groups: The cases whose edits live together.
            folder: Where outcomes go.
            name: Under which name.
            what: The stage's name.
            finished: How many tests are on record; in sequential editing each case has two.
            look: Called once for each group, while all its edits live.
        """
        sequential = self.suite.protocol == "sequential" and name != BASE
        steps_of = protocol.sequential if sequential else protocol.batch
        detached = protocol.method.detached
        with self.progress(what, len(self.asked) * (2 if sequential else 1)) as advance:
            advance(finished)
            waiting: list[Work] = []
            for group in groups:
                with closing(steps_of(group)) as steps:
                    for planned in steps:
                        failures = [w.outcome for w in planned if isinstance(w, Failure)]
                        folder.append(name, failures)
                        advance(len(failures))
                        waiting += [w for w in planned if isinstance(w, Work)]
                        if not detached:
                            self.answerer.forget()  # the weights are others than they were
                        if not detached or _queries(waiting) >= CHUNK:
                            self._answer(waiting, folder, name, advance)
                            waiting = []
                        if any(_after(work) == "end" for work in planned):
                            look(group)
            self._answer(waiting, folder, name, advance)

    def _answer(
        self, works: Sequence[Work], folder: RunFolder, name: str, advance: Advance
    ) -> None:
        for chunk in _chunks(works):
            outcomes = judge(chunk, self.suite, self.answerer)
            folder.append(name, outcomes)
            advance(len(outcomes))

    # -- one query at a time ---------------------------------------------------------------------

    def alone(self) -> None:
        """A sample of cases asked one query at a time, at the largest k."""
        if not self.job.alone or not self.cases:
            return
        done = {(line["case"], line["query"]) for line in self.folder.lines(ALONE)}
        groups = grouped(self.cases, self.job.suite.k[-1], self.job.seed)
        each = sum(map(self._queries, self.asked)) / len(self.asked)
        wanted = math.ceil(self.job.alone / max(each, 1.0))
        chosen = sampled(groups, wanted, self.job.seed, without=self.passed_over)
        with self.progress("one at a time", sum(len(cases) for _, cases in chosen)) as advance:
            for group, cases in chosen:
                places = {
                    case: [i for i in range(self._queries(case)) if (case.id, i) not in done]
                    for case in cases
                }
                left = {case: open_ for case, open_ in places.items() if open_}
                advance(len(cases) - len(left))
                if left:
                    self._ask_alone(group, left, advance)

    def _ask_alone(
        self, group: Sequence[Case], places: Mapping[Case, Sequence[int]], advance: Advance
    ) -> None:
        """Asks the queries at ``places`` of cases of a group, all the group's edits live."""
        method = self.job.method
        unedited = {case: ask_unedited(self.job.model, case, self.suite) for case in places}
        protocol = Protocol(method, self.suite, self._base_conditions, lambda *_: False)
        sequential = self.suite.protocol == "sequential"
        with protocol.reverting():
            for portion in protocol.portions(group) if sequential else [group]:
                protocol.apply(portion)
            with suppress(Exception):  # what a method raises here it raises again, recorded
                method.plan(["warm up"])
            for case, open_ in places.items():
                answers = ask_alone(
                    method,
                    case,
                    self.suite,
                    places=open_,
                    unedited=unedited[case],
                    refusal=protocol.refusal(case),
                )
                self.folder.append_lines(ALONE, [answer.to_dict() for answer in answers])
                advance(1)

    def _queries(self, case: Case) -> int:
        return len(self.suite.queries(case))

    # -- result ----------------------------------------------------------------------------------

    def result(self, manifest: dict[str, Any]) -> Result:
        """Everything on record, as one object."""
        peaks = {name: mean_figure([value]) for name, value in manifest["peaks"].items()}
        parts = figured(self.folder, self.suite, self.job.seed, peaks)
        counts = parts.pop("counts")
        identity = manifest["identity"]
        data = {
            "schema": 1,
            "suite": self.suite.name,
            "description": self.suite.description,
            "method": self.job.method.name,
            "method_settings": self.job.method.settings,
            "model": identity["model"],
            "data": {
                "name": self.job.data.name,
                "path": self.job.data.path.name,
                "sha256": self.job.data.checksum,
                "source": self.job.data.source,
            },
            "code": identity["code"],
            "key": manifest["key"],
            "seed": self.job.seed,
            "limit": self.job.limit,
            "k": list(self.suite.k),
            "protocol": self.suite.protocol,
            "batch_size": self.suite.batch_size,
            "command": manifest["command"],
            "started": manifest["started"],
            "finished": _now(),
            "seconds": round(manifest["seconds"], 1),
            "machine": machine(),
            "cases": {**counts, "dropped": self.dropped},
            **parts,
        }
        return Result.from_dict(data)


def _peaks(before: Mapping[str, float]) -> dict[str, float]:
    """The most memory of any process that worked on the run, MiB by figure."""
    now = {"peak_rss_mb": peak_rss_mb(), "peak_gpu_mb": peak_gpu_mb()}
    return {n: max(x, before.get(n, 0.0)) for n, x in now.items() if x is not None}


def _unique(cases: Iterable[Case]) -> list[Case]:
    """Cases whose ids differ; a repeated id gets a number."""
    seen: dict[str, int] = {}
    unique = []
    for case in cases:
        seen[case.id] = seen.get(case.id, 0) + 1
        n = seen[case.id]
        unique.append(case if n == 1 else replace(case, id=f"{case.id}#{n}"))
    return unique


def _ahead(groups: Sequence[Sequence[Case]], protocol: Protocol) -> Iterator[Sequence[Case]]:
    """The groups, some at a time let ahead."""
    for start in range(0, len(groups), AHEAD):
        some = groups[start : start + AHEAD]
        protocol.ahead(some)
        yield from some


def _after(work: Work | Failure) -> str:
    return work.outcome.after if isinstance(work, Failure) else work.after


def _queries(works: Sequence[Work]) -> int:
    return sum(len(work.queries) for work in works)


def _chunks(works: Sequence[Work]) -> Iterable[list[Work]]:
    chunk: list[Work] = []
    for work in works:
        chunk.append(work)
        if _queries(chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
