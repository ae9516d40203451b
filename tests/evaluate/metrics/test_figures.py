from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.evaluate.metrics import (
    METRICS,
    MetricError,
    by_relation,
    figures,
    mean_figure,
    share_figure,
)
from memedit.evaluate.outcome import Outcome
from tests.evaluate.metrics.made import case, likelihood, malformed, output


def right(name, hit=True, **values):
    return case(name, output(text="Perth" if hit else "Lima"), **values)


def test_metrics_say_what_they_are():
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.definition.endswith(".")
        assert metric.source
        assert metric.measured in ("generation", "teacher-forced", "routing", "efficiency")
    names = {
        "reliability", "generalization", "locality", "portability.alias", "portability.reverse",
        "portability.one_hop", "es", "ps", "ns", "score", "scope.recall", "scope.wrong_edit",
        "scope.false_fire", "multihop.any", "multihop.all", "multihop.hopwise",
        "seconds_per_query",
    }  # fmt: skip
    assert names <= set(METRICS)
    forced = [name for name, metric in METRICS.items() if metric.measured == "teacher-forced"]
    assert all(
        name.startswith(("tf.", "zsre.")) or len(name.removesuffix(".own")) == 2 or name == "score"
        for name in forced
    )


def test_the_base_column_is_of_the_same_cases():
    base = [right("1", False), right("2"), right("3", False)]
    found = figures([right("1"), right("2")], base)["reliability"]
    assert (found.value, found.base) == (1, 0.5)
    assert json.loads(json.dumps(found.to_dict()))["base"] == 0.5


def test_base_answers_to_other_queries_are_refused():
    base = [case("1", output("locality", "x", prompt="other"))]
    with pytest.raises(MetricError, match="case '1'.*other queries"):
        figures([case("1", output("locality", "x"))], base)


def test_a_failed_case_counts_with_the_worst_value_of_each_query():
    scored = {"new": likelihood(-1, hits=2), "true": likelihood(-2)}
    outcomes = [
        case(
            "1",
            output(text="Perth", old=("Rome",), **scored),
            output("rephrase", "Perth"),
            output("locality", "x"),
            output("generation", "a b c"),
        ),
        case(
            "2",
            output(old=("Rome",)),
            output("rephrase"),
            output("rephrase"),
            output("locality"),
            output("generation"),
            failed="the method raised ValueError",
        ),
    ]
    base = [
        case("1", *(output(o.kind, "x") for o in outcomes[0].outputs)),
        case("2", *(output(o.kind, "") for o in outcomes[1].outputs)),
    ]
    found = figures(outcomes, base)
    for name in ("reliability", "generalization", "es", "tf.reliability"):
        assert found[name].value == 0.5, name
    assert found["generalization"].n == 3
    # Unchanged by chance ("" and ""), but nothing was answered.
    assert found["locality"].value == 0.5
    assert found["contradiction"].value == 0.5  # 0 and, at worst, 1
    assert found["repetition"].value == 0.5
    assert found["em"].value == pytest.approx((math.exp(-1) - math.exp(-2) - 1) / 2)
    assert found["fluency"].value == pytest.approx(100 / 3 / 2)


def test_a_malformed_record_is_one_worst_observation_of_whatever_the_run_has():
    found = figures([right("1"), right("2"), right("3"), malformed("4")])
    assert (found["reliability"].value, found["reliability"].n) == (0.75, 4)
    assert "generalization" not in found
    assert "scope.recall" not in found


def test_efficiency_leaves_failed_cases_out():
    outcomes = [
        case(
            "1",
            output(text="Perth", seconds=1.0, prompt_tokens=10, answer_tokens=5),
            output("rephrase", "Perth", seconds=3.0, prompt_tokens=20, answer_tokens=1),
            edit_seconds=0.5,
        ),
        case("2", output(seconds=99.0), failed="out of memory", edit_seconds=9.0),
        case(
            "3",
            output(text="", seconds=5.0),
            output(text="", seconds=3.0),
            edits=2,
            edit_seconds=0.5,
        ),
    ]
    found = figures(outcomes)
    assert found["seconds_per_query"].value == 3  # (1 + 3 + 5 + 3) / 4
    assert found["tokens_per_query"].value == 18  # (15 + 21) / 2; case 3 counted none
    # 0.5 s for one edit, 0.5 s for two
    assert found["seconds_per_edit"].value == pytest.approx(1.0 / 3)


def test_where_every_case_failed_the_base_model_tells_what_there_was():
    failed = [case("1", output(), failed="out of memory")]
    found = figures(failed, [right("1")])
    assert found["reliability"].value == 0
    assert found["reliability"].base == 1
    assert figures(failed) == {}


def test_intervals_where_every_case_is_equal():
    # 20 of 20: n / (n + z²) = 20 / 23.841459
    found = figures([right(str(i)) for i in range(20)])["reliability"]
    assert (found.low, found.high) == pytest.approx((0.838875, 1.0), abs=1e-6)
    # As many observations as cases, not as queries.
    doubled = [case(str(i), output(text="Perth"), output(text="Perth")) for i in range(20)]
    assert figures(doubled)["reliability"].low == found.low
    # A figure that is no share has no width.
    timed = figures([case(str(i), output(text="", seconds=2.0)) for i in range(20)])
    assert (timed["seconds_per_query"].low, timed["seconds_per_query"].high) == (2, 2)


def test_an_interval_over_cases_is_wider_than_one_over_queries():
    # 40 cases of 10 equal queries each, half of the cases right: the standard error is that of 40
    # observations, sqrt(.25/40) = 0.079, not that of 400.
    outcomes = [
        case(str(i), *([output(text="Perth" if i % 2 else "Lima")] * 10)) for i in range(40)
    ]
    found = figures(outcomes)["reliability"]
    assert found.n == 400
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.079, abs=0.05)


def test_names_select_and_unknown_ones_are_refused():
    assert list(figures([right("1")], names=["reliability.exact", "reliability"])) == [
        "reliability.exact",
        "reliability",
    ]
    with pytest.raises(MetricError, match=r"no metric 'reliabilty'.*reliability"):
        figures([right("1")], names=["reliabilty"])


def test_no_outcomes_no_figures():
    assert figures([]) == {}
    assert figures([Outcome(case="1")]) == {}


def test_by_relation():
    outcomes = [
        right("1", relation="P36"),
        right("2", False, relation="P36"),
        right("3", relation="P19"),
        right("4"),
    ]
    assert by_relation(outcomes, "reliability") == {"P36": (0.5, 2), "P19": (1.0, 1)}
    assert list(by_relation(outcomes, METRICS["reliability"])) == ["P36", "P19"]
    assert by_relation(outcomes, "es") == {}
    neighbour = [case("1", output("locality", "x"), relation="P36")]
    assert by_relation(neighbour, "locality", neighbour) == {"P36": (1.0, 1)}


def test_plain_figures():
    share = share_figure([True, True, True, False], base=1.0)
    assert (share.value, share.n, share.base) == (0.75, 4, 1.0)
    assert share.low < 0.75 < share.high
    peak = mean_figure([812.5])
    assert (peak.value, peak.low, peak.high, peak.n) == (812.5, 812.5, 812.5, 1)
    mean = mean_figure([1.0, 2.0, 3.0, 4.0])
    assert mean.value == 2.5
    assert mean.low < 2.5 < mean.high
    for helper in (share_figure, mean_figure):
        with pytest.raises(MetricError, match="no observations"):
            helper([])


_CASES = st.lists(st.lists(st.booleans(), min_size=1, max_size=4), min_size=1, max_size=12)


@given(_CASES, st.randoms())
def test_order_does_not_matter_and_the_interval_holds_the_value(drawn, random):
    outcomes = [
        case(str(i), *(output(text="Perth" if hit else "Lima") for hit in hits))
        for i, hits in enumerate(drawn)
    ]
    shuffled = random.sample(outcomes, len(outcomes))
    found = figures(outcomes, outcomes, resamples=100)
    assert figures(shuffled, outcomes, resamples=100) == found
    for figure in found.values():
        assert figure.low <= figure.value <= figure.high
    assert found["reliability"].low >= 0
    assert found["reliability"].high <= 1


@given(_CASES)
def test_a_further_failure_never_raises_a_score(drawn):
    outcomes = [
        case(str(i), *(output(text="Perth" if hit else "Lima") for hit in hits))
        for i, hits in enumerate(drawn)
    ]
    before = figures(outcomes, resamples=10)["reliability"].value
    after = figures([*outcomes, malformed("x")], resamples=10)["reliability"].value
    assert after <= before


def test_a_large_run_is_summarised_in_seconds():
    scored = {"new": likelihood(-1, hits=2), "true": likelihood(-2)}
    outcomes = [
        case(
            str(i),
            output(text="It is Perth, as everybody knows.", old=("Rome",), fires=True, **scored),
            *[output("rephrase", "It is Perth.", fires=True, **scored)] * 2,
            *[output("locality", "It is Perth.", fires=False, **scored)] * 10,
        )
        for i in range(500)
    ]
    begin = time.perf_counter()
    figures(outcomes, outcomes)
    assert time.perf_counter() - begin < 20  # about 2 s on an idle core
