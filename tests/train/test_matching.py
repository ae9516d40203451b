"""Fitting the matcher, on the real encoder but for a few small steps."""

from __future__ import annotations

import json

import numpy as np
import pytest

from memedit.errors import EncoderError, TrainingError
from memedit.scope.encoder import load_encoder
from memedit.scope.matcher import CONFIG_FILE, WEIGHTS_FILE, Matcher
from memedit.train.checkpoint import Checkpoint
from memedit.train.groups import RelationGroups
from memedit.train.matching import MatcherSettings, fit, save
from memedit.train.wordings import Relation

SETTINGS = MatcherSettings(steps=4, groups=1, size=3, rank=4, alpha=8, every=2, learning_rate=2e-3)


class Stopped(Exception):
    """The training was killed."""


@pytest.fixture(scope="module")
def encoder():
    return load_encoder()


@pytest.fixture(scope="module")
def sources(encoder):
    wordings = {
        "capital": ["The capital of it is", "Which city governs it?"],
        "coach": ["The coach of it is", "Who trains it?"],
        "anthem": ["The anthem of it is", "What do its people sing?"],
    }
    known = [Relation("bank", name, texts, texts[:1], ["x"]) for name, texts in wordings.items()]
    return {"bank": (1.0, RelationGroups(known, encoder))}


def about(encoder):
    return {"encoder": encoder.fingerprint, "lora": {"rank": 4, "alpha": 8}}


def kill(progress):
    if progress.step == 3:
        raise Stopped


def trained(encoder, sources, path, watch=lambda progress: None, key="k"):
    path.mkdir(exist_ok=True)
    model, _ = fit(encoder, sources, SETTINGS, Checkpoint(path / "state.pt", key), watch)
    save(model, path, about(encoder))
    return Matcher.load(path, encoder)


def test_training_brings_a_question_nearer_to_its_edit(encoder, sources, tmp_path):
    matcher = trained(encoder, sources, tmp_path)
    pair = ["Which city governs it?", "The capital of it is x"]
    other = ["Which city governs it?", "The coach of it is x"]

    def lead(encode):
        (a, b), (c, d) = encode(pair), encode(other)
        return a @ b - c @ d

    assert lead(matcher.encode) > lead(encoder.encode)


def test_a_killed_training_goes_on_where_it_was(encoder, sources, tmp_path):
    whole = trained(encoder, sources, tmp_path / "whole")
    with pytest.raises(Stopped):
        trained(encoder, sources, tmp_path / "cut", kill)
    steps = []
    again = trained(encoder, sources, tmp_path / "cut", lambda p: steps.append(p.step))
    assert steps == [3, 4]  # the state was last kept after the second
    texts = ["Who trains it?", "The anthem of it is x"]
    np.testing.assert_allclose(again.encode(texts), whole.encode(texts), atol=2e-3)


def test_another_trainings_state_is_refused(encoder, sources, tmp_path):
    with pytest.raises(Stopped):
        trained(encoder, sources, tmp_path, kill)
    with pytest.raises(TrainingError, match="another"):
        trained(encoder, sources, tmp_path, key="other")


def test_the_encoders_own_weights_are_not_touched(encoder, sources, tmp_path):
    before = encoder.encode(["Who trains it?"])
    trained(encoder, sources, tmp_path)
    assert (encoder.encode(["Who trains it?"]) == before).all()


def test_a_matcher_of_another_encoder_is_refused(encoder, sources, tmp_path):
    trained(encoder, sources, tmp_path)
    config = tmp_path / CONFIG_FILE
    config.write_text(json.dumps({**json.loads(config.read_text()), "encoder": "0123"}))
    with pytest.raises(EncoderError, match="0123") as error:
        Matcher.load(tmp_path, encoder)
    assert "memedit train scope" in str(error.value.hint)


def test_a_folder_without_weights_is_refused(encoder, sources, tmp_path):
    trained(encoder, sources, tmp_path)
    (tmp_path / WEIGHTS_FILE).unlink()
    with pytest.raises(EncoderError, match=WEIGHTS_FILE):
        Matcher.load(tmp_path, encoder)


def test_kept_vectors_are_the_same(encoder, sources, tmp_path):
    matcher = trained(encoder, sources, tmp_path)
    first = matcher.encode(["The coach of it is x"], keep=True)
    np.testing.assert_array_equal(matcher.encode(["The coach of it is x"]), first)
