"""The logistic model of the decision: raw weights say what the standardised fit said."""

from __future__ import annotations

import numpy as np
import pytest

from memedit.scope.probability import Logistic
from memedit.train.logistic import balanced, fit_logistic


def odds(model, names, row):
    logistic = Logistic(model["weights"], model["bias"])
    return logistic.log_odds(dict(zip(names, row, strict=True)))


def test_it_learns_what_only_a_product_tells():
    rng = np.random.default_rng(0)
    x = rng.normal([5, -2], [3, 0.1], size=(600, 2))
    y = (x[:, 0] - 5) * (x[:, 1] + 2) > 0  # neither feature alone says anything
    model = fit_logistic(x, y, ["a", "b"])
    assert set(model["weights"]) == {"a", "b", "a*a", "a*b", "b*b"}
    right = [(odds(model, ["a", "b"], row) > 0) == label for row, label in zip(x, y, strict=True)]
    assert np.mean(right) > 0.95


def test_raw_weights_do_not_depend_on_the_units():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 2))
    y = x[:, 0] + rng.normal(size=300) > 0
    units = np.array([1000.0, 0.01])
    one, other = fit_logistic(x, y, ["a", "b"]), fit_logistic(x * units + 3, y, ["a", "b"])
    for row in x[:20]:
        told = odds(other, ["a", "b"], row * units + 3)
        assert told == pytest.approx(odds(one, ["a", "b"], row), abs=0.1)


def test_a_feature_that_never_varies_is_no_trouble():
    x = np.column_stack([np.linspace(-1, 1, 50), np.full(50, 7.0)])
    model = fit_logistic(x, x[:, 0] > 0, ["a", "b"])
    assert odds(model, ["a", "b"], [1.0, 7.0]) > 0 > odds(model, ["a", "b"], [-1.0, 7.0])


def test_every_group_counts_the_same():
    weight = balanced(["x", "x", "x", "y"])
    assert weight[:3].sum() == weight[3] == pytest.approx(2)
    assert weight.mean() == 1
