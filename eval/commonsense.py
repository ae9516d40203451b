"""The benchmark of commonsense edits: ``python eval/commonsense.py DATA_DIR --keep FOLDER``.

CKEBench on the embedded model, every edit live at once, asked to go on from the prompts as they
stand. Only events of the dev side are reported (:mod:`memedit.train.split`); settings were tried on
others. Each section is one way to make the edits; what it answered is kept in a folder, from which
the section ``tests`` compares them in pairs. Which layers DEM chooses stands in the report's
``layers``, by relation, and in the picture beside it; the section ``choice`` has them for many more
events, which it does not edit.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from frontier import changed
from record import Figure, share

from memedit.bake import Moments, get_method, load_settings, refusals
from memedit.bake.chosen import Similarity, choose, similarities
from memedit.bake.contexts import prepare
from memedit.baking.weights import editable_of
from memedit.evaluate.answering import Answerer
from memedit.evaluate.cases import Case, Malformed
from memedit.evaluate.compare import compare
from memedit.evaluate.contested import LiveEdits
from memedit.evaluate.datasets import load_dataset
from memedit.evaluate.judging import Work, failed, judge
from memedit.evaluate.machine import machine
from memedit.evaluate.methods import make_method
from memedit.evaluate.metrics import figures
from memedit.evaluate.outcome import Outcome
from memedit.evaluate.suite import load_suite
from memedit.evaluate.tracing.drawing import HeatMap, png
from memedit.models.load import load_local_model
from memedit.train.split import is_dev

RESULTS = Path(__file__).parent / "results"
EDITS = 100
SEED = 0  # of the choice of events, and of all that a method draws
# Of each case: the edit prompt, and at most so many of the others.
AT_MOST = {"rephrase": 1, "reasoning": 2, "locality": 2}
OPEN, YES_OR_NO = ("edit", "rephrase", "reasoning"), ("locality",)


@dataclass(frozen=True)
class Way:
    """A way to make the edits.

    Attributes:
        method: The method.
        update: What is other than in its settings.
        source: A file of settings by name; None for the embedded model's own.
    """

    method: str
    update: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None


WAYS = {
    "base": Way("base"),
    "in-context": Way("in-context"),
    "memory": Way("memory"),
    "ft-m": Way("ft-m"),
    "ft-m, for sentences": Way("ft-m", source="smollm2-135m-sentences"),
    "memit": Way("memit"),
    "pmet": Way("pmet"),
    "memit, joint and sparing": Way("memit", {"target": {"joint": True}, "behind": 4.0}),
    "pmet, joint and sparing": Way("pmet", {"target": {"joint": True}, "behind": 4.0}),
    "dem": Way("dem"),
    "dem, fixed layers": Way("dem", {"dynamic": False}),
    "dem, no attention": Way("dem", {"attention": False}),
    "dem, no MLP": Way("dem", {"mlp": False}),
    "dem, all layers but the ends": Way("dem", {"among": None, "boundary": 1}),
    "dem, not held": Way("dem", {"hold": False}),
    "dem, not joint": Way("dem", {"target": {"joint": False}}),
    "dem, not sparing": Way("dem", {"behind": 0.0}),
    "dem, no names": Way("dem", {"names": ()}),
    "dem, at the last token": Way(
        "dem", {"token": "last", "similarity": "block", "among": None, "boundary": 2}
    ),
}
SHOWN = (
    "reliability", "generalization", "tf.specificity", "reasoning", "commonsense.score",
    "tf.reliability", "tf.generalization", "similarity", "similarity.generalization",
    "similarity.reasoning", "answers.repetition", "answers.entropy", "scope.recall",
    "scope.false_fire",
)  # fmt: skip
# What is tested in pairs, DEM against each of the others.
TESTED = ("reliability", "generalization", "tf.specificity", "reasoning", "commonsense.score",
          "similarity.reasoning", "answers.repetition")  # fmt: skip
TESTS, CHOICE = "tests", "choice"
CHOSEN = 500  # events whose layers are chosen
BOUNDARY = 2  # of the first layers, and of the last
SIMILARITIES: tuple[Similarity, ...] = ("block", "mlp", "attention")


@dataclass(frozen=True)
class Bounded(Figure):
    """A figure with an interval of its own: cases are resampled, not queries."""

    low: float = 0.0
    high: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        ends = {"low": round(self.low, 5), "high": round(self.high, 5)}
        return {**Figure(self.name, self.value, None, self.target).to_dict(), **ends, "n": self.n}


class Benchmark:
    """The sections.

    Args:
        data: The folder of the data sets.
        keep: Where outcomes are kept.
        edits: How many are live together.
        moments: Where second moments are kept from run to run; None to read them anew.
        dtype: The number format of the weights.
    """

    def __init__(
        self, data: Path, keep: Path, edits: int, moments: Path | None, dtype: str | None
    ) -> None:
        self.keep, self.dtype = keep, dtype
        self.moments = Moments(moments)
        read = [case for case in load_dataset("ckebench", data) if not isinstance(case, Malformed)]
        dev = [case for case in read if is_dev("ckebench", case.id, case.edits[0])]
        random.Random(SEED).shuffle(dev)
        self.dev: Sequence[Case] = dev
        self.cases: Sequence[Case] = dev[:edits]
        self.suite = load_suite("ckebench").model_copy(update={"at_most": AT_MOST})
        self.layers: dict[str, Any] = {}
        self._chat: Any = None

    @property
    def chat(self) -> Any:
        """The model; it goes on from a prompt, without turns."""
        if self._chat is None:
            chat = load_local_model(device="cpu", dtype=self.dtype)
            self._chat = chat.model_copy(update={"completion": True})
        return self._chat

    # -- sections --------------------------------------------------------------------------------

    def section(self, name: str) -> list[Figure]:
        """The figures of one way to make the edits."""
        if name == TESTS:
            return self.tests()
        if name == CHOICE:
            return self.choice()
        way = WAYS[name]
        weights = way.method not in ("base", "in-context", "memory")
        outcomes = self._in_weights(name, way) if weights else self._beside(way.method)
        self._keep(name, outcomes)
        base = outcomes if name == "base" else self._kept("base")
        measured = figures(outcomes, base, names=SHOWN, seed=SEED)
        return [
            Bounded(f"{name}: {metric}", f.value, f.n, low=f.low, high=f.high)
            for metric, f in measured.items()
        ]

    def tests(self) -> list[Figure]:
        """DEM against each other way, on the same cases: differences, with Holm's p."""
        base, dem = self._kept("base"), self._kept("dem")
        found: list[Figure] = []
        for name in WAYS:
            if name == "dem" or not self._path(name).exists():
                continue
            for d in compare(dem, self._kept(name), base=base, names=TESTED, seed=SEED):
                what = f"dem less {name}: {d.name} ({d.test}, p {d.p_adjusted:.4f})"
                found.append(Bounded(what, d.difference, d.n, low=d.low, high=d.high))
        return found

    def choice(self) -> list[Figure]:
        """The layers that DEM's rule chooses by each reading of it, and how often the outermost."""
        cases = self.dev[:CHOSEN]
        found: list[Figure] = []
        with self.chat.engine.using(None):
            model = editable_of(self.chat.engine)
            settings = load_settings("dem", model.network)
            count = len(model.blocks)
            ends = {*range(BOUNDARY), *range(count - BOUNDARY, count)}
            prepared = prepare(
                model, [case.edits[0] for case in cases], settings.prefixes, seed=SEED
            )
            for of in SIMILARITIES:
                cosines = similarities(model, prepared, of)
                for apart in (False, True):
                    among = [i for i in range(count) if not (apart and i in ends)]
                    layers = choose(cosines, settings.top, among)
                    name = f"{of}{', inner layers' if apart else ''}"
                    own = {
                        case.edits[0].id: {"layers": chosen}
                        for case, chosen in zip(cases, layers, strict=True)
                    }
                    self.layers[name] = self._by_relation(own, count, cases)
                    sets = f"choice by cosines of {name}: sets of layers that are chosen"
                    found.append(Figure(sets, len(set(layers))))
                    if not apart:
                        outer = [not ends.isdisjoint(chosen) for chosen in layers]
                        what = (
                            f"choice by cosines of {name}: events with one of the outermost layers"
                        )
                        found.append(share(what, outer))
        return found

    # -- internal --------------------------------------------------------------------------------

    def _in_weights(self, name: str, way: Way) -> list[Outcome]:
        engine = self.chat.engine
        edits = [case.edits[0] for case in self.cases]
        with engine.using(None):
            model = editable_of(engine)
            settings = load_settings(way.method, model.network, source=way.source)
            if way.update:
                settings = changed(settings, way.update)
            refused = {i: error.message for i, error in refusals(model, edits, settings).items()}
            good = [edit for edit in edits if edit.id not in refused]
            delta = get_method(way.method).compute(
                model, good, settings, moments=self.moments, seed=SEED
            )
            model.apply(delta)
        try:
            outcomes = self._asked(make_method("base", self.chat), refused)
        finally:
            with engine.using(None):
                model.revert(delta.id)
        chosen = {i: f for i, f in delta.figures.get("edits", {}).items() if "layers" in f}
        if chosen:
            self.layers[name] = self._by_relation(chosen, len(model.blocks), self.cases)
        return outcomes

    def _beside(self, method: str) -> list[Outcome]:
        """Edits that leave the weights alone."""
        made = make_method(method, self.chat)
        try:
            made.apply([case.edits[0] for case in self.cases])
            return self._asked(made, {})
        finally:
            made.close()

    def _asked(self, method: Any, refused: Mapping[str, str]) -> list[Outcome]:
        """What comes of every case; yes or no is only scored, since no figure asks for its text."""
        live, answerer = LiveEdits(self.cases), Answerer()
        parts = []
        for kinds, generate in ((OPEN, True), (YES_OR_NO, False)):
            suite = self.suite.model_copy(update={"kinds": kinds, "generate": generate})
            works = []
            for case in self.cases:
                queries = suite.queries(case)
                contested = live.contested(case, queries)
                works.append(Work(case, queries, contested, live=len(self.cases)))
            plans = iter(method.plan([q.prompt for work in works for q in work.queries]))
            planned = [
                replace(w, plans=[next(plans) for _ in w.queries],
                        conditions_met=[None] * len(w.queries))
                for w in works
            ]  # fmt: skip
            good = [work for work in planned if work.case.edits[0].id not in refused]
            told = dict(zip([w.case.id for w in good], judge(good, suite, answerer), strict=True))
            parts.append(
                [told.get(w.case.id) or failed(w, refused[w.case.edits[0].id]) for w in planned]
            )
        return [
            replace(
                said, outputs=said.outputs + scored.outputs, failed=said.failed or scored.failed
            )
            for said, scored in zip(*parts, strict=True)
        ]

    def _by_relation(
        self, chosen: Mapping[str, Any], layers: int, cases: Sequence[Case]
    ) -> dict[str, Any]:
        """How many edits of each relation, and of all, choose each layer."""
        counts: dict[str, Counter[int]] = {}
        for case in cases:
            own = chosen.get(case.edits[0].id)
            for relation in (case.relation, "all") if own else ():
                counts.setdefault(relation, Counter()).update(own["layers"])
                counts[relation][-1] += 1
        return {
            relation: {"edits": count[-1], "chosen": [count[layer] for layer in range(layers)]}
            for relation, count in counts.items()
        }

    def _path(self, name: str) -> Path:
        return self.keep / f"{name.replace(', ', '-').replace(' ', '_')}-{len(self.cases)}.jsonl"

    def _keep(self, name: str, outcomes: Sequence[Outcome]) -> None:
        self.keep.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(outcome.to_dict()) for outcome in outcomes]
        self._path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _kept(self, name: str) -> list[Outcome]:
        path = self._path(name)
        if not path.exists():
            raise SystemExit(f"{name}: nothing is kept in {path}; run --only {name!r} first")
        lines = path.read_text(encoding="utf-8").splitlines()
        return [Outcome.from_dict(json.loads(line)) for line in lines]


def layer_table(layers: Mapping[str, Any]) -> str:
    """The layers chosen in each relation as Markdown: per cent of its edits, a column a layer."""
    lines = []
    for name, relations in layers.items():
        count = len(relations["all"]["chosen"])
        used = [i for i in range(count) if relations["all"]["chosen"][i]]
        lines += [
            "",
            f"Layers chosen by {name} of {count}, in per cent of the edits:",
            "",
            "| relation | edits | " + " | ".join(map(str, used)) + " |",
            "|---|---|" + "---|" * len(used),
        ]
        for relation, found in sorted(relations.items(), key=lambda item: -item[1]["edits"]):
            shares = [f"{100 * found['chosen'][i] / found['edits']:.0f}" for i in used]
            lines.append(f"| {relation} | {found['edits']} | " + " | ".join(shares) + " |")
    return "\n".join(lines) + "\n"


def layer_maps(layers: Mapping[str, Any]) -> list[HeatMap]:
    """The layers chosen in each relation as heat maps, one for each way that leaves a choice."""
    maps = []
    for name, relations in sorted(layers.items()):
        if set(relations["all"]["chosen"]) <= {0, relations["all"]["edits"]}:
            continue
        order = sorted(relations, key=lambda relation: -relations[relation]["edits"])
        shares = [
            np.array(relations[relation]["chosen"]) / relations[relation]["edits"]
            for relation in order
        ]
        maps.append(HeatMap(name, tuple(order), np.array(shares, dtype=np.float64)))
    return maps


def main() -> None:
    """Runs the chosen sections and writes the table."""
    names = [*WAYS, TESTS, CHOICE]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("--only", choices=names, nargs="+", default=names)
    parser.add_argument("--edits", type=int, default=EDITS, help="how many are live together")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="of the weights")
    parser.add_argument("--moments", type=Path, help="where to keep second moments")
    parser.add_argument("--keep", type=Path, required=True, help="where to keep what was answered")
    parser.add_argument("--out", type=Path, help="the results; a file for each number of edits")
    args = parser.parse_args()
    size = "" if args.edits == EDITS else f"-{args.edits}"
    out = args.out or RESULTS / f"commonsense{size}.json"
    torch.manual_seed(SEED)
    benchmark = Benchmark(args.data, args.keep, args.edits, args.moments, args.dtype)
    data = record.checksums(sorted(args.data.rglob("ckebench*.gz")))
    whole = "python eval/commonsense.py DATA_DIR --keep FOLDER"
    options = f" --edits {args.edits}" + ("" if args.dtype is None else f" --dtype {args.dtype}")
    title, text = f"{args.edits} commonsense edits at once", ""
    for name in args.only:
        report = record.read(out) | {"machine": machine(), "data": data}
        command = f"{whole} --only {name!r}{options}"
        report["sections"][name] = record.measured(partial(benchmark.section, name), command)
        report["layers"] = report.get("layers", {}) | benchmark.layers
        text = record.write(report, out, title, whole + options, names)
        text += layer_table(report["layers"])
        if maps := layer_maps(report["layers"]):
            picture = out.with_name(f"{out.stem}-layers.png")
            picture.write_bytes(png(maps, "Share of the edits that choose a layer", columns=2))
            text += f"\n![The same as a heat map]({picture.name})\n"
        out.with_suffix(".md").write_text(text)
        print(name, "done", flush=True)
    print(text)


if __name__ == "__main__":
    main()
