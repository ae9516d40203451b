from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.evaluate.metrics import figures, reliability_bins
from tests.evaluate.metrics.made import case, malformed, output


def routed(fires, route, right=None, p=None, **values):
    return output("edit", "", fires=fires, route=route, right_edit=right, probability=p, **values)


def test_recall_wrong_edit_and_false_fire_by_hand():
    outcomes = [
        case(
            "1",
            routed(True, "counterfactual", True),
            routed(True, "counterfactual", False),
            routed(True, "base"),
            routed(True, "multi_hop", True),
            routed(None, "counterfactual"),  # a matter of the method: nowhere counted
        ),
        case(
            "2",
            routed(False, "counterfactual"),
            routed(False, "base"),
            routed(False, "base"),
            routed(False, "counterfactual", contested=True),
        ),
    ]
    found = figures(outcomes)
    assert found["scope.recall"].value == 2 / 4
    assert found["scope.wrong_edit"].value == 1 / 4
    assert found["scope.false_fire"].value == pytest.approx(1 / 3)
    assert found["scope.recall"].n == 4


def test_a_method_that_does_not_route_has_no_scope_figures():
    found = figures([case("1", routed(True, None), routed(False, None))])
    assert not any(name.startswith("scope") for name in found)


def test_the_base_column_of_a_scope_figure_is_empty():
    routing = [case("1", routed(True, "base"))]
    plain = [case("1", routed(True, None))]
    assert figures(routing, plain)["scope.recall"].base is None


def test_a_failed_case_misses_its_edits_and_counts_as_false_fires():
    outcomes = [
        case("1", routed(True, "counterfactual", True, 1.0), routed(False, "base", p=0.0)),
        case("2", routed(True, None), routed(False, None), failed="broken"),
        malformed("3"),
    ]
    found = figures(outcomes)
    assert (found["scope.recall"].value, found["scope.recall"].n) == (0.5, 2)
    assert (found["scope.false_fire"].value, found["scope.false_fire"].n) == (0.5, 2)
    assert found["scope.wrong_edit"].n == 1
    assert found["scope.ece"].value == found["scope.brier"].value == 0
    assert found["scope.brier"].n == 2


def test_calibration_error_by_hand():
    outcomes = [
        case(
            "1",
            # (0.8, 0.9]: confidence 0.875, accuracy 1/2
            routed(True, "counterfactual", True, 0.9),
            routed(False, "counterfactual", p=0.85),
            # (0.9, 1]: confidence 1, accuracy 0: a wrong edit fired
            routed(True, "counterfactual", False, 1.0),
            # [0, 0.1]: confidence 0.05, accuracy 1/2: one ought to have fired
            routed(False, "base", p=0.0),
            routed(True, "base", p=0.1),
            routed(None, "base", p=0.7),  # undefined
        )
    ]
    found = figures(outcomes)
    # (2*|0.5-0.875| + 1*|0-1| + 2*|0.5-0.05|) / 5 = (0.75 + 1 + 0.9) / 5
    assert found["scope.ece"].value == pytest.approx(2.65 / 5)
    # (0.01 + 0.7225 + 1 + 0 + 0.81) / 5
    assert found["scope.brier"].value == pytest.approx(2.5425 / 5)
    bins = reliability_bins(outcomes)
    assert [(b["low"], b["high"], b["n"]) for b in bins] == [
        (0.0, 0.1, 2), (0.8, 0.9, 2), (0.9, 1.0, 1),
    ]  # fmt: skip
    assert [b["confidence"] for b in bins] == pytest.approx([0.05, 0.875, 1.0])
    assert [b["accuracy"] for b in bins] == [0.5, 0.5, 0.0]


@pytest.mark.parametrize("edge", [i / 10 for i in range(1, 11)])
def test_an_edge_belongs_to_the_bin_below(edge):
    (found,) = reliability_bins([case("1", routed(True, "base", p=edge))])
    assert found["high"] == edge


def test_no_router_no_diagram():
    assert reliability_bins([]) == []
    assert reliability_bins([case("1", routed(True, None)), malformed("2")]) == []


@given(
    st.lists(
        st.tuples(st.sampled_from([True, False]), st.floats(0, 1), st.sampled_from([True, False])),
        min_size=1,
        max_size=20,
    )
)
def test_shares_and_errors_stay_within_0_and_1(drawn):
    outputs = [
        routed(fires, "counterfactual", right if fires else None, p) for fires, p, right in drawn
    ]
    outcomes = [case(str(i), o) for i, o in enumerate(outputs)]
    found = figures(outcomes, resamples=50)
    for name, figure in found.items():
        if name.startswith("scope"):
            assert 0 <= figure.low <= figure.value <= figure.high <= 1 + 1e-12
    assert sum(b["n"] for b in reliability_bins(outcomes)) == len(drawn)
