"""`memedit train decomposer`: from MQuAKE's cases and the bank to what reads questions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch
from pydantic import BaseModel

from memedit.errors import TrainingError
from memedit.evaluate.cases import Case, Malformed
from memedit.evaluate.datasets import load_dataset
from memedit.multihop.walk.planner import CONFIG_FILE, Planner
from memedit.multihop.walk.wording import WEIGHTS_FILE as WORDING_FILE
from memedit.scope.encoder import SentenceEncoder
from memedit.scope.trained_folder import about_in, write_about
from memedit.train import path_wording
from memedit.train.checkpoint import Checkpoint
from memedit.train.compositions import Part
from memedit.train.loop import Progress, Watch
from memedit.train.lora import write_weights
from memedit.train.path_wording import WordingSettings
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


@dataclass(frozen=True)
class Settings:
    """How the decomposer is fitted.

    Attributes:
        plans: Its reader of plans.
        wording: Its reader of wordings.
    """

    plans: PlanSettings = field(default_factory=PlanSettings)
    wording: WordingSettings = field(default_factory=WordingSettings)


def train_decomposer(
    cases: Sequence[Case],
    encoder: SentenceEncoder,
    out: Path,
    settings: Settings,
    watch: Watch,
    *,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """Fits both readers on the training side of the cases and on compositions, and writes them.

    Args:
        cases: MQuAKE's; development cases are only measured on.
        encoder: What they are built on.
        out: The folder to write; the state of an interrupted training is kept in it, and a reader
            that is there already is not fitted again.
        settings: How.
        watch: Called after every step.
        without: Relations to leave out of training, to measure what has never been seen.

    Returns:
        What is known about the decomposer: the contents of ``decomposer.json``.

    Raises:
        TrainingError: There is nothing to train on, or the state is another training's.
    """
    walked = chains(cases, without=without)
    if not any(question.case for question in walked.on("train")):
        raise TrainingError(
            "data: no question of MQuAKE is left to train the decomposer on.",
            hint="Give a folder with MQuAKE's files, and leave out fewer relations.",
        )
    out.mkdir(parents=True, exist_ok=True)
    parts = written_parts(without=without)
    family = with_bank(walked, parts, without=without)
    about = _plans(walked, family, parts, encoder, out, settings.plans, watch)
    about["without"] = sorted(without)
    about["wording"] = _wording(family, parts, encoder, out, settings.wording, watch)
    write_about(out, CONFIG_FILE, about)
    planner = Planner.load(out, encoder, encoder.encode)
    about |= floor_of(planner, walked.on("train"), family, parts)
    write_about(out, CONFIG_FILE, about)
    return about


def _plans(
    walked: Family,
    family: Family,
    parts: Sequence[Part],
    encoder: SentenceEncoder,
    out: Path,
    settings: PlanSettings,
    watch: Watch,
) -> dict[str, Any]:
    """Fits the reader of plans, unless the folder has it."""
    chosen = walked.on("train")
    key = _key(settings, encoder, family, chosen)
    known = about_in(out, CONFIG_FILE)
    if known and known["data"] == key:
        return known
    table = table_of(family, encoder)
    checkpoint = Checkpoint(out / "training.pt", key)
    model, progress = fit(family, parts, table, encoder, settings, checkpoint, watch)
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
        "data": key,
        "questions": sum(bool(question.case) for question in chosen),
        "relations": len(table.rows),
        "plans": figures,
        **_course(progress),
    }
    model.save(out)
    write_about(out, CONFIG_FILE, about)
    checkpoint.remove()
    return about


def _wording(
    family: Family,
    parts: Sequence[Part],
    encoder: SentenceEncoder,
    out: Path,
    settings: WordingSettings,
    watch: Watch,
) -> dict[str, Any]:
    """Fits the reader of wordings, unless the folder has it."""
    key = _key(settings, encoder, family, family.on("train"))
    known = (about_in(out, CONFIG_FILE) or {}).get("wording")
    if known and known["data"] == key:
        return dict(known)
    checkpoint = Checkpoint(out / "wording.pt", key)
    model, progress = path_wording.fit(family, parts, encoder, settings, checkpoint, watch)
    write_weights(model, out / WORDING_FILE, torch.float16)
    checkpoint.remove()
    return {
        "lora": {"rank": settings.rank, "alpha": settings.alpha},
        "settings": settings.model_dump(),
        "data": key,
        **_course(progress),
    }


def _course(progress: Progress) -> dict[str, Any]:
    """How a training went."""
    losses = {str(step): round(loss, 4) for step, loss in progress.losses.items()}
    return {"seconds": round(progress.seconds), "losses": losses}


def _key(
    settings: BaseModel, encoder: SentenceEncoder, family: Family, chosen: Sequence[Planned]
) -> str:
    words = [settings.model_dump_json(), encoder.fingerprint, *sorted(family.told)]
    words += [f"{q.question} {' '.join(q.relations)}" for q in chosen]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
