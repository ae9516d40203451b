from __future__ import annotations

from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.evaluate.metrics import figures
from tests.evaluate.metrics.made import case, likelihood, output


def scored(kind, new, true):
    """Probabilities per token of the new and the true target."""
    return output(
        kind, None, new=likelihood(log(new), tokens=3), true=likelihood(log(true), tokens=1)
    )


def test_success_and_magnitude_by_hand():
    outcomes = [
        case(
            "1",
            scored("edit", 0.8, 0.1),
            scored("rephrase", 0.5, 0.2),
            scored("rephrase", 0.1, 0.4),
            scored("locality", 0.1, 0.6),
        ),
        case(
            "2",
            scored("edit", 0.2, 0.3),
            scored("rephrase", 0.6, 0.5),
            scored("locality", 0.3, 0.2),
            scored("locality", 0.1, 0.3),
            scored("locality", 0.1, 0.2),
            scored("locality", 0.2, 0.1),
        ),
    ]
    found = figures(outcomes)
    assert found["es"].value == pytest.approx((1 + 0) / 2)
    assert found["em"].value == pytest.approx((0.7 - 0.1) / 2)
    # Mean within the record first: (1/2 + 1)/2, not 2 of 3 prompts.
    assert found["ps"].value == pytest.approx((0.5 + 1) / 2)
    assert found["pm"].value == pytest.approx(((0.3 - 0.3) / 2 + 0.1) / 2)
    assert found["ns"].value == pytest.approx((1 + 2 / 4) / 2)
    assert found["nm"].value == pytest.approx((0.5 + (-0.1 + 0.2 + 0.1 - 0.1) / 4) / 2)
    # 3 / (1/0.5 + 1/0.75 + 1/0.75) = 3 / 4.666667
    assert found["score"].value == pytest.approx(9 / 14)
    assert found["ps"].n == 3


def test_probabilities_are_per_token():
    # Summed, the long target is less likely (-3 < -2); per token it is likelier (-1 > -2).
    outcomes = [
        case("1", output(new=likelihood(-1, tokens=3), true=likelihood(-2, tokens=1), text=None))
    ]
    found = figures(outcomes)
    assert found["es"].value == 1
    assert found["em"].value == pytest.approx(exp(-1) - exp(-2))


def test_a_tie_is_no_success():
    found = figures([case("1", scored("edit", 0.5, 0.5), scored("locality", 0.5, 0.5))])
    assert found["es"].value == found["ns"].value == 0


def test_score_is_0_where_a_part_is_0_and_absent_where_a_part_is():
    parts = [scored("edit", 0.9, 0.1), scored("rephrase", 0.1, 0.9), scored("locality", 0.1, 0.9)]
    assert figures([case("1", *parts)])["score"].value == 0
    assert "score" not in figures([case("1", *parts[:2])])


def test_contested_neighbours_do_not_count():
    outputs = [scored("locality", 0.1, 0.9), scored("locality", 0.9, 0.1)]
    contested = output("locality", None, new=outputs[1].new, true=outputs[1].true, contested=True)
    assert figures([case("1", outputs[0], contested)])["ns"].value == 1


def test_zsre_figures_are_shares_of_tokens():
    outcomes = [
        case(
            "1",
            output(text=None, new=likelihood(-1, tokens=4, hits=1)),
            output("rephrase", None, new=likelihood(-1, tokens=4, hits=2)),
            output("locality", None, true=likelihood(-1, tokens=5, hits=1)),
        ),
        case(
            "2",
            output(text=None, new=likelihood(-1, tokens=1, hits=1)),
            output("rephrase", None, new=likelihood(-1, tokens=1, hits=0)),
            output("locality", None, true=likelihood(-1, tokens=2, hits=1), contested=True),
        ),
    ]
    found = figures(outcomes)
    assert found["zsre.efficacy"].value == pytest.approx((0.25 + 1) / 2)
    assert found["zsre.paraphrase"].value == pytest.approx((0.5 + 0) / 2)
    assert found["zsre.specificity"].value == 0.2


_PROBABILITY = st.floats(0.01, 0.99)


@given(st.lists(st.tuples(_PROBABILITY, _PROBABILITY), min_size=3, max_size=12))
def test_the_score_is_at_most_the_arithmetic_mean(pairs):
    kinds = ["edit", "rephrase", "locality"]
    outcomes = [case("1", *(scored(kinds[i % 3], *pair) for i, pair in enumerate(pairs)))]
    found = figures(outcomes, resamples=20)
    mean = sum(found[name].value for name in ("es", "ps", "ns")) / 3
    assert 0 <= found["score"].value <= mean + 1e-12
    for name in ("em", "pm", "nm"):
        assert -1 <= found[name].value <= 1
