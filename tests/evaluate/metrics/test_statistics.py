from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.evaluate.metrics.statistics import (
    holm,
    mcnemar,
    percentile_interval,
    permutation_p,
    ratio,
    resampled_sums,
    swapped_sums,
    wilson,
)


def test_resampled_sums_are_sums_of_as_many_rows():
    rows = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 4.0]])
    sums = resampled_sums(rows, 500, seed=1)
    assert sums.shape == (500, 2)
    assert np.all(sums[:, 0] == 3)  # three rows a sample
    # Every sum of three of {1, 2, 4} lies in 3..12, and the mean of many is near 3 * 7/3 = 7.
    assert sums[:, 1].min() >= 3
    assert sums[:, 1].max() <= 12
    assert abs(sums[:, 1].mean() - 7) < 0.4


def test_the_seed_decides_and_blocks_do_not_repeat():
    rows = np.arange(10.0)[:, None]
    assert np.array_equal(resampled_sums(rows, 50, 3), resampled_sums(rows, 50, 3))
    assert not np.array_equal(resampled_sums(rows, 50, 3), resampled_sums(rows, 50, 4))
    large = np.random.default_rng(0).random((3_000_000, 1))  # one sample a block
    assert len(set(resampled_sums(large, 2, 0)[:, 0])) == 2


def test_two_thousand_cases_resample_within_a_second():
    rows = np.random.default_rng(0).random((2000, 3))
    begin = time.perf_counter()
    resampled_sums(rows, 2000, 0)
    assert time.perf_counter() - begin < 2  # well below 1 s on an idle core


def test_the_bootstrap_of_a_mean_agrees_with_theory():
    # 400 ones and 100 zeros: mean 0.8, standard error sqrt(.8*.2/500) = 0.01789,
    # so the 95 % interval is about 0.8 ± 0.0351.
    rows = np.array([[1.0]] * 400 + [[0.0]] * 100)
    low, high = percentile_interval(resampled_sums(rows, 4000, 0)[:, 0] / 500)
    assert low == pytest.approx(0.7649, abs=0.006)
    assert high == pytest.approx(0.8351, abs=0.006)


def test_percentiles_by_hand():
    # 0..100: the 2.5th percentile is 2.5, the 97.5th is 97.5; NaN draws do not count.
    draws = np.append(np.arange(101.0), np.nan)
    assert percentile_interval(draws) == pytest.approx((2.5, 97.5))
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()


def test_wilson_by_hand():
    # z = 1.959964; 8 of 10: centre (0.8 + z²/20)/(1 + z²/10) = (0.8+0.192073)/1.384146 = 0.716740
    # half = z/1.384146 * sqrt(0.016 + z²/400) = 1.416010 * sqrt(0.016+0.009604) = 0.226577
    assert wilson(0.8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-5)
    # 20 of 20: low = n/(n + z²) = 20/23.841459 = 0.838875, high = 1
    assert wilson(1.0, 20) == pytest.approx((0.838875, 1.0), abs=1e-6)
    low, high = wilson(0.0, 20)
    assert (low, high) == pytest.approx((0.0, 0.161125), abs=1e-6)


@given(st.floats(0, 1), st.integers(1, 5000))
def test_wilson_holds_the_share_within_0_and_1(share, n):
    low, high = wilson(share, n)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1


def test_exchanging_pairs_keeps_the_total():
    a, b = np.array([[1.0], [2.0], [3.0]]), np.array([[5.0], [7.0], [11.0]])
    first, second = swapped_sums(a, b, 200, seed=0)
    assert np.all(first + second == 29)
    # Eight exchanges: 6 plus any subset of {4, 5, 8}.
    assert set(first[:, 0]) == {6, 10, 11, 14, 15, 18, 19, 23}


def test_the_permutation_test_agrees_with_all_sign_flips():
    # Differences 1, 2, 3: of the 8 sign patterns two reach |sum| >= 6, so p = 2/8 = 0.25.
    a, b = np.array([[1.0], [2.0], [3.0]]), np.zeros((3, 1))
    first, second = swapped_sums(a, b, 20_000, seed=0)
    assert permutation_p(6.0, (first - second)[:, 0]) == pytest.approx(0.25, abs=0.01)


def test_a_p_value_counts_the_observed_arrangement():
    assert permutation_p(5.0, np.zeros(99)) == 1 / 100
    assert permutation_p(0.0, np.zeros(99)) == 1.0
    assert permutation_p(2.0, np.array([-2.0, 1.0, np.nan])) == pytest.approx(2 / 3)


def test_mcnemar_by_hand():
    # 1 against 7: 2 * (C(8,0) + C(8,1)) / 2^8 = 2 * 9 / 256
    assert mcnemar(1, 7) == pytest.approx(18 / 256)
    assert mcnemar(7, 1) == mcnemar(1, 7)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(4, 4) == 1.0
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert 0 < mcnemar(900, 1100) < 1e-4


def test_holm_by_hand():
    # Sorted .01 .02 .03 .04 times 4 3 2 1: .04 .06 .06 .04, made monotone: .04 .06 .06 .06.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_between_the_p_value_and_bonferroni(p_values):
    for p, adjusted in zip(p_values, holm(p_values), strict=True):
        assert p <= adjusted <= 1
        assert adjusted >= min(p_values) * len(p_values) or adjusted <= 1


def test_a_ratio_of_nothing_is_nan():
    assert np.isnan(ratio(np.array([0.0]), np.array([0.0]))).all()
    assert ratio(np.array([1.0]), np.array([4.0])) == [0.25]
