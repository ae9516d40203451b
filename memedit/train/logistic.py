"""Logistic models over standardised features and their products, written for raw features."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

INVERSE_PENALTY = 0.3  # of the squared weights of standardised terms
_LEAST_SPREAD = 1e-6  # a feature that never varies tells nothing


def fit_logistic(
    x: NDArray[np.floating[Any]],
    y: NDArray[np.bool_],
    names: Sequence[str],
    *,
    weight: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """A model over the features, their squares and the products of two, in raw units.

    Args:
        x: Features, ``[n, len(names)]``.
        y: Labels, ``[n]``.
        names: Of the features.
        weight: How much each row counts, ``[n]``; all the same where None.

    Returns:
        What :class:`memedit.scope.probability.Logistic` reads: ``weights`` and ``bias``.
    """
    from sklearn.linear_model import LogisticRegression

    mean, spread = x.mean(0), np.maximum(x.std(0), _LEAST_SPREAD)
    z = (x - mean) / spread
    pairs = list(itertools.combinations_with_replacement(range(len(names)), 2))
    terms = np.column_stack([z, *(z[:, i] * z[:, j] for i, j in pairs)])
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=10_000)
    model.fit(terms, y, sample_weight=weight)
    single, products = np.split(model.coef_[0], [len(names)])
    raw: dict[str, float] = defaultdict(float)
    bias = float(model.intercept_[0]) - float((single * mean / spread).sum())
    for name, w in zip(names, single / spread, strict=True):
        raw[name] += float(w)
    for (i, j), w in zip(pairs, products, strict=True):
        # w z_i z_j, multiplied out
        w = float(w / (spread[i] * spread[j]))
        raw[f"{names[i]}*{names[j]}"] += w
        raw[names[i]] -= w * float(mean[j])
        raw[names[j]] -= w * float(mean[i])
        bias += w * float(mean[i] * mean[j])
    return {"weights": {name: _short(w) for name, w in raw.items()}, "bias": _short(bias)}


def _short(number: float) -> float:
    """To six significant digits, enough for any decision."""
    return float(f"{number:.6g}")


def balanced(groups: Sequence[Hashable]) -> NDArray[np.float64]:
    """Weights, ``[n]``, by which every group counts the same and the mean is 1."""
    counts = Counter(groups)
    return np.array([len(groups) / (len(counts) * counts[group]) for group in groups])
