"""Fitting the reader of wordings, and the decomposer as a whole, in a few small steps."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from memedit.multihop.walk.planner import CONFIG_FILE, Planner
from memedit.multihop.walk.wording import WEIGHTS_FILE, Wording
from memedit.scope import native
from memedit.scope.encoder import load_encoder
from memedit.scope.trained_folder import about_in
from memedit.train import decomposer, plan_floor
from memedit.train.checkpoint import Checkpoint
from memedit.train.lora import write_weights
from memedit.train.path_wording import WordingSettings, WrongPaths, fit, with_passed
from memedit.train.planning import PlanSettings
from memedit.train.plans import Family, Planned, chains
from tests.train.test_planning import PARTS, QUESTIONS
from tests.train.test_plans import a_chain, case, dev_subject

SETTINGS = WordingSettings(
    rank=4, alpha=8, steps=8, chains=2, composed=3, wrong=3, every=4, learning_rate=2e-3
)
TOLD = {part.name: list(part.told) for part in PARTS}


@pytest.fixture(scope="module")
def encoder():
    return load_encoder()


@pytest.fixture(scope="module")
def family():
    return Family(QUESTIONS, TOLD, {"author": {"writer"}}, frozenset({"author", "capital"}))


def fitted(family, encoder, path, watch=lambda progress: None):
    path.mkdir(exist_ok=True)
    return fit(family, PARTS, encoder, SETTINGS, Checkpoint(path / "wording.pt", "k"), watch)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_what_is_written_embeds_as_what_was_trained(
    family, encoder, tmp_path, bfloat16, monkeypatch
):
    monkeypatch.setattr(native, "_multiplies_bfloat16", lambda: bfloat16)
    model, progress = fitted(family, encoder, tmp_path)
    assert progress.losses[8] < progress.losses[4]
    write_weights(model, tmp_path / WEIGHTS_FILE, torch.float16)
    wording = Wording.load(tmp_path / WEIGHTS_FILE, encoder, 2.0)
    texts = ["Who is the author of it married to?", "The author of it is, it is married to", "it"]
    vectors = wording.encode(texts)
    assert vectors.shape == (3, encoder.dimension)
    assert abs(vectors - encoder.encode(texts)).max() > 1e-3
    for i, text in enumerate(texts):  # whatever is read beside, but for bfloat16's rounding
        [alone] = wording.encode([text])
        if bfloat16:
            assert alone @ vectors[i] >= 0.9999
        else:
            assert alone == pytest.approx(vectors[i], abs=1e-5)


def test_a_killed_training_ends_where_a_whole_one_does(family, encoder, tmp_path):
    class Stopped(Exception):
        pass

    def kill(progress):
        if progress.step == 5:
            raise Stopped

    whole, _ = fitted(family, encoder, tmp_path / "whole")
    with pytest.raises(Stopped):
        fitted(family, encoder, tmp_path / "cut", kill)
    again, _ = fitted(family, encoder, tmp_path / "cut")
    weights = dict(again.named_parameters())
    for name, weight in whole.named_parameters():
        assert torch.allclose(weight, weights[name], atol=1e-4), name


def test_hops_in_no_word_of_a_question_are_found(encoder):
    told = {
        "position": ["it plays the position of"],
        "sport": ["it is associated with the sport of"],
        "country": ["it was created in the country of"],
    }
    chain = ("position", "sport", "country")
    silent = "Which country was its sport created in?"
    full = "Which country was the sport created in that goes with the position that it plays?"
    asked = [Planned(text, chain, case="c") for text in (silent, full)]
    found = with_passed(Family(asked, told), encoder).questions
    assert [question.passed for question in found] == [(0,), ()]


@pytest.mark.parametrize("path", [("author",), ("author", "spouse"), ("author",) * 4])
def test_wrong_paths_are_wrong_and_no_longer_than_chains_are(family, encoder, path):
    wrong = WrongPaths(family, encoder)
    rng = random.Random(1)
    for _ in range(50):
        found = wrong.beside(path, 7, rng)
        assert len(found) == 7
        assert all(1 <= len(other) <= 4 and not wrong.same(other, path) for other in found)


def test_a_relation_under_another_name_is_no_wrong_one(family, encoder):
    wrong = WrongPaths(family, encoder)
    assert wrong.same(("author", "spouse"), ("writer", "spouse"))
    assert not wrong.same(("author", "spouse"), ("spouse", "author"))
    assert not wrong.same(("author",), ("author", "spouse"))


def test_a_part_that_is_fitted_is_not_fitted_again(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(plan_floor, "ASKED", 4)
    monkeypatch.setattr(decomposer, "written_parts", lambda **kwargs: PARTS)
    cases = [case(dev_subject(dev=False), a_chain(dev=False), number) for number in (1, 2)]
    assert chains(cases).on("train")
    settings = decomposer.Settings(
        PlanSettings(rank=2, alpha=4, steps=2, chains=2, composed=2), for_steps(2)
    )
    steps = []

    def watch(progress):
        steps.append(progress.step)

    about = decomposer.train_decomposer(cases, encoder, tmp_path, settings, watch)
    assert steps == [1, 2, 1, 2]
    planner = Planner.load(tmp_path, encoder, encoder.encode)
    assert planner.floor == about["floor"] < 0
    assert about_in(tmp_path, CONFIG_FILE) == about

    longer = replace(settings, wording=for_steps(3))
    again = decomposer.train_decomposer(cases, encoder, tmp_path, longer, watch)
    assert steps[4:] == [1, 2, 3]
    assert again["losses"] == about["losses"] and again["data"] == about["data"]
    assert again["wording"]["settings"]["steps"] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        CONFIG_FILE,
        "decomposer.safetensors",
        WEIGHTS_FILE,
    ]


def for_steps(steps):
    return SETTINGS.model_copy(update={"steps": steps})
