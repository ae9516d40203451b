"""The benchmark of tracing: ``python eval/trace.py DATA_DIR``.

Where the embedded model keeps facts, and whether that is where the published figures have it:
known_1000 by causal tracing, only prompts that the model answers right by itself. Facts against
commonsense by what layers add to the stream, and by what putting them back gives. Prompts are
drawn by the seed; nothing is tuned on them. Traces are kept prompt by prompt in a folder beside
the results, so that a stopped section goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import record
from record import Figure

from memedit.bake import Editable
from memedit.evaluate.datasets import load_dataset
from memedit.evaluate.machine import machine
from memedit.evaluate.tracing.averages import Averages, Mean, averages
from memedit.evaluate.tracing.recalled import THIRDS, difference, recalled, thirds_of
from memedit.evaluate.tracing.running import UNKNOWN, TraceJob, counted, run
from memedit.models.load import load_local_model
from memedit.trace import GROUPS, KINDS, Prompt, Trace
from memedit.trace.effects import Array, Measure

RESULTS = Path(__file__).parent / "results"
NAMES = ("known", "formats", "recall", "klft", "meaning")
SETS = {"facts": "known_1000", "commonsense": "ckebench", "ATOMIC": "atomic2020"}
MEASURED: dict[Measure, str] = {
    "token": "probability of a token of the answer",
    "meaning": "likeness to the clean continuation",
}
COMPARED = 20  # prompts of a set whose restorations are compared
FEW = 3  # prompts that are traced in both number formats
SEED = 0


class Sections:
    """The sections of the benchmark.

    Args:
        data: The folder of the data sets.
        limit: Prompts of a section.
        samples: Draws of noise for each prompt.
        dtype: The number format of the weights.
        kept: The folder in which traces are kept.
    """

    def __init__(self, data: Path, limit: int, samples: int, dtype: str, kept: Path) -> None:
        self.data, self.limit, self.samples, self.kept = data, limit, samples, kept
        self.chat = load_local_model(device="cpu", dtype=dtype)
        self.model = Editable.of(self.chat.engine)

    def known(self) -> list[Figure]:
        """known_1000, as the published figure has it."""
        job = TraceJob(
            self.chat, "smollm2", load_dataset("known_1000", self.data), self.limit,
            samples=self.samples, seed=SEED,
        )  # fmt: skip
        found = run(job, self.model, self.kept / "known", lambda done: None)
        traces = list(found.traces.values())
        came = averages(traces, SEED)
        return [
            Figure("known_1000: prompts traced", len(traces)),
            Figure("known_1000: prompts passed over, answered otherwise", found.left_out[UNKNOWN]),
            Figure("known_1000: seconds of the processor", found.seconds),
            Figure("noise: standard deviation of subjects' embeddings", found.std),
            *of_averages("known_1000", came),
        ]

    def formats(self) -> list[Figure]:
        """The same prompts in bfloat16 and in float32: whether the quicker one will do."""
        found = []
        for dtype in ("bfloat16", "float32"):
            chat = load_local_model(device="cpu", dtype=dtype)
            job = TraceJob(
                chat, "smollm2", load_dataset("known_1000", self.data), FEW,
                samples=self.samples, ends=True, seed=SEED,
            )  # fmt: skip
            folder = self.kept / f"formats-{dtype}"
            found.append(run(job, Editable.of(chat.engine), folder, lambda done: None))
        shared = found[0].traces.keys() & found[1].traces.keys()
        one, other = (
            np.concatenate([_effects(ran.traces[case]) for case in sorted(shared)]) for ran in found
        )
        return [
            Figure("formats: prompts", len(shared)),
            Figure("formats: correlation of effects", float(np.corrcoef(one, other)[0, 1])),
            Figure("formats: largest difference of an effect", float(np.abs(one - other).max())),
            Figure("formats: largest effect", float(np.abs(other).max())),
            Figure("formats: seconds of the processor, bfloat16", found[0].seconds),
            Figure("formats: seconds of the processor, float32", found[1].seconds),
        ]

    def recall(self) -> list[Figure]:
        """What layers add to the stream: facts, commonsense, and each with other elements."""
        found, rows = [], {}
        for apart in (False, True):
            for what, name in SETS.items():
                came = recalled(self.model, self._prompts(name, apart), SEED)
                about = f"recall, {what}{', decoupled' if apart else ''}"
                rows[what, apart] = came.prompts
                for part in ("mlp_out", "attn_out"):
                    curve, kind = came.curves[part], KINDS[part]
                    peak = curve.peak
                    at = Mean(curve.values[peak], curve.low[peak], curve.high[peak], curve.n)
                    found.append(_figure(f"{about}: {kind}, most at layer {peak}", at))
                    found += [
                        _figure(f"{about}: {kind}, {third}", mean)
                        for third, mean in zip(THIRDS, came.thirds[part], strict=True)
                    ]
        for apart in (False, True):
            for part in ("mlp_out", "attn_out"):
                ours, theirs = (
                    thirds_of(rows[what, apart][part]) for what in ("commonsense", "facts")
                )
                for third, one, other in zip(THIRDS, ours, theirs, strict=True):
                    about = f"recall{', decoupled' if apart else ''}: commonsense less facts"
                    difference_ = difference(one, other, SEED)
                    found.append(_figure(f"{about}: {KINDS[part]}, {third}", difference_))
        return found

    def klft(self) -> list[Figure]:
        """Restoration by likelihood: facts against commonsense, and with other elements."""
        return self._compared("token", (False, True))

    def meaning(self) -> list[Figure]:
        """Restoration by the meaning of what the model goes on with."""
        return self._compared("meaning", (False,))

    def _compared(self, measure: Measure, variants: tuple[bool, ...]) -> list[Figure]:
        found = []
        most = min(COMPARED, self.limit)
        for apart in variants:
            for what in ("facts", "commonsense"):
                data = load_dataset(SETS[what], self.data)
                job = TraceJob(
                    self.chat, "smollm2", data, most, known=what == "facts", samples=self.samples,
                    measure=measure, ends=True, decoupled=apart, seed=SEED,
                )  # fmt: skip
                about = f"by {measure}, {what}{', decoupled' if apart else ''}"
                folder = self.kept / f"{measure}-{what}{'-decoupled' if apart else ''}"
                ran = run(job, self.model, folder, lambda done: None)
                came = averages(list(ran.traces.values()), SEED)
                found += of_averages(about, came, MEASURED[measure])
        return found

    def _prompts(self, name: str, apart: bool) -> list[Prompt]:
        """Prompts of a data set, of facts only those that the model answers right."""
        job = TraceJob(
            self.chat, "smollm2", load_dataset(name, self.data), self.limit,
            known=name == "known_1000", decoupled=apart, seed=SEED,
        )  # fmt: skip
        return counted(job, self.model)[0]


def of_averages(name: str, came: Averages, what: str = "probability of the answer") -> list[Figure]:
    """Averages as figures: what is measured, peaks, and the claims of the published figure."""
    found = [
        _figure(f"{name}: {what}, clean", came.clean),
        _figure(f"{name}: the same with noise on the subject", came.corrupted),
        _figure(f"{name}: total effect", came.total_effect),
    ]
    for part, kind in KINDS.items():
        for group in GROUPS:
            curve = came.effects.get(part, {}).get(group)
            if curve is not None:
                at = curve.peak
                peak = Mean(curve.values[at], curve.low[at], curve.high[at], curve.n)
                found.append(_figure(f"{name}: {kind}, {group}: most at layer {at}", peak))
    return found + [_figure(f"{name}: {claim}", mean) for claim, mean in came.contrasts.items()]


def _effects(trace: Trace) -> Array:
    """The effects at the two published sites, one after the other."""
    places = [trace.prompt.last, trace.prompt.begin - 1]
    return np.concatenate([trace.effects(part)[places].ravel() for part in trace.restored])


def _figure(name: str, mean: Mean) -> Figure:
    return Figure(name, mean.value, interval=(mean.low, mean.high), over=mean.n)


def main() -> None:
    """Runs the sections asked for and writes what they found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the data sets")
    parser.add_argument("--only", choices=NAMES, nargs="+", default=list(NAMES))
    parser.add_argument("--limit", type=int, default=100, help="prompts of a section")
    parser.add_argument("--samples", type=int, default=10, help="draws of noise for each prompt")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--out", type=Path, default=RESULTS / "trace.json")
    args = parser.parse_args()
    kept = args.out.with_suffix("")
    sections = Sections(args.data, args.limit, args.samples, args.dtype, kept)
    names = ("known_1000*", "ckebench*", "atomic2020*")
    files = sorted(path for name in names for path in args.data.rglob(f"{name}.gz"))
    report = record.read(args.out) | {"machine": machine(), "data": record.checksums(files)}
    whole, text = "python eval/trace.py DATA_DIR", ""
    options = f" --samples {args.samples}" if args.samples != 10 else ""
    options += f" --limit {args.limit}" if args.limit != 100 else ""
    options += f" --dtype {args.dtype}" if args.dtype != "bfloat16" else ""
    for name in args.only:
        command = f"{whole} --only {name}{options}"
        report["sections"][name] = record.measured(getattr(sections, name), command)
        text = record.write(report, args.out, "Where knowledge lives", whole, NAMES)
    print(text)
    found = [f for section in report["sections"].values() for f in section["figures"]]
    raise SystemExit(any(figure["met"] is False for figure in found))


if __name__ == "__main__":
    main()
