"""The benchmark of multi-hop questions: ``python eval/multihop.py DATA_DIR``.

Every section is the product's own routing with all edits of a file live, asked in every phrasing;
nothing of a case is known to it: no hop count, no chain, no old fact, no case id. In the settings
``given-facts`` and ``dense`` no language model is behind it: what the edits and facts do not answer
stays unanswered. What a model adds from its weights is measured by ``memedit eval mquake_cf``.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import record
from record import Figure, share

from memedit import EditedModel, EditMemory
from memedit.evaluate.cases import Case, Malformed, Query
from memedit.evaluate.contested import LiveEdits
from memedit.evaluate.datasets import load_dataset
from memedit.evaluate.facts import live_facts
from memedit.evaluate.machine import machine
from memedit.evaluate.suite import Setting
from memedit.match import exact
from memedit.models.settled import SettledChatModel
from memedit.multihop import Chain
from memedit.multihop.decision import ChainDecision
from memedit.multihop.walk.planner import Planner
from memedit.scope.encoder import load_encoder
from memedit.train.decomposer import DATASETS
from memedit.train.plans import Side, chains

RESULTS = Path(__file__).parent / "results"
SEED = 0
BATCH = 64
ALONE = 60  # questions asked one at a time for their latency
NO_CHAIN = Chain.abstention("The question was not taken apart.")


@dataclass(frozen=True)
class Asked:
    """A case with what the product made of its phrasings."""

    case: Case
    chains: tuple[Chain, ...]

    @property
    def hops(self) -> list[Query]:
        """The chain's single hops in order."""
        return [query for query in self.case.queries if query.kind == "hop"]

    @property
    def right(self) -> list[bool]:
        """Whether each phrasing is answered by the gold answer or an alias."""
        answers = phrasings(self.case)[0].answers
        return [c.answer is not None and exact(c.answer, answers) for c in self.chains]

    @property
    def hopwise(self) -> bool:
        """Whether a phrasing is right over a trace of the right length whose every hop is."""
        return any(
            right and len(chain.hops) == len(self.hops) and all(
                exact(step.answer, hop.answers)
                for step, hop in zip(chain.hops, self.hops, strict=True)
            )
            for right, chain in zip(self.right, self.chains, strict=True)
        )  # fmt: skip

    @property
    def recalled(self) -> list[bool]:
        """Whether each edited hop was followed by some phrasing."""
        followed = {edit.key for chain in self.chains for edit in chain.edits}
        wanted = [self.case.edits[hop.edit].key for hop in self.hops if hop.fires]
        return [key in followed for key in wanted]


# The sides of the split whose plans are measured, with their bounds.
SIDES: dict[tuple[Side, str], str] = {
    ("seen", ">= 0.95"): "chains of the training, other subjects",
    ("chain", ">= 0.88"): "chains never seen",
}


def phrasings(case: Case) -> list[Query]:
    """The phrasings of a case's question."""
    return [query for query in case.queries if query.kind == "multi_hop"]


@contextmanager
def edited(cases: Sequence[Case], setting: Setting) -> Iterator[EditedModel]:
    """The product with the cases' edits and facts, and a model that knows nothing."""
    with (
        TemporaryDirectory(prefix="memedit-eval-") as folder,
        EditMemory.open(Path(folder) / "e.db") as memory,
    ):
        facts = live_facts(cases, setting)
        if facts:
            memory.add(facts)
        memory.add(list({edit.id: edit for case in cases for edit in case.edits}.values()))
        model = EditedModel(SettledChatModel(answer=""), memory, multihop=True)
        model.route("warm-up")
        yield model


def asked(model: EditedModel, cases: Sequence[Case]) -> list[Asked]:
    """The product's chains for every phrasing of the cases."""
    questions = [query.prompt for case in cases for query in phrasings(case)]
    decisions = [
        decision
        for start in range(0, len(questions), BATCH)
        for decision in model.route_many(list(questions[start : start + BATCH]))
    ]
    found = iter([d.chain if isinstance(d, ChainDecision) else NO_CHAIN for d in decisions])
    return [Asked(case, tuple(next(found) for _ in phrasings(case))) for case in cases]


def figures(name: str, results: Sequence[Asked], bounds: tuple[str, str, str]) -> list[Figure]:
    """Any of the phrasings, all of them, hop by hop, and the edits that were met."""
    modal = Counter(phrasings(r.case)[0].answers[0] for r in results).most_common(1)[0][1]
    return [
        share(f"{name}: any phrasing right", [any(r.right) for r in results], bounds[0]),
        share(f"{name}: every phrasing right", [all(r.right) for r in results], bounds[1]),
        share(f"{name}: hop by hop", [r.hopwise for r in results], bounds[2]),
        share(f"{name}: edited hops followed", [hit for r in results for hit in r.recalled]),
        Figure(f"{name}: the commonest answer to all", modal / len(results), len(results)),
    ]


def uncontested(cases: Sequence[Case]) -> list[Case]:
    """The cases whose gold chain no other live case overturns."""
    live = LiveEdits(cases)
    return [case for case in cases if not any(live.contested(case, phrasings(case)))]


class Sections:
    """The sections of the benchmark over one folder of data.

    Args:
        data: The folder.
        limit: At most so many cases are asked, a fixed sample; all edits are live nevertheless.
    """

    def __init__(self, data: Path, limit: int | None) -> None:
        self.data = data
        self.limit = limit

    def cases(self, dataset: str) -> list[Case]:
        """The readable cases of a data set."""
        read = load_dataset(dataset, self.data)
        return [case for case in read if not isinstance(case, Malformed)]

    def few(self, cases: Sequence[Case]) -> list[Case]:
        """The cases that are asked."""
        if self.limit is None or len(cases) <= self.limit:
            return list(cases)
        return random.Random(SEED).sample(list(cases), self.limit)

    def hard(self) -> list[Figure]:
        """MQuAKE-hard, every hop edited; and which of it lies on the development side."""
        cases = self.cases("mquake_hard")
        chosen = self.few(cases)
        with edited(cases, "end-to-end") as model:
            results = asked(model, chosen)
            bounds = (">= 0.995", ">= 0.97", ">= 0.97")
            found = figures("hard", results, bounds)
            kept = _kept_from_training(results)
            if kept:
                found += figures("hard, cases kept from training", kept, bounds)
            return [*found, *_latency(model, chosen)]

    def given_facts(self) -> list[Figure]:
        """MQuAKE-CF-3k with its own facts, at k = 1, 100 and all."""
        return self._over_k("given-facts", (">= 0.99", ">= 0.95", ">= 0.95"))

    def dense(self) -> list[Figure]:
        """The same among so many facts that every entity has eight relations."""
        cases = self.cases("mquake")
        chosen = self.few(uncontested(cases))
        with edited(cases, "dense") as model:
            results = asked(model, chosen)
        bounds = (">= 0.97", ">= 0.92", "")
        found = figures("dense, k=all", results, bounds)
        kept = _kept_from_training(results)
        return [*found, *(figures("dense, cases kept from training", kept, bounds) if kept else ())]

    def controls(self) -> list[Figure]:
        """Questions over chains of which no edit is live: every other case is."""
        cases = self.cases("mquake")
        names = [{edit.subject_key for edit in case.edits} for case in cases]
        chosen = set(random.Random(SEED).sample(range(len(cases)), min(200, len(cases) // 4)))
        held = [case for i, case in enumerate(cases) if i in chosen]
        live = [case for i, case in enumerate(cases) if i not in chosen]
        keys = {edit.key for case in live for edit in case.edits}
        heads = {key for i in range(len(cases)) if i not in chosen for key in names[i]}
        free = [c for c in held if _untouched(c, keys, heads)]
        with edited(live, "end-to-end") as model:
            questions = [query.prompt for case in self.few(free) for query in phrasings(case)]
            decisions = model.route_many(questions)
        changed = [decision.route != "base" for decision in decisions]
        return [share("controls: unedited questions that an edit changes", changed, "<= 0.005")]

    def plans(self) -> list[Figure]:
        """The plan alone, by phrasing: relations in order, no graph to look at."""
        encoder = load_encoder()
        planner = Planner.shipped(encoder, encoder.encode)
        if planner is None:
            raise ValueError("no decomposer is shipped; train one with memedit train decomposer")
        family = chains([case for name in DATASETS for case in self.cases(name)])
        names = sorted(family.told)
        told = [tuple(family.told[name]) for name in names]
        found = []
        for side, bound in SIDES:
            questions = [question for question in family.on(side) if question.case]
            if self.limit is not None and len(questions) > self.limit:
                questions = random.Random(SEED).sample(questions, self.limit)
            right = []
            for question, plan in zip(
                questions, planner.plans([q.question for q in questions]), strict=True
            ):
                best = [int(planner.logits(hop, told).argmax()) for hop in plan.hops[: plan.length]]
                right.append(tuple(names[i] for i in best) == question.relations)
            found.append(share(f"plans: right in full, {SIDES[side, bound]}", right, bound))
        return found

    def _over_k(self, setting: Setting, bounds: tuple[str, str, str]) -> list[Figure]:
        cases = self.cases("mquake")
        chosen = self.few(uncontested(cases))
        found: list[Figure] = []
        for k in (1, 100):
            results = []
            for start in range(0, len(chosen), k):
                group = chosen[start : start + k]
                with edited(group, setting) as model:
                    results += asked(model, group)
            found += figures(f"{setting}, k={k}", results, ("", "", ""))
        with edited(cases, setting) as model:
            results = asked(model, chosen)
        found += figures(f"{setting}, k=all", results, bounds)
        kept = _kept_from_training(results)
        return [
            *found,
            *(figures(f"{setting}, cases kept from training", kept, bounds) if kept else ()),
        ]


def _kept_from_training(results: Sequence[Asked]) -> list[Asked]:
    trained = {question.case for question in chains([r.case for r in results]).on("train")}
    return [result for result in results if result.case.id not in trained]


def _untouched(case: Case, keys: set[tuple[str, str]], subjects: set[str]) -> bool:
    """Whether no live edit is about a subject of a case's original chain."""
    names = {fact.subject_key for fact in case.facts}
    return bool(names) and names.isdisjoint(subjects) and not any(e.key in keys for e in case.edits)


def _latency(model: EditedModel, cases: Sequence[Case]) -> list[Figure]:
    """Seconds a question, alone and in a batch, beside those of one bare encoding."""
    questions = [query.prompt for case in cases for query in phrasings(case)]
    questions = random.Random(SEED).sample(questions, min(ALONE, len(questions)))
    encoder = model.memory.encoder
    bare = _median(lambda text: encoder.encode([text]), questions)
    one = _median(model.route, questions)
    started = time.perf_counter()
    model.route_many(list(questions))
    together = (time.perf_counter() - started) / len(questions)
    return [
        Figure("hard: a question alone, in bare encodings (p50)", one / bare, target="<= 10"),
        Figure("hard: throughput of a batch over one at a time", one / together, target=">= 4"),
        Figure("hard: seconds a question alone (p50)", one),
        Figure("hard: seconds a question in a batch", together),
    ]


def _median(call: Callable[[str], object], questions: Sequence[str]) -> float:
    seconds = []
    for question in questions:
        started = time.perf_counter()
        call(question)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> None:
    """Runs the chosen sections and writes the table; exit code 1 where a bound is missed."""
    names = ("hard", "given_facts", "dense", "controls", "plans")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("--only", choices=names, nargs="+", default=list(names))
    parser.add_argument("--limit", type=int, help="at most so many cases are asked")
    parser.add_argument("--out", type=Path, default=RESULTS / "multihop.json")
    args = parser.parse_args()
    data = record.checksums(sorted(args.data.rglob("MQuAKE*.gz")))
    report = record.read(args.out) | {"machine": machine(), "data": data}
    sections = Sections(args.data, args.limit)
    limit = "" if args.limit is None else f" --limit {args.limit}"
    whole, text = "python eval/multihop.py DATA_DIR", ""
    for name in args.only:
        command = f"{whole} --only {name}{limit}"
        report["sections"][name] = record.measured(getattr(sections, name), command)
        text = record.write(report, args.out, "Multi-hop questions", whole, names)
    print(text)
    found = [f for section in report["sections"].values() for f in section["figures"]]
    raise SystemExit(any(figure["met"] is False for figure in found))


if __name__ == "__main__":
    main()
