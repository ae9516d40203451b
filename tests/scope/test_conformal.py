"""The conformal threshold: its promise, its edges, and how own and shipped scores share it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.errors import QueryError
from memedit.scope import conformal
from memedit.scope.conformal import Evidence, calibrate, design_effect

NONE = np.empty(0)
scores = st.lists(st.floats(0, 1), min_size=1, max_size=60)
rates = st.floats(0.001, 0.5)


def evidence(own, other=(), weight=0.0):
    return Evidence(np.sort(np.array(own, float)), np.sort(np.array(other, float)), weight)


def both(own, shipped=(), rate=0.01, default=0.5):
    """A calibration in which both forms have the same scores, and so the same threshold."""
    groups = {form: [[score] for score in own] for form in conformal.FORMS}
    return calibrate(groups, dict.fromkeys(conformal.FORMS, shipped), rate, default=default)


def threshold(calibrated):
    """The one threshold of both forms."""
    [value] = set(calibrated.thresholds.values())
    return value


@given(scores, rates)
def test_of_exchangeable_scores_no_more_than_the_rate_fire(values, rate):
    # Each of the n + 1 is as likely to be the new one, so the chance that it fires is the share
    # of them that would fire were they the new one: exact, without any sampling.
    fired = 0
    for place, new in enumerate(values):
        rest = values[:place] + values[place + 1 :]
        threshold = evidence(rest).threshold(rate)
        fired += threshold is not None and new >= threshold
    assert fired / len(values) <= rate + 1e-9


@given(st.integers(2, 60), rates)
def test_without_ties_the_rate_is_reached_but_for_one_part_in_n(n, rate):
    values = [place / n for place in range(n)]
    fired = sum(
        (threshold := evidence([v for v in values if v != new]).threshold(rate)) is not None
        and new >= threshold
        for new in values
    )
    assert fired == math.floor(n * rate + 1e-9)


@pytest.mark.parametrize(
    ("n", "rate", "place"),
    [
        (99, 0.01, 99),
        (98, 0.01, None),
        (199, 0.01, 198),
        (19, 0.05, 19),
        (20, 0.05, 20),
        (3, 0.5, 2),
    ],
)
def test_the_threshold_lies_just_above_the_ranked_score(n, rate, place):
    values = np.arange(1, n + 1) / (n + 1)
    threshold = evidence(values).threshold(rate)
    if place is None:
        assert threshold is None
    else:
        assert threshold == math.nextafter(values[place - 1], 1)


@given(scores, st.floats(0, 1), rates)
def test_what_is_promised_is_kept_and_the_next_lower_score_would_not_do(values, other, rate):
    one = evidence(values, [other], weight=0.0)
    threshold = one.threshold(rate)
    if threshold is None:
        assert not one.keeps(rate, 2.0)
        return
    assert one.keeps(rate, threshold)
    lower = [value for value in values if value < math.nextafter(threshold, 0)]
    if lower:
        assert not one.keeps(rate, math.nextafter(max(lower), 2))


@given(scores, scores, rates, st.randoms(use_true_random=False))
def test_the_order_of_scores_does_not_matter(own, shipped, rate, random):
    shuffled = random.sample(own, len(own))
    assert both(own, shipped, rate).thresholds == both(shuffled, shipped, rate).thresholds


def test_the_mean_rate_over_many_calibrations_is_the_one_asked_for():
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(2_000):
        threshold = evidence(rng.beta(1, 6, size=399)).threshold(0.05)
        rates.append((1 - threshold) ** 6)  # what Beta(1, 6) has above it
    # The rate has the distribution Beta(20, 380).
    assert np.mean(rates) == pytest.approx(0.05, abs=0.001)
    assert np.std(rates) == pytest.approx(math.sqrt(20 * 380 / (400**2 * 401)), rel=0.06)


def test_the_interval_is_that_of_the_beta_distribution():
    from scipy.stats import beta

    found = evidence(np.arange(1, 400) / 400).rate_at(0.95)
    assert found.fired == 20
    low, high = beta.ppf([0.025, 0.975], 21, 379)
    assert (found.mean, found.low, found.high) == pytest.approx((21 / 400, low, high), abs=1e-6)
    wider = evidence(np.arange(1, 400) / 400).rate_at(0.95, clusters=3.0)
    assert wider.mean == found.mean
    assert wider.low < found.low < found.high < wider.high


def test_shipped_scores_fill_up_the_number_and_no_more():
    shipped = np.linspace(0, 0.5, 2_000)
    few = both([0.9] * 4, shipped, 0.01)
    assert few.basis["cloze"] == "blend"
    assert few.evidence["cloze"].weight == 996
    assert few.promised
    many = both([0.7] * 1_500, shipped, 0.01)
    assert many.evidence["cloze"].weight == 0
    assert (many.basis["cloze"], threshold(many)) == ("own", math.nextafter(0.7, 1))
    assert both([], shipped, 0.01).basis["cloze"] == "shipped"


def test_more_own_scores_move_the_threshold_from_the_shipped_one_to_their_own():
    rng = np.random.default_rng(1)
    shipped, own = rng.uniform(0, 0.5, 2_000), rng.uniform(0.5, 1, 1_000)
    thresholds = [threshold(both(own[:n], shipped, 0.05)) for n in (0, 5, 20, 200, 1_000)]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < 0.5 < 0.95 < thresholds[-1]


def test_easy_probes_lower_the_shipped_threshold_half_of_the_way_at_most():
    shipped = np.linspace(0, 0.8, 2_000)
    at_large = threshold(both([], shipped))
    few, many = both([0.01] * 100, shipped), both([0.01] * 2_000, shipped)
    assert 0.01 < threshold(many) < threshold(few) < at_large
    odds = [math.log(t / (1 - t)) for t in (0.01, threshold(many), at_large)]
    assert odds[1] == pytest.approx((odds[0] + odds[2]) / 2, abs=0.01)
    assert many.basis["cloze"] == "blend"
    assert many.promised


def test_each_form_has_a_threshold_of_its_own():
    easy, hard = [[i / 2_000] for i in range(1_000)], [[i / 1_000] for i in range(1_000)]
    one = calibrate({"question": easy, "cloze": hard}, {}, 0.01, default=0.5)
    assert one.thresholds["cloze"] == threshold(both([x for (x,) in hard], rate=0.01))
    assert one.thresholds["question"] == threshold(both([x for (x,) in easy], rate=0.01)) == 0.5
    assert all(fires.mean <= 0.01 for fires in one.fires.values())


@pytest.mark.parametrize("n", [0, 1, 98])
def test_too_few_scores_promise_nothing_and_say_so(n):
    few = both([0.8] * n)
    assert not few.promised
    assert threshold(few) == (math.nextafter(0.8, 1) if n else 0.5)
    assert few.basis["cloze"] == ("own" if n else "default")
    assert threshold(both([0.2] * n)) == 0.5
    assert set(few.fires) == (set(conformal.FORMS) if n else set())


def test_no_promise_that_the_shipped_scores_are_too_few_for():
    tiny = both([0.3], [0.1] * 500, rate=0.0001, default=0.2)
    assert not tiny.promised
    assert threshold(tiny) == math.nextafter(0.3, 1)


def test_what_is_certain_fires_and_the_promise_is_withdrawn():
    sure = both([1.0] * 500)
    assert threshold(sure) == 1.0
    assert not sure.promised
    assert sure.fires["cloze"].mean == 1.0


@pytest.mark.parametrize("rate", [0.0, -0.1, 0.51, 1.0, float("nan")])
def test_rates_that_cannot_be_asked_for(rate):
    with pytest.raises(QueryError, match="false_fire_rate.*Give the share"):
        both([0.5], rate=rate)


def test_grouped_observations_count_for_less():
    alone = [[i % 10 == 0] for i in range(200)]
    assert design_effect(alone) == pytest.approx(1.0, abs=0.01)
    together = [[i % 10 == 0] * 4 for i in range(200)]
    assert design_effect(together) == pytest.approx(4.0, abs=0.05)
    assert design_effect([]) == design_effect([[True, False]]) == design_effect([[False]] * 9) == 1


def test_scores_of_another_scorer_are_not_used():
    assert conformal.shipped_scores("no such scorer") == {}
