"""The benchmark of edits in the weights: ``python eval/bake.py DATA_DIR``.

CounterFact on the embedded model. Only cases below 2,000 are reported (:mod:`memedit.train.split`).
The settings in ``hparams/`` and the guards of a bake were tried on later ones; so are those in the
sections ``frontier`` and ``sequence``, which show what other settings give. Figures of the unedited
model stand beside those of each method. Sections are written as they are done, so that ``--only``
goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import record
import written
from bake_life import whole_life
from frontier import IN_SEQUENCE, TRIED, Vectors, changed
from pydantic import BaseModel
from record import Figure
from torch.utils.flop_counter import FlopCounterMode
from written import Said, said

from memedit.bake import Delta, Editable, Moments, get_method, layers_of, load_settings
from memedit.bake.contexts import prepare
from memedit.bake.reading import Part
from memedit.bake.spread import find_goal
from memedit.baking.canaries import read_canaries
from memedit.baking.weights import editable_of
from memedit.edit import Edit
from memedit.evaluate.cases import Case, Malformed
from memedit.evaluate.datasets import load_dataset
from memedit.models.load import load_local_model
from memedit.train.split import is_dev

RESULTS = Path(__file__).parent / "results"
NAMES = ("rome", "memit", "others", "alphaedit", "speed", "tokens", "life", "frontier", "sequence")
SINGLE, BATCH, SEQUENCE, LIFE = 100, 100, 1000, 1000  # edits
STEP = 100  # of a sequence, written at once
TRIALS = 30  # training-side cases for each setting of the frontier
FAST, SLOW = 64, 3  # edits whose target vectors are timed
PUBLISHED = "gpt2-xl"  # the papers' own settings
AS_PUBLISHED = {"at_once": 1, "reuse": False}
TIMED: tuple[tuple[str, str, Part], ...] = (
    ("ROME", "rome", "mlp_out"),
    ("MEMIT", "memit", "block_out"),
)


class Sections:
    """The sections of the benchmark.

    Args:
        data: The folder of the data sets.
        limit: At most so many edits in a section.
        dtype: The number format of the weights; None for the one they are stored in.
        moments: Where second moments are kept from run to run; None to read them anew.
        corpus: A text file, to read second moments from as well.
    """

    def __init__(
        self,
        data: Path,
        limit: int | None,
        dtype: str | None,
        moments: Path | None,
        corpus: Path | None,
    ) -> None:
        self.data, self.limit, self.corpus = data, limit, corpus
        self.chat = load_local_model(device="cpu", dtype=dtype)
        with self.chat.engine.using(None):
            self.model: Editable = editable_of(self.chat.engine)
        self.moments = Moments(moments)

    # -- what the sections share -----------------------------------------------------------------

    def cases(self, name: str, most: int, *, dev: bool = True) -> list[Case]:
        """The first cases of a data set on one side of the split."""
        read = [case for case in load_dataset(name, self.data) if not isinstance(case, Malformed)]
        side = [case for case in read if is_dev("counterfact", case.id, case.edits[0]) is dev]
        return side[: min(most, self.limit or most)]

    def settings(self, method: str) -> BaseModel:
        """A method's settings for the model."""
        return load_settings(method, self.model.network)

    def together(
        self,
        method: str,
        cases: Sequence[Case],
        settings: BaseModel,
        moments: Moments | None = None,
    ) -> Delta:
        """All edits of the cases as one change, on top of those that are on."""
        edits = [case.edits[0] for case in cases]
        with self.chat.engine.using(None):
            return get_method(method).compute(
                self.model, edits, settings, moments=moments or self.moments
            )

    def alone(
        self, method: str, cases: Sequence[Case], settings: BaseModel, *, greedy: bool = True
    ) -> list[Said]:
        """What the model says with each case's edit alone in its weights."""
        edits = [case.edits[0] for case in cases]
        with self.chat.engine.using(None):
            deltas = get_method(method).compute_each(
                self.model, edits, settings, moments=self.moments
            )
        found = []
        for case, delta in zip(cases, deltas, strict=True):
            found += self.with_(delta, partial(said, self.chat, [case], greedy=greedy))
        return found

    def with_(self, delta: Delta, ask: Callable[[], list[Said]]) -> list[Said]:
        """What the model says with a change in its weights."""
        with self.chat.engine.using(None):
            self.model.apply(delta)
        try:
            return ask()
        finally:
            with self.chat.engine.using(None):
                self.model.revert(delta.id)

    @contextlib.contextmanager
    def in_sequence(
        self, cases: Sequence[Case], settings: BaseModel
    ) -> Iterator[Iterator[Sequence[Case]]]:
        """AlphaEdit's batches, one after the other: each is on the weights when it is given."""

        def batches() -> Iterator[Sequence[Case]]:
            for begin in range(0, len(cases), STEP):
                batch = cases[begin : begin + STEP]
                delta = self.together("alphaedit", batch, settings)
                with self.chat.engine.using(None):
                    self.model.apply(delta)
                yield batch

        try:
            yield batches()
        finally:
            with self.chat.engine.using(None):
                self.model.revert_all()

    def perplexity(self) -> float:
        """Of the shipped canary texts, which are about nothing that is edited."""
        return read_canaries(self.chat.engine).perplexity

    # -- the sections ----------------------------------------------------------------------------

    def rome(self) -> list[Figure]:
        """Each edit alone: written, asked, taken off."""
        cases = self.cases("counterfact_original", SINGLE)
        before = said(self.chat, cases)
        after = self.alone("rome", cases, self.settings("rome"))
        found = written.figures("base", before, before)
        return found + written.figures("ROME, single", after, before, (">= 0.99", ">= 0.90", 0.06))

    def memit(self) -> list[Figure]:
        """Edits written at once."""
        return self._at_once({"memit": (">= 0.97", ">= 0.85", 0.06)})

    def others(self) -> list[Figure]:
        """The other methods, likewise."""
        return self._at_once(dict.fromkeys(("pmet", "alphaedit", "ft-m"), ("", "", None)))

    def _at_once(self, methods: dict[str, tuple[str, str, float | None]]) -> list[Figure]:
        cases = self.cases("counterfact_original", BATCH)
        before, start = said(self.chat, cases), self.perplexity()
        found = written.figures("base", before, before)
        for method, bounds in methods.items():
            name = f"{method}, {len(cases)} at once"
            delta = self.together(method, cases, self.settings(method))
            perplexities: list[float] = []

            def ask(perplexities: list[float] = perplexities) -> list[Said]:
                perplexities.append(self.perplexity())
                return said(self.chat, cases)

            after = self.with_(delta, ask)
            found += written.figures(name, after, before, bounds)
            found.append(Figure(f"{name}: perplexity, as a multiple", perplexities[0] / start))
        return found

    def alphaedit(self) -> list[Figure]:
        """Edits in batches one after the other, all of them asked at the end."""
        cases = self.cases("counterfact", SEQUENCE)
        before, start = said(self.chat, cases, greedy=False), self.perplexity()
        untouched = said(self.chat, cases[:STEP])
        first: list[Said] = []
        with self.in_sequence(cases, self.settings("alphaedit")) as batches:
            for batch in batches:
                first += said(self.chat, batch, greedy=False)
            after, end = said(self.chat, cases, greedy=False), self.perplexity()
            oldest = said(self.chat, cases[:STEP])
        name = f"AlphaEdit, {len(cases)} in batches of {STEP}"
        return [
            *written.figures("base", before, before),
            *written.figures(f"{name}, each batch when written", first, before),
            *written.figures(f"{name}, at the end", after, before, (">= 0.95", "", None)),
            *written.figures(f"{name}, the first batch at the end", oldest, untouched),
            Figure(f"{name}: perplexity, as a multiple", end / start, target="<= 1.1"),
        ]

    def speed(self) -> list[Figure]:
        """Target vectors in a batch, against one at a time over whole texts and vocabulary.

        Steps, rates and texts are those that ROME and MEMIT were published with, on both sides; the
        layers are this model's. In seconds of the processor, which do not count what other
        processes take. Arithmetic is counted beside: it bounds what a processor that is busy either
        way can gain, while one that is not gains from batches as well.
        """
        found = []
        for name, method, part in TIMED:
            found += self._times_faster(name, method, part)
            slow, fast = (self._arithmetic(method, part, way) for way in (AS_PUBLISHED, {}))
            found.append(Figure(f"{name}: how many times less arithmetic", slow / fast))
        return found

    def _times_faster(self, name: str, method: str, part: Part) -> list[Figure]:
        """Seconds of the processor for a target vector, many at once and as published."""
        edits = [case.edits[0] for case in self.cases("counterfact_original", FAST)]
        few = edits[:: max(1, len(edits) // SLOW)]
        seconds = []
        for update, chosen in (({"at_once": FAST}, edits), (AS_PUBLISHED, few)):
            find = self._vectors(chosen, method, part, update)
            started = time.process_time()
            find()
            seconds.append((time.process_time() - started) / len(chosen))
        return [
            Figure(f"{name}: a target vector, seconds, {len(edits)} at once", seconds[0]),
            Figure(f"{name}: a target vector, seconds, as published", seconds[1]),
            Figure(f"{name}: how many times faster", seconds[1] / seconds[0], target=">= 8"),
        ]

    def _arithmetic(self, method: str, part: Part, how: dict[str, Any]) -> float:
        """Floating-point operations of an edit's vector if no edit stops early."""
        edits = [case.edits[0] for case in self.cases("counterfact_original", FAST)][::4]
        counts = []
        for steps in (1, 2):  # the last step has no gradient
            find = self._vectors(edits, method, part, {"at_once": FAST, **how, "steps": steps})
            with FlopCounterMode(display=False) as counter:
                find()
            counts.append(counter.get_total_flops())
        steps = int(load_settings(method, source=PUBLISHED).model_dump()["target"]["steps"])
        return float(counts[0] + (steps - 1) * (counts[1] - counts[0])) / len(edits)

    def _vectors(
        self, edits: Sequence[Edit], method: str, part: Part, update: dict[str, Any]
    ) -> Callable[[], object]:
        """What finds the edits' target vectors, with the papers' settings but for ``update``."""
        settings: Any = load_settings(method, source=PUBLISHED)
        layer = layers_of(self.settings(method))[-1]
        target = settings.target.model_copy(update=update)
        with self.chat.engine.using(None):
            prepared = prepare(self.model, edits, settings.prefixes, seed=0)

        def find() -> object:
            with self.chat.engine.using(None):
                return find_goal(self.model, prepared, layer, [part], target, lambda *_: None)

        return find

    def life(self) -> list[Figure]:
        """A memory baked, asked through the product, and taken out again."""
        return whole_life(self.chat, self.cases("counterfact", LIFE), self.moments)

    def tokens(self) -> list[Figure]:
        """How long second moments take, and what ten times the tokens change."""
        cases = self.cases("counterfact_original", BATCH)
        settings: Any = self.settings("memit")
        before = said(self.chat, cases, greedy=False)
        found, outcomes = written.figures("base", before, before), {}
        few = settings.moments
        many = few.model_copy(update={"per_width": 10 * few.per_width})
        ways: dict[str, tuple[Any, Path | None]] = {
            "own samples": (few, None),
            "own samples, 10 times the tokens": (many, None),
        }
        if self.corpus is not None:
            ways["a corpus"] = (few, self.corpus)
        for name, (how, corpus) in ways.items():
            moments = Moments(self.moments.folder if how is many else None, corpus)
            started, busy = time.perf_counter(), time.process_time()
            with self.chat.engine.using(None):
                moments.of(self.model, settings.layers, how)
            seconds, busy = time.perf_counter() - started, time.process_time() - busy
            if how is few:
                found.append(Figure(f"C from {name}: seconds", seconds, target="<= 300"))
                found.append(Figure(f"C from {name}: seconds of the processor", busy))
            delta = self.together(
                "memit", cases, settings.model_copy(update={"moments": how}), moments
            )
            outcomes[name] = self.with_(delta, lambda: said(self.chat, cases, greedy=False))
            found += written.figures(f"C from {name}", outcomes[name], before)
        ten = outcomes["own samples, 10 times the tokens"]
        for kind in ("PS", "NS"):
            apart = abs(written.value(outcomes["own samples"], kind) - written.value(ten, kind))
            found.append(Figure(f"{kind}: apart with 10 times the tokens", apart, target="<= 0.01"))
        return found

    def frontier(self) -> list[Figure]:
        """Other settings than those in ``hparams/``, on cases that are not reported."""
        cases = self.cases("counterfact_original", TRIALS, dev=False)
        before = said(self.chat, cases, greedy=False)
        found = written.figures("training side, base", before, before)
        for method, name, update in TRIED:
            settings = changed(self.settings(method), update)
            if method == "rome":
                after = self.alone(method, cases, settings, greedy=False)
            else:
                delta = self.together(method, cases, settings)
                after = self.with_(delta, lambda: said(self.chat, cases, greedy=False))
            found += written.figures(f"training side, {method}, {name}", after, before)
        return found

    def sequence(self) -> list[Figure]:
        """AlphaEdit in sequence, over all cases that are not reported: edits against perplexity.

        Vectors are optimised once on the untouched model, and what they add is asked of the model
        as each batch finds it; the rest is what :meth:`alphaedit` does.
        """
        cases = self.cases("counterfact_original", SEQUENCE, dev=False)
        before, start = said(self.chat, cases, greedy=False), self.perplexity()
        title = f"training side, {len(cases)} in batches of {STEP}"
        found = written.figures(f"{title}, base", before, before)
        for name, target, ways in IN_SEQUENCE:
            settings: Any = changed(self.settings("alphaedit"), {"target": target})
            vectors = Vectors.of(self.model, self.chat, cases, settings)
            for update in ways:
                told = ", ".join(f"{key} {value}" for key, value in update.items())
                way: Any = changed(settings, update)
                with vectors.written(way, self.moments, STEP) as batches:
                    ends = [self.perplexity() / start for _ in batches]
                    after = said(self.chat, cases, greedy=False)
                full = f"{title}, alphaedit, {name}, {told}"
                found += written.figures(full, after, before)
                found += [
                    Figure(f"{full}: perplexity after {done}, as a multiple", end)
                    for done, end in zip(
                        (*range(STEP, len(cases), STEP), len(cases)), ends, strict=True
                    )
                ]
        return found


def main() -> None:
    """Runs the chosen sections and writes the table; exit code 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("--only", choices=NAMES, nargs="+", default=list(NAMES))
    parser.add_argument("--limit", type=int, help="at most so many edits in a section")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="of the weights")
    parser.add_argument("--moments", type=Path, help="where to keep second moments")
    parser.add_argument("--corpus", type=Path, help="a text file to read second moments from, too")
    parser.add_argument("--out", type=Path, default=RESULTS / "bake.json")
    args = parser.parse_args()
    sections = Sections(args.data, args.limit, args.dtype, args.moments, args.corpus)
    options = "" if args.limit is None else f" --limit {args.limit}"
    options += "" if args.dtype is None else f" --dtype {args.dtype}"
    record.carry_out(
        {name: getattr(sections, name) for name in NAMES},
        args.only,
        args.out,
        "Edits in the weights",
        "python eval/bake.py DATA_DIR",
        options=options,
        data=sorted(args.data.rglob("counterfact_*.gz")),
    )


if __name__ == "__main__":
    main()
