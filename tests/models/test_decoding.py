from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memedit.errors import ModelError
from memedit.models.decoding import (
    BATCH_ROWS,
    BATCH_TOKENS,
    Decoding,
    Sampler,
    batches,
    cut_at,
    settled,
)


@pytest.mark.parametrize(
    ("values", "field"),
    [({"max_tokens": 0}, "max_tokens"), ({"temperature": -1.0}, "temperature"),
     ({"temperature": float("nan")}, "temperature"), ({"stop": ("",)}, "stop")],
)  # fmt: skip
def test_values_out_of_range_are_named(values, field):
    with pytest.raises(ModelError, match=field):
        Decoding(**values)


@given(
    st.lists(st.text("abc", min_size=1, max_size=3), max_size=8),
    st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
)
def test_what_is_settled_is_never_taken_back(tokens, stop):
    texts = ["".join(tokens[:n]) for n in range(len(tokens) + 1)]
    # Generation ends with the token that completes a stop string.
    end = next((n for n, text in enumerate(texts) if any(s in text for s in stop)), len(tokens))
    whole = cut_at(texts[end], stop)
    shown = [settled(text, stop) for text in texts[:end]]
    assert all(later.startswith(sooner) for sooner, later in pairwise([*shown, whole]))


def test_half_a_character_is_held_back():
    assert settled("caf\ufffd", ()) == "caf"


@given(st.lists(st.integers(1, 3 * BATCH_TOKENS), max_size=60))
def test_batches_hold_each_row_once_within_their_limits(lengths):
    groups = batches(lengths)
    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) <= BATCH_ROWS
        longest = max(lengths[row] for row in group)
        assert len(group) == 1 or longest * len(group) <= BATCH_TOKENS


def test_gumbel_noise_samples_the_softmax():
    logits = torch.tensor([2.0, 1.0, 0.0, float("-inf")])
    draws = 20_000
    noisy = Sampler(0.7, seed=1, rows=1)
    picks = torch.stack([noisy(None, logits[None])[0].argmax() for _ in range(draws)])
    found = torch.bincount(picks, minlength=4) / draws
    assert torch.allclose(found, (logits / 0.7).softmax(-1), atol=0.015)


def test_rows_draw_as_if_alone():
    scores = torch.zeros(3, 10)
    together = Sampler(1.0, seed=5, rows=3)(None, scores)
    alone = Sampler(1.0, seed=5, rows=1)(None, scores[:1])
    assert all(torch.equal(row, alone[0]) for row in together)
