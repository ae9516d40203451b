"""The scope of a growing memory: the same queries at 10 to 100,000 live edits."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from product import SEED, Setting, edited, fires, hits, ready
from record import Figure, share
from rich.progress import Progress
from scope import CounterFact
from speed import namer

from memedit import Edit, EditedModel, EditMemory
from memedit.scope.encoder import load_encoder

SIZES = (10, 100, 1_000)  # and all of CounterFact, and all of it among the distractors
PROBED = 500  # edits asked about at every size
NEAR_MISSES = 4  # asked about the subject of each of them
STORE = "e.db"


def scale(setting: Setting) -> list[Figure]:
    """False fires at the product's own rate, and recall, as the memory grows.

    The edits that are asked about are the same at every size: in fifty memories of ten, in five of
    a hundred, together in one of a thousand, in all of CounterFact, and in all of it among
    generated edits whose prompts are CounterFact's own. So the figures of two sizes differ by the
    memory alone.
    """
    data = CounterFact(setting)
    edits = list(data.edits.values())
    random.Random(SEED).shuffle(edits)
    near = {edit.id: data.near.about(edit, NEAR_MISSES) for edit in edits}
    able = [edit for edit in edits if near[edit.id]][: min(PROBED, setting.limit or PROBED)]
    probed = {edit.id for edit in able}
    ordered = able + [edit for edit in edits if edit.id not in probed]
    asked = {edit.id: (query, edit) for query, edit in data.asked(data.flat, "rephrase")}

    figures: list[Figure] = []
    recall_at_first: float | None = None
    for size, models in _memories(setting, ordered, len(able)):
        found: list[bool] = []
        fired: list[bool] = []
        for model, live in models:
            here = [edit.id for edit in live if edit.id in probed]
            found += hits(model, [asked[i] for i in here], f"rephrasings, {size:,}")
            fired += fires(model, [q for i in here for q in near[i]], f"near misses, {size:,}")
        recall = share(f"scale: right edit, rephrase_prompt, {size:,} edits", found)
        figures += [
            share(
                f"scale: false fires, same subject, another relation, {size:,} edits",
                fired,
                ">= 0.003 <= 0.015",
            ),
            recall,
        ]
        if recall_at_first is None:
            recall_at_first = recall.value
        else:
            name = f"scale: recall lost from {SIZES[0]} to {size:,} edits"
            figures.append(Figure(name, recall_at_first - recall.value, target="<= 0.02"))
    return figures


Memories = Iterator[tuple[EditedModel, Sequence[Edit]]]


def _memories(setting: Setting, edits: list[Edit], probed: int) -> Iterator[tuple[int, Memories]]:
    """For each size the memories that hold the first ``probed`` edits between them."""
    for size in SIZES:
        starts = range(0, probed, size)
        groups = [edits[start : start + size] for start in starts]
        yield size, _small(setting, [group for group in groups if len(group) == size])
    yield len(edits), _small(setting, [edits])
    if setting.distractors:
        yield len(edits) + setting.distractors, _large(setting, edits)


def _small(setting: Setting, groups: list[list[Edit]]) -> Memories:
    for group in groups:
        with edited(group, **setting.product) as model:
            yield model, group


def _large(setting: Setting, edits: list[Edit]) -> Memories:
    with _among_distractors(setting, edits) as memory:
        yield ready(memory, **setting.product), edits


@contextmanager
def _among_distractors(setting: Setting, edits: list[Edit]) -> Iterator[EditMemory]:
    """A memory with the generated edits and these; what a run changes in it is not kept."""
    kept = _store_of(distractors(setting.distractors, edits), setting.cache)
    with TemporaryDirectory(prefix="memedit-eval-") as folder:
        copy = Path(shutil.copytree(kept, Path(folder) / "store"))
        with EditMemory.open(copy / STORE) as memory:
            memory.add(edits)
            yield memory


def distractors(n: int, edits: Sequence[Edit]) -> list[Edit]:
    """``n`` edits about made-up subjects, in the prompts and with the targets of other edits."""
    rng = random.Random(SEED)
    make = namer(rng)
    targets: dict[str, list[str]] = defaultdict(list)
    for edit in edits:
        targets[edit.prompt].append(edit.target_new)
    prompts = sorted(targets)
    subjects: dict[str, None] = {}
    while len(subjects) < n:
        subjects[make()] = None
    return [
        Edit(
            id=f"distractor-{place}",
            subject=subject,
            prompt=(prompt := prompts[place % len(prompts)]),
            target_new=rng.choice(targets[prompt]),
        )
        for place, subject in enumerate(subjects)
    ]


def _store_of(edits: list[Edit], cache: Path) -> Path:
    """The folder of a store with these edits, made once; embedding them takes minutes."""
    digest = hashlib.sha256(load_encoder().fingerprint.encode())
    for edit in edits:
        digest.update(edit.to_json().encode())
    folder = cache / f"distractors-{len(edits)}-{digest.hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    making = folder.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)  # what an interrupted run left
    with Progress() as bars, EditMemory.open(making / STORE) as memory:
        bar = bars.add_task("embedding distractors", total=len(edits))
        memory.add(edits, progress=lambda n: bars.update(bar, advance=n))
    return making.rename(folder)
