"""Fitting the plan head, on token states made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memedit.errors import TrainingError
from memedit.multihop.walk.head import MAX_HOPS, PlanHead
from memedit.train.checkpoint import Checkpoint
from memedit.train.planning import PlanSettings, Reader, fit, plans_right, table_of
from memedit.train.plans import Family, Planned

WIDTH = 16
NAMES = [f"r{i}" for i in range(6)]
SMALL = PlanSettings(
    **{"layers": 1, "heads": 2, "hidden": 16, "dropout": 0.0},
    **{"steps": 300, "chains": 24, "composed": 0, "learning_rate": 3e-3, "every": 20},
)


VECTORS = {
    word: np.random.default_rng(i).standard_normal(WIDTH).astype(np.float32)
    for i, word in enumerate([*NAMES, "of", "it"])
}


# An encoder's states know their places; here they are counted from the entity at the end.
PLACES = np.random.default_rng(99).standard_normal((6, WIDTH)).astype(np.float32)


def contextual(words):
    return np.stack([VECTORS[w] + PLACES[i] for i, w in enumerate(reversed(words))])


@pytest.fixture
def reader(monkeypatch):
    reader = Reader.__new__(Reader)
    reader._path = None
    reader._kept = {}

    def states(texts):
        rows = [torch.from_numpy(contextual(text.split())) for text in texts]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        return padded, torch.arange(padded.shape[1])[None, :] < lengths[:, None]

    reader._states = states
    return reader


@pytest.fixture
def family():
    """Questions such as "r2 of r1 of it": r1 is walked first."""
    questions = [Planned(f"{a} of it", (a,)) for a in NAMES]
    questions += [Planned(f"{b} of {a} of it", (a, b)) for a in NAMES for b in NAMES if a != b]
    return Family(questions, {name: [name] for name in NAMES})


def trained(family, reader, tmp_path, settings=SMALL, *, steps=None):
    reader.read([question.question for question in family.questions])
    table = table_of(family, family.questions, reader)
    checkpoint = Checkpoint(tmp_path / "training.pt", "key")
    stop = steps or settings.steps

    class Stop(Exception):
        pass

    def watch(progress):
        if progress.step == stop and steps:
            raise Stop

    try:
        head, progress = fit({"c": (24, table)}, reader, WIDTH, settings, checkpoint, watch)
    except Stop:
        return None, table
    assert progress.step == settings.steps
    return head, table


def test_plans_are_learnt_in_order(family, reader, tmp_path):
    head, table = trained(family, reader, tmp_path)
    right = plans_right(head, reader, table, family.questions)
    assert sum(right) / len(right) > 0.9


def test_an_interrupted_training_ends_where_a_whole_one_does(family, reader, tmp_path):
    settings = SMALL.model_copy(update={"steps": 40})
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, _ = trained(family, reader, tmp_path / "a", settings)
    assert trained(family, reader, tmp_path / "b", settings, steps=25)[0] is None
    again, _ = trained(family, reader, tmp_path / "b", settings)
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_another_trainings_state_is_refused(family, reader, tmp_path):
    trained(family, reader, tmp_path, SMALL.model_copy(update={"steps": 20}))
    table = table_of(family, family.questions, reader)
    with pytest.raises(TrainingError, match="another"):
        fit(
            {"c": (24, table)},
            reader,
            WIDTH,
            SMALL,
            Checkpoint(tmp_path / "training.pt", "other"),
            lambda progress: None,
        )


def test_a_heads_vectors_do_not_depend_on_padding():
    torch.manual_seed(0)
    head = PlanHead(WIDTH, layers=1, heads=2, hidden=16).train(mode=False)
    states = torch.randn(2, 7, WIDTH)
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    hops, lengths = head(states, mask)
    assert hops.shape == (2, MAX_HOPS, WIDTH) and lengths.shape == (2, MAX_HOPS)
    assert torch.allclose(lengths.exp().sum(-1), torch.ones(2), atol=1e-5)
    alone, _ = head(states[1:, :4], mask[1:, :4])
    assert torch.allclose(hops[1], alone[0], atol=1e-5)
