"""`memedit train decomposer`: from MQuAKE's cases and the bank to the reader of plans."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, get_args

from memedit.errors import TrainingError
from memedit.evaluate.cases import Case, Malformed
from memedit.evaluate.datasets import load_dataset
from memedit.multihop.walk.planner import CONFIG_FILE, Planner
from memedit.scope.encoder import SentenceEncoder
from memedit.scope.trained_folder import write_about
from memedit.train.checkpoint import Checkpoint
from memedit.train.loop import Watch
from memedit.train.plan_floor import floor_of
from memedit.train.planning import PlanSettings, fit, plans_right, table_of
from memedit.train.plans import Family, Planned, Side, chains, with_bank, written_parts

DATASETS = ("mquake_hard", "mquake")


def read_cases(data: Path) -> list[Case]:
    """MQuAKE's cases in a folder.

    Raises:
        DataSetError: A file is missing, ambiguous or unreadable.
    """
    return [
        case
        for name in DATASETS
        for case in load_dataset(name, data)
        if not isinstance(case, Malformed)
    ]


def train_decomposer(
    cases: Sequence[Case],
    encoder: SentenceEncoder,
    out: Path,
    settings: PlanSettings,
    watch: Watch,
    *,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """Fits the reader on the training side of the cases and on compositions, and writes it.

    Args:
        cases: MQuAKE's; development cases are only measured on.
        encoder: What it is built on.
        out: The folder to write; the state of an interrupted training is kept in it.
        settings: How.
        watch: Called after every step.
        without: Relations to leave out of training, to measure what has never been seen.

    Returns:
        What is known about the decomposer: the contents of ``decomposer.json``.

    Raises:
        TrainingError: There is nothing to train on, or the state is another training's.
    """
    walked = chains(cases, without=without)
    chosen = walked.on("train")
    if not any(question.case for question in chosen):
        raise TrainingError(
            "data: no question of MQuAKE is left to train the decomposer on.",
            hint="Give a folder with MQuAKE's files, and leave out fewer relations.",
        )
    out.mkdir(parents=True, exist_ok=True)
    parts = written_parts(without=without)
    family = with_bank(walked, parts, without=without)
    key = _key(settings, encoder, family, chosen)
    checkpoint = Checkpoint(out / "training.pt", key)
    table = table_of(family, encoder)
    model, progress = fit(chosen, parts, table, encoder, settings, checkpoint, watch)
    figures = {}
    for side in get_args(Side):
        asked = [question for question in walked.on(side) if question.case]
        if asked:
            right = plans_right(model, table_of(walked, encoder), asked)
            figures[side] = {"right": round(sum(right) / len(right), 4), "n": len(right)}
    about = {
        "encoder": encoder.fingerprint,
        "lora": {"rank": settings.rank, "alpha": settings.alpha},
        "floor": 0.0,  # until the whole is there to be asked
        "settings": settings.model_dump(),
        "without": sorted(without),
        "data": key,
        "questions": sum(bool(question.case) for question in chosen),
        "relations": len(table.rows),
        "plans": figures,
        "seconds": round(progress.seconds),
        "losses": {str(step): round(loss, 4) for step, loss in progress.losses.items()},
    }
    model.save(out)
    write_about(out, CONFIG_FILE, about)
    planner = Planner.load(out, encoder, encoder.encode)
    about |= floor_of(planner, chosen, family, parts)
    write_about(out, CONFIG_FILE, about)
    checkpoint.remove()
    return about


def _key(
    settings: PlanSettings, encoder: SentenceEncoder, family: Family, chosen: Sequence[Planned]
) -> str:
    words = [settings.model_dump_json(), encoder.fingerprint, *sorted(family.told)]
    words += [f"{q.question} {' '.join(q.relations)}" for q in chosen]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
