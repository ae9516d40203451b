"""Fitting the plan reader, on the real encoder but for a few small steps."""

from __future__ import annotations

import random

import pytest
import torch

from memedit.errors import EncoderError, TrainingError
from memedit.multihop.walk.head import MAX_HOPS
from memedit.multihop.walk.planner import CONFIG_FILE, WEIGHTS_FILE, Planner
from memedit.multihop.walk.wording import WEIGHTS_FILE as WORDING_FILE
from memedit.scope.encoder import load_encoder
from memedit.scope.trained_folder import write_about
from memedit.train import plan_floor
from memedit.train.checkpoint import Checkpoint
from memedit.train.compositions import Part
from memedit.train.lora import write_weights
from memedit.train.matching import trainable
from memedit.train.planning import PlanSettings, Trained, drawn_for, fit, plans_right, table_of
from memedit.train.plans import Family, Planned

SETTINGS = PlanSettings(
    rank=4, alpha=8, steps=12, chains=4, composed=4, every=4, learning_rate=4e-3
)
PARTS = [
    Part("author", ("the author of {}",), ("Who wrote {}?",), ("The author of it is",)),
    Part("capital", ("the capital of {}",), ("What is the capital of {}?",), ("its capital is",)),
    Part("spouse", ("the spouse of {}",), ("Who is {} married to?",), ("it is married to",)),
]
QUESTIONS = [
    Planned("Who is the author of it married to?", ("author", "spouse"), case="a"),
    Planned("What is the capital of it?", ("capital",)),
]


class Stopped(Exception):
    """The training was killed."""


@pytest.fixture(scope="module")
def encoder():
    return load_encoder()


@pytest.fixture(scope="module")
def family():
    return Family(QUESTIONS, {part.name: list(part.told) for part in PARTS})


def trained(encoder, family, path, watch=lambda progress: None, key="k"):
    path.mkdir(exist_ok=True)
    table = table_of(family, encoder)
    checkpoint = Checkpoint(path / "training.pt", key)
    return fit(family, PARTS, table, encoder, SETTINGS, checkpoint, watch)


def test_what_is_written_reads_plans_as_what_was_trained(encoder, family, tmp_path, monkeypatch):
    monkeypatch.setattr(plan_floor, "ASKED", 8)
    model, progress = trained(encoder, family, tmp_path)
    assert progress.losses[12] < progress.losses[4]
    model.save(tmp_path)
    lora = {"rank": 4, "alpha": 8}
    about = {"encoder": encoder.fingerprint, "lora": lora, "floor": -9.0}
    write_about(tmp_path, CONFIG_FILE, about)
    with pytest.raises(EncoderError, match="no reader of wordings"):
        Planner.load(tmp_path, encoder, encoder.encode)
    wording = trainable(encoder, rank=4, alpha=8, seed=0)
    write_weights(wording, tmp_path / WORDING_FILE, torch.float16)
    write_about(tmp_path, CONFIG_FILE, {**about, "wording": {"lora": lora}})
    planner = Planner.load(tmp_path, encoder, encoder.encode)
    texts = [question.question for question in QUESTIONS]
    with torch.inference_mode():
        read = model(QUESTIONS)
    for i, plan in enumerate(planner.plans(texts)):
        assert torch.allclose(torch.from_numpy(plan.hops), read.hops[i], atol=2e-2)
        assert plan.lengths.argmax() == read.lengths[i].argmax()
        assert plan.whole @ plan.whole == pytest.approx(1.0, abs=1e-5)
    assert (tmp_path / WEIGHTS_FILE).stat().st_mode & 0o044  # others may read it
    floor = plan_floor.floor_of(planner, QUESTIONS, family, PARTS)
    assert floor["floor"] < 0 and set(floor["above"]) == {"chains", "composed"}
    assert floor["above"]["composed"]["strangers"] <= 0.25  # of eight questions


def test_a_killed_training_ends_where_a_whole_one_does(encoder, family, tmp_path):
    def kill(progress):
        if progress.step == 6:
            raise Stopped

    whole, _ = trained(encoder, family, tmp_path / "whole")
    with pytest.raises(Stopped):
        trained(encoder, family, tmp_path / "cut", kill)
    again, _ = trained(encoder, family, tmp_path / "cut")
    for name, weight in whole.learning.items():
        assert torch.allclose(weight, again.learning[name], atol=1e-4), name


def test_another_trainings_state_is_refused(encoder, family, tmp_path):
    (tmp_path / "training.pt").write_bytes(b"")
    torch.save({"key": "another"}, tmp_path / "training.pt")
    with pytest.raises(TrainingError, match="another"):
        trained(encoder, family, tmp_path)


def test_a_steps_questions_are_the_same_whenever_it_is_drawn():
    family = Family(QUESTIONS)
    drawn = [drawn_for(family, PARTS, SETTINGS, random.Random("11:3")) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert SETTINGS.composed < len(drawn[0]) <= len(QUESTIONS) + SETTINGS.composed


def test_vectors_do_not_depend_on_what_is_read_beside(encoder):
    model = Trained(encoder, SETTINGS)
    texts = QUESTIONS
    with torch.inference_mode():
        together, alone = model(texts), model(texts[1:])
    assert together.hops.shape == (2, MAX_HOPS, encoder.dimension)
    assert torch.allclose(together.lengths.exp().sum(-1), torch.ones(2), atol=1e-4)
    assert torch.allclose(together.hops[1], alone.hops[0], atol=1e-3)


def test_plans_are_right_where_relations_order_and_length_are(encoder, family):
    model = Trained(encoder, SETTINGS)
    right = plans_right(model, table_of(family, encoder), QUESTIONS)
    assert [type(one) for one in right] == [bool, bool]
