"""The benchmark of multi-hop questions: ``python eval/multihop.py DATA_DIR``.

Every section is the product's own routing with all edits of a file live, asked in every phrasing;
nothing of a case is known to it: no hop count, no chain, no old fact, no case id. Only cases are
asked that the decomposer was not trained on, of MQuAKE-CF-3k those whose answer no other case's
edit overturns; ``--limit`` takes a fixed sample of them. But for ``end_to_end`` no language model
is behind it: what the edits and facts do not answer stays unanswered. Sections are written as they
are done, so that ``--only`` goes on.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import end_to_end
import record
from langchain_core.language_models import BaseChatModel
from record import Figure, share

from memedit import EditedModel, EditMemory
from memedit.evaluate.cases import Case, Malformed, Query
from memedit.evaluate.contested import LiveEdits
from memedit.evaluate.datasets import load_dataset
from memedit.evaluate.facts import live_facts
from memedit.evaluate.suite import Setting
from memedit.match import exact
from memedit.models.load import load_model
from memedit.models.settled import SettledChatModel
from memedit.multihop import Chain
from memedit.multihop.decision import NO_CHAIN, ChainDecision
from memedit.multihop.walk.planner import CONFIG_FILE, Planner
from memedit.multihop.walk.readings import plan_over
from memedit.scope.encoder import load_encoder
from memedit.settings import DEFAULT_MODEL
from memedit.train.decomposer import DATASETS
from memedit.train.plans import Side, chains

RESULTS = Path(__file__).parent / "results"
SEED = 0
BATCH = 64
ALONE = 60  # questions asked one at a time for their latency
FOLDS = 4  # in which cases are taken out of the memory, whose questions must stay unchanged
SIZES = (1, 100, None)  # cases live at a time; None: all of them


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


GIVEN = ("larger", "unseen")  # sections that need to be given a model or a decomposer
# The sides of the split whose plans are measured, with their bounds.
SIDES: dict[Side, tuple[str, str]] = {
    "seen": (">= 0.95", "chains of the training, other subjects"),
    "chain": (">= 0.88", "chains never seen"),
    "relation": (">= 0.80", "a relation never seen"),
}


def phrasings(case: Case) -> list[Query]:
    """The phrasings of a case's question."""
    return [query for query in case.queries if query.kind == "multi_hop"]


@contextmanager
def edited(
    cases: Sequence[Case],
    setting: Setting,
    decomposer: Path | None = None,
    base: BaseChatModel | None = None,
) -> Iterator[EditedModel]:
    """The product with the cases' edits and facts; its model knows nothing where none is given."""
    with (
        TemporaryDirectory(prefix="memedit-eval-") as folder,
        EditMemory.open(Path(folder) / "e.db") as memory,
    ):
        facts = live_facts(cases, setting)
        if facts:
            memory.add(facts)
        memory.add(list({edit.id: edit for case in cases for edit in case.edits}.values()))
        base = base or SettledChatModel(answer="")
        model = EditedModel(base, memory, multihop=True, decomposer=decomposer)
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


def figures(
    name: str, results: Sequence[Asked], bounds: tuple[str, str, str] = ("", "", "")
) -> list[Figure]:
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
        decomposer: The decomposer's folder; the shipped one where None.
        model: The language model of the end-to-end section.
    """

    def __init__(
        self,
        data: Path,
        limit: int | None,
        decomposer: Path | None = None,
        model: str = DEFAULT_MODEL,
    ) -> None:
        self.data = data
        self.limit = limit
        self.decomposer = decomposer
        self.model = model

    def cases(self, dataset: str) -> list[Case]:
        """The readable cases of a data set."""
        read = load_dataset(dataset, self.data)
        return [case for case in read if not isinstance(case, Malformed)]

    def kept(self, cases: Sequence[Case]) -> list[Case]:
        """The cases that are asked: none that was trained on."""
        trained = {question.case for question in chains(cases).on("train")}
        return self.few([case for case in uncontested(cases) if case.id not in trained])

    def few(self, cases: Sequence[Case]) -> list[Case]:
        """A fixed sample."""
        if self.limit is None or len(cases) <= self.limit:
            return list(cases)
        return random.Random(SEED).sample(list(cases), self.limit)

    def hard(self) -> list[Figure]:
        """MQuAKE-hard, every hop edited."""
        cases = self.cases("mquake_hard")
        with edited(cases, "end-to-end", self.decomposer) as model:
            results = asked(model, self.kept(cases))
        return figures("hard", results, (">= 0.995", ">= 0.97", ">= 0.97"))

    def speed(self) -> list[Figure]:
        """What a question of MQuAKE-hard takes, alone and in a batch."""
        cases = self.cases("mquake_hard")
        with edited(cases, "end-to-end", self.decomposer) as model:
            return _latency(model, self.kept(cases))

    def given_facts(self) -> list[Figure]:
        """MQuAKE-CF-3k with its own facts."""
        return self._with_facts("given-facts", (">= 0.99", ">= 0.95", ">= 0.95"))

    def dense(self) -> list[Figure]:
        """The same among so many facts that every entity has eight relations."""
        return self._with_facts("dense", (">= 0.97", ">= 0.92", ""))

    def growth(self) -> list[Figure]:
        """MQuAKE-CF-3k with its own facts where few cases are live at a time, and all."""
        return self._growing("given-facts")

    def dense_growth(self) -> list[Figure]:
        """The same among dense facts."""
        return self._growing("dense")

    def _growing(self, setting: Setting) -> list[Figure]:
        """The same cases beside few others and beside all, and what they lose."""
        cases = self.cases("mquake")
        chosen = self.kept(cases)
        found: list[Figure] = []
        rights: dict[int | None, list[list[bool]]] = {}
        for size in SIZES:
            results: list[Asked] = []
            for start in range(0, len(chosen), size or len(chosen)):
                group = chosen[start : start + (size or len(chosen))]
                with edited(group if size else cases, setting, self.decomposer) as model:
                    results += asked(model, group)
            rights[size] = [result.right for result in results]
            found += figures(f"{setting}, k={size or 'all'}, the same cases", results)
        for name, whether in (("any", any), ("every", all)):
            lost = [
                sum(whether(right) for right in rights[size]) / len(chosen) for size in (1, None)
            ]
            told = f"{setting}: {name} phrasing right, what is lost from k=1 to all"
            found.append(Figure(told, lost[0] - lost[1], target="<= 0.01"))
        return found

    def _with_facts(self, setting: Setting, bounds: tuple[str, str, str]) -> list[Figure]:
        cases = self.cases("mquake")
        with edited(cases, setting, self.decomposer) as model:
            results = asked(model, self.kept(cases))
        return figures(f"{setting}, k=all", results, bounds)

    def end_to_end(self) -> list[Figure]:
        """MQuAKE-CF-3k, a model asked for what no edit tells, beside its own closed book."""
        cases = self.cases("mquake")
        base = load_model(self.model)
        with edited(cases, "end-to-end", self.decomposer, base) as model:
            named = f"end-to-end, {Path(self.model).stem}"
            return end_to_end.figures(model, self.kept(cases), named)

    def larger(self) -> list[Figure]:
        """The same with another, larger model, given by ``--model``."""
        return self.end_to_end()

    def controls(self) -> list[Figure]:
        """Questions over chains of which no edit is live, all others' edits being live."""
        cases = self.cases("mquake")
        trained = {question.case for question in chains(cases).on("train")}
        kept = [i for i, case in enumerate(cases) if case.id not in trained]
        random.Random(SEED).shuffle(kept)
        changed: list[bool] = []
        for fold in range(FOLDS):
            out = set(kept[fold::FOLDS])
            live = [case for i, case in enumerate(cases) if i not in out]
            keys = {edit.key for case in live for edit in case.edits}
            heads = {edit.subject_key for case in live for edit in case.edits}
            free = [cases[i] for i in sorted(out) if _untouched(cases[i], keys, heads)]
            with edited(live, "end-to-end", self.decomposer) as model:
                questions = [query.prompt for case in self.few(free) for query in phrasings(case)]
                changed += [one.route != "base" for one in model.route_many(questions)]
        return [share("controls: unedited questions that an edit changes", changed, "<= 0.005")]

    def plans(self) -> list[Figure]:
        """The plan alone, by phrasing: relations in order, no graph to look at."""
        return self._plans(("seen", "chain"))

    def unseen(self) -> list[Figure]:
        """The same where a relation is in no training, by a ``--decomposer`` made ``--without``."""
        return self._plans(("relation",))

    def _plans(self, sides: Sequence[Side]) -> list[Figure]:
        encoder = load_encoder()
        without: list[str] = []
        if self.decomposer is None:
            planner = Planner.shipped(encoder, encoder.encode)
        else:
            planner = Planner.load(self.decomposer, encoder, encoder.encode)
            without = json.loads((self.decomposer / CONFIG_FILE).read_text())["without"]
        if planner is None:
            raise ValueError("the shipped decomposer does not fit the embedded encoder")
        family = chains([c for name in DATASETS for c in self.cases(name)], without=without)
        names = sorted(family.told)
        told = [tuple(family.told[name]) for name in names]
        found = []
        for side, (bound, about) in ((side, SIDES[side]) for side in sides):
            questions = [question for question in family.on(side) if question.case]
            if self.limit is not None and len(questions) > self.limit:
                questions = random.Random(SEED).sample(questions, self.limit)
            plans = planner.plans([q.question for q in questions])
            read = [tuple(names[i] for i in plan_over(plan, told)) for plan in plans]
            pairs = [(one, q.relations) for one, q in zip(read, questions, strict=True)]
            right, nearly = [a == b for a, b in pairs], [but_for_a_hop(a, b) for a, b in pairs]
            found.append(share(f"plans: right in full, {about}", right, bound))
            found.append(share(f"plans: right but for a hop on the way, {about}", nearly))
        return found


def but_for_a_hop(read: Sequence[str], gold: Sequence[str]) -> bool:
    """Whether a plan is right but for at most one hop on the way, left out or put in.

    Questions pass over hops: "What is the capital of the country that its sport comes from?" is
    asked of a position's sport and of somebody's own, and no word tells which.

    Args:
        read: The relations that were read.
        gold: The right ones.
    """
    short, long = sorted((tuple(read), tuple(gold)), key=len)
    without = [long[:i] + long[i + 1 :] for i in range(len(long) - 1)]
    return short == long or short in without


def _untouched(case: Case, keys: set[tuple[str, str]], subjects: set[str]) -> bool:
    """Whether no live edit is about a subject of a case's original chain."""
    names = {fact.subject_key for fact in case.facts}
    return bool(names) and names.isdisjoint(subjects) and not any(e.key in keys for e in case.edits)


def _latency(model: EditedModel, cases: Sequence[Case]) -> list[Figure]:
    """Seconds a question, alone and in a batch, beside those of one bare encoding."""
    questions = [query.prompt for case in cases for query in phrasings(case)]
    random.Random(SEED).shuffle(questions)
    questions, others = questions[:ALONE], questions[ALONE : 2 * ALONE]
    encoder = model.memory.encoder
    bare = _median(lambda text: encoder.encode([text]), questions)
    one = _median(model.route, questions)
    started = time.perf_counter()
    model.route_many(others)
    together = (time.perf_counter() - started) / len(others)
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
    names = (
        "hard",
        "given_facts",
        "dense",
        "growth",
        "dense_growth",
        "end_to_end",
        "larger",
        "unseen",
        "controls",
        "plans",
        "speed",
    )
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument(
        "--only", choices=names, nargs="+", default=[name for name in names if name not in GIVEN]
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help="of end_to_end and larger")
    parser.add_argument("--limit", type=int, help="at most so many cases are asked")
    parser.add_argument("--decomposer", type=Path, help="its folder; the shipped one if left out")
    parser.add_argument("--out", type=Path, default=RESULTS / "multihop.json")
    args = parser.parse_args()
    sections = Sections(args.data, args.limit, args.decomposer, args.model)
    limit = "" if args.limit is None else f" --limit {args.limit}"
    limit += "" if args.decomposer is None else " --decomposer FOLDER"
    limit += "" if args.model == DEFAULT_MODEL else f" --model {Path(args.model).name}"
    record.carry_out(
        {name: getattr(sections, name) for name in names},
        args.only,
        args.out,
        "Multi-hop questions",
        "python eval/multihop.py DATA_DIR",
        options=limit,
        data=sorted(args.data.rglob("MQuAKE*.gz")),
    )


if __name__ == "__main__":
    main()
