"""Intervals and tests: cluster bootstrap, Wilson, paired permutation, McNemar, Holm.

The unit that is sampled is always the case. Queries of one case share its edit and are not
independent, so an interval that resamples queries would be too narrow.

A statistic is written as a function ``combine`` of column sums over cases: a mean is
``sums[..., 1] / sums[..., 2]``, a harmonic mean of three means takes six columns. Resampling
then is one matrix product for all metrics of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Combine = Callable[[FloatArray], FloatArray]

LEVEL = 0.95
# Resampling works in blocks of at most this many numbers, which keeps it below 100 MB.
_BLOCK = 4_000_000


def resampled_sums(rows: FloatArray, resamples: int, seed: int) -> FloatArray:
    """Column sums of bootstrap samples of the rows (Efron 1979), drawn with replacement.

    Args:
        rows: Shape (cases, columns), one row a case.
        resamples: How many samples to draw.
        seed: Of the generator; equal input and seed give equal sums.

    Returns:
        Shape (resamples, columns).
    """
    cases = len(rows)
    generator = np.random.default_rng(seed)
    blocks = []
    for size in _blocks(resamples, cases):
        drawn = generator.integers(0, cases, size=(size, cases))
        drawn += np.arange(size)[:, None] * cases
        times = np.bincount(drawn.ravel(), minlength=size * cases).reshape(size, cases)
        blocks.append(times.astype(np.float64) @ rows)
    return np.concatenate(blocks)


def swapped_sums(
    a: FloatArray, b: FloatArray, resamples: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Column sums of two paired samples after exchanging a random half of the pairs.

    Args:
        a: Shape (cases, columns), one row a case.
        b: Likewise, the same cases in the same order.
        resamples: How many exchanges to draw.
        seed: Of the generator.

    Returns:
        The sums of the first and of the second sample, each of shape (resamples, columns).
    """
    generator = np.random.default_rng(seed)
    difference = b - a
    moved = np.concatenate(
        [
            generator.integers(0, 2, size=(size, len(a)), dtype=np.int8).astype(np.float64)
            @ difference
            for size in _blocks(resamples, len(a))
        ]
    )
    return a.sum(axis=0) + moved, b.sum(axis=0) - moved


def percentile_interval(draws: FloatArray, level: float = LEVEL) -> tuple[float, float]:
    """The percentile interval of bootstrap draws (Efron & Tibshirani 1993, chapter 13).

    Args:
        draws: The statistic of each bootstrap sample; NaN where a sample has no observation.
        level: The interval's coverage.

    Returns:
        Its ends; (NaN, NaN) where no sample has an observation.
    """
    known = draws[~np.isnan(draws)]
    if known.size == 0:
        return float("nan"), float("nan")
    low, high = np.percentile(known, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def wilson(share: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927; Brown, Cai & DasGupta 2001).

    It stands in where every case gives the same value: a bootstrap of nothing but ones has no
    width, yet 20 of 20 does not show 100 %.

    Args:
        share: The observed share, 0…1.
        n: How many independent observations, at least 1.
        level: The interval's coverage.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the formula gives 0 and 1 but for rounding.
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low, high


def permutation_p(observed: float, draws: FloatArray) -> float:
    """The two-sided p-value of a permutation test, (1 + extreme) / (1 + draws).

    With the observed arrangement counted the test is valid at any number of draws, and p is never
    0 (Phipson & Smyth 2010, arXiv 1603.05766).

    Args:
        observed: The difference as it is.
        draws: The difference under each random exchange, see :func:`swapped_sums`.
    """
    known = np.abs(draws[~np.isnan(draws)])
    extreme = int(np.count_nonzero(known >= abs(observed) - 1e-12))
    return (1 + extreme) / (1 + known.size)


def mcnemar(only_a: int, only_b: int) -> float:
    """The exact two-sided p-value of McNemar's test (McNemar 1947; binomial form).

    Args:
        only_a: Cases that only the first method has right.
        only_b: Cases that only the second method has right.
    """
    discordant = only_a + only_b
    coefficient = tail = 1
    for i in range(min(only_a, only_b)):
        coefficient = coefficient * (discordant - i) // (i + 1)
        tail += coefficient
    return min(1.0, float(2 * tail / 2**discordant))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment for several tests (Holm 1979), in the given order.

    An adjusted value at or below 0.05 is a difference that stands with a family-wise error of 5 %.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """``numerator / denominator``, NaN where nothing was observed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: npt.NDArray[Any] = np.true_divide(numerator, denominator)
    return np.where(denominator > 0, result, np.nan)


def _blocks(resamples: int, cases: int) -> Iterator[int]:
    size = max(1, _BLOCK // cases)
    for done in range(0, resamples, size):
        yield min(size, resamples - done)
