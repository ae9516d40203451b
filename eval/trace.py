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

import record
from record import Figure

from memedit.bake import Editable
from memedit.evaluate.datasets import load_dataset
from memedit.evaluate.machine import machine
from memedit.evaluate.tracing.averages import Averages, Mean, averages
from memedit.evaluate.tracing.running import UNKNOWN, TraceJob, run
from memedit.models.load import load_local_model
from memedit.trace import GROUPS, KINDS

RESULTS = Path(__file__).parent / "results"
NAMES = ("known",)
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


def of_averages(name: str, came: Averages) -> list[Figure]:
    """Averages as figures: probabilities, peaks, and the claims of the published figure."""
    found = [
        _figure(f"{name}: probability of the answer, clean", came.clean),
        _figure(f"{name}: the same with noise on the subject", came.corrupted),
        _figure(f"{name}: total effect", came.total_effect),
    ]
    for part, what in KINDS.items():
        for group in GROUPS:
            curve = came.effects[part].get(group)
            if curve is not None:
                at = curve.peak
                peak = Mean(curve.values[at], curve.low[at], curve.high[at], curve.n)
                found.append(_figure(f"{name}: {what}, {group}: most at layer {at}", peak))
    return found + [_figure(f"{name}: {claim}", mean) for claim, mean in came.contrasts.items()]


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
