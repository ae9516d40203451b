"""`memedit train decomposer`: from MQuAKE's cases and the bank to the head that reads plans."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors.torch import save_file

from memedit.errors import TrainingError
from memedit.evaluate.cases import Case, Malformed
from memedit.evaluate.datasets import load_dataset
from memedit.multihop.walk.head import PlanHead
from memedit.multihop.walk.planner import CONFIG_FILE, WEIGHTS_FILE
from memedit.scope.encoder import SentenceEncoder
from memedit.scope.trained_folder import write_about
from memedit.train.checkpoint import Checkpoint
from memedit.train.loop import Watch
from memedit.train.planning import PlanSettings, Reader, fit, plans_right, table_of
from memedit.train.plans import Family, Side, chains, composed_family

DATASETS = ("mquake_hard", "mquake")
FLOOR = -14.0  # see Ranker.floor; paths that are asked for lie above it


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
    """Fits the head on the training side of the cases and on compositions, and writes it.

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
    composed = composed_family(settings.compositions, settings.seed, walked, without=without)
    chosen = walked.on("train")
    if not any(question.case for question in chosen):
        raise TrainingError(
            "data: no question of MQuAKE is left to train the decomposer on.",
            hint="Give a folder with MQuAKE's files, and leave out fewer relations.",
        )
    out.mkdir(parents=True, exist_ok=True)
    reader = Reader(encoder, out / "states.pt")
    reader.read([q.question for q in (*walked.questions, *composed.questions)])
    trained_on = Family(chosen, _without(walked, without), walked.kin)
    tables = {
        "chains": (settings.chains, table_of(trained_on, chosen, reader)),
        "composed": (settings.composed, table_of(composed, composed.questions, reader)),
    }
    tables = {name: (size, table) for name, (size, table) in tables.items() if size}
    key = _key(settings, encoder, trained_on)
    checkpoint = Checkpoint(out / "training.pt", key)
    head, progress = fit(tables, reader, encoder.dimension, settings, checkpoint, watch)
    everything = table_of(walked, walked.questions, reader)
    figures = {}
    for side in get_args(Side):
        asked = [question for question in walked.on(side) if question.case]
        if asked:
            right = plans_right(head, reader, everything, asked)
            figures[side] = {"right": round(sum(right) / len(right), 4), "n": len(right)}
    about = {
        "encoder": encoder.fingerprint,
        "head": settings.head,
        "floor": FLOOR,
        "settings": settings.model_dump(),
        "without": sorted(without),
        "data": key,
        "questions": {name: len(table.questions) for name, (_, table) in tables.items()},
        "plans": figures,
        "seconds": round(progress.seconds),
        "losses": {str(step): round(loss, 4) for step, loss in progress.losses.items()},
    }
    save(head, out, about)
    checkpoint.remove()
    return about


def save(head: PlanHead, folder: Path, about: dict[str, Any]) -> None:
    """Writes the head in float16 and what is known about it."""
    weights = {
        name: weight.detach().to(torch.float16).contiguous()
        for name, weight in head.state_dict().items()
    }
    save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    (folder / WEIGHTS_FILE).chmod(0o644)
    write_about(folder, CONFIG_FILE, about)


def _without(family: Family, without: Collection[str]) -> dict[str, list[str]]:
    return {name: told for name, told in family.told.items() if name not in without}


def _key(settings: PlanSettings, encoder: SentenceEncoder, family: Family) -> str:
    words = [settings.model_dump_json(), encoder.fingerprint]
    words += [f"{q.question} {' '.join(q.relations)}" for q in family.questions]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
