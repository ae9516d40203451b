"""The promise of calibration: ``python eval/calibration.py DATA_DIR ship|measure``.

``ship`` scores the probes of a broad sample of training edits with the scope model as it is and
writes them to ``memedit/scope/probe_scores.json``; do it after every training of the scope model,
since the scores of another one do not count. ``measure`` tells what share of real near misses
fires at the calibrated threshold, and what share of rephrasings is found, as a memory grows. It
needs no language model. Tune on the training side (the default); ``--dev`` is for reporting.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from near_misses import NearMisses
from product import says_the_same
from record import ROOT, Figure, share
from scope_growth import distractors

from memedit import Edit, EditMemory
from memedit.calibration import Calibrator
from memedit.scope.classifier import ScopeClassifier
from memedit.scope.conformal import FORMS, Calibrated, Form
from memedit.scope.decision import Decision
from memedit.scope.probes import SAMPLE, decide_all, form_of, score_probes, scorer_digest
from memedit.train import sources
from memedit.train.sources import Record

OUT = ROOT / "memedit" / "scope" / "probe_scores.json"
ORIGINAL = ("counterfact_original", "counterfact_portability", "counterfact_distracting")
SIZES = (10, 100, 1_000, 2_000)
MEMORIES = 8  # whose probes are shipped, of SAMPLE edits each
SHIPPED = 2_048  # scores a form
NEAR_MISSES = 4  # asked about each subject
PROBED = 500  # edits asked about at each size


def main() -> None:
    """Runs the chosen command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("command", choices=("ship", "measure"))
    parser.add_argument("--memories", type=int, default=MEMORIES)
    parser.add_argument("--out", type=Path, default=OUT, help="where ship writes")
    parser.add_argument("--rate", type=float, nargs="+", default=[0.01])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--distractors", type=int, default=0, help="generated edits beside each")
    parser.add_argument("--probed", type=int, default=PROBED, help="edits asked about")
    parser.add_argument("--dev", action="store_true", help="CounterFact's cases below 2,000")
    args = parser.parse_args()
    if args.command == "ship":
        ship(args.data, args.memories, args.out)
        return
    for figure in measure(args):
        print(json.dumps(figure.to_dict()))


def ship(data: Path, memories: int, out: Path) -> None:
    """Writes the probe scores of ``memories`` broad memories of training edits."""
    scores: dict[Form, list[float]] = {form: [] for form in FORMS}
    scorer = ""
    edits = broad(data, random.Random(0))
    for place in range(memories):
        with classified(edits[place * SAMPLE : (place + 1) * SAMPLE]) as (memory, scope, made):
            scorer = scorer_digest(scope)
            assert made.sample is not None
            probes = {i: probed.probes for i, probed in made.sample.sampled().items()}
            for by_form in score_probes(scope, probes, memory.nearest).values():
                for form in FORMS:
                    scores[form] += by_form[form]
        print(f"memory {place + 1} of {memories}: {sum(map(len, scores.values())):,} scores")
    thinned = {form: thin(scores[form], SHIPPED) for form in FORMS}
    out.write_text(json.dumps({"scorer": scorer, "scores": thinned}) + "\n", encoding="utf-8")


def broad(data: Path, rng: random.Random) -> list[Edit]:
    """Facts of the training side in English, one a key, the families of data sets in turn."""
    families: dict[str, dict[tuple[str, str], Edit]] = defaultdict(dict)
    for record in sources.read(data):
        if not record.dev and record.edit.kind == "fact" and record.edit.language == "en":
            families[record.family].setdefault(record.edit.key, record.edit)
    queues = [rng.sample(list(edits.values()), len(edits)) for edits in families.values()]
    longest = max(map(len, queues))
    mixed = [queue[place] for place in range(longest) for queue in queues if place < len(queue)]
    one_each = {edit.key: edit for edit in mixed}.values()
    # Two data sets may give one id to different edits.
    return [edit.changed(id=f"broad-{place}") for place, edit in enumerate(one_each)]


def thin(scores: Sequence[float], n: int) -> list[float]:
    """At most ``n`` of the scores, evenly over their ranks, ascending."""
    ordered = sorted(scores)
    if len(ordered) <= n:
        return [round(score, 6) for score in ordered]
    return [round(ordered[int((place + 0.5) * len(ordered) / n)], 6) for place in range(n)]


def measure(args: argparse.Namespace) -> Iterator[Figure]:
    """False fires on near misses and right edits on rephrasings, at each size and rate.

    The edits asked about are the same at every size, as many memories as it takes hold them.
    """
    records = original(args.data, dev=args.dev)
    edits = [record.edit for record in records]
    near = NearMisses(records, edits)
    generated = distractors(args.distractors, edits) if args.distractors else []
    probed = [r for r in records if near.about(r.edit, 1)][: args.probed]
    told = {record.edit.id for record in probed}
    ordered = [r.edit for r in probed] + [edit for edit in edits if edit.id not in told]
    by_id = {record.edit.id: record for record in probed}
    for size in args.sizes:
        fired: dict[float, list[bool]] = defaultdict(list)
        found: dict[float, list[bool]] = defaultdict(list)
        used: dict[float, list[Calibrated]] = defaultdict(list)
        for start in range(0, len(probed), size):
            group = ordered[start : start + size]
            with classified([*generated, *group]) as (memory, scope, _):
                here = [by_id[edit.id] for edit in group if edit.id in by_id]
                asked = [q for r in here for q in near.about(r.edit, NEAR_MISSES)]
                missed = list(decide_all(scope, asked, memory.nearest))
                right = list(rephrased(scope, memory, here))
                for rate in args.rate:
                    calibrator = Calibrator(memory, rate)
                    calibrator.update(memory.changes(0).records)
                    made = calibrator.calibrated(scope, settled=None)
                    used[rate].append(made)
                    fired[rate] += [reaches(d, made) for d in missed]
                    found[rate] += [hit and reaches(d, made) for d, hit in right]
        for rate in args.rate:
            at = f"{size:,} edits, {rate:.1%} asked for"
            yield share(f"calibration: false fires, {at}", fired[rate], ">= 0.003 <= 0.015")
            yield share(f"calibration: right edit, rephrasings, {at}", found[rate])
            for form in FORMS:
                mean = sum(made.thresholds[form] for made in used[rate]) / len(used[rate])
                basis = used[rate][0].basis[form]
                yield Figure(f"calibration: mean threshold of {form}s, {basis}, {at}", mean)


def reaches(decision: Decision, made: Calibrated) -> bool:
    """Whether the surest candidate reaches the threshold of its form."""
    if not decision.candidates:
        return False
    sentence = decision.candidates[0].sentence
    return decision.probability >= made.thresholds[form_of(sentence, decision)]


def original(data: Path, *, dev: bool) -> list[Record]:
    """CounterFact's records of the original schema, one a key, of the side wanted, shuffled."""
    records = [r for r in sources.read(data, ORIGINAL) if r.dev == dev]
    one_each = list({record.edit.key: record for record in records}.values())
    unique = list({record.edit.id: record for record in one_each}.values())
    random.Random(0).shuffle(unique)
    return unique


def rephrased(
    scope: ScopeClassifier, memory: EditMemory, records: Sequence[Record]
) -> Iterator[tuple[Decision, bool]]:
    """The decision on each rephrasing, and whether the surest edit is the right one."""
    asked = [(q.prompt, r.edit) for r in records for q in r.queries if q.kind == "rephrase"]
    decisions = decide_all(scope, [prompt for prompt, _ in asked], memory.nearest)
    for (_, edit), decision in zip(asked, decisions, strict=True):
        yield decision, _is_right(decision, edit)


def _is_right(decision: Decision, edit: Edit) -> bool:
    return bool(decision.candidates) and says_the_same(decision.candidates[0].edit, edit)


@contextmanager
def classified(
    edits: Sequence[Edit],
) -> Iterator[tuple[EditMemory, ScopeClassifier, Calibrator]]:
    """A memory of these edits, its classifier, and a calibrator that knows them."""
    with (
        TemporaryDirectory(prefix="memedit-eval-") as folder,
        EditMemory.open(Path(folder) / "e.db") as memory,
    ):
        memory.add(edits)
        scope = ScopeClassifier(memory.encoder)
        records = memory.changes(0).records
        scope.put([(r.edit, r.rank) for r in records if r.edit], memory.phrase_vectors)
        calibrator = Calibrator(memory)
        calibrator.update(records)
        yield memory, scope, calibrator


if __name__ == "__main__":
    main()
