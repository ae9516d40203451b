from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.evaluate.compare import compare
from memedit.evaluate.metrics import MetricError
from tests.evaluate.metrics.made import case, likelihood, output


def run(hits, *, prefix=""):
    return [
        case(f"{prefix}{i}", output(text="Perth" if hit else "Lima")) for i, hit in enumerate(hits)
    ]


def only(a, b, name="reliability", **values):
    (found,) = compare(a, b, names=[name], **values)
    return found


def test_one_right_or_wrong_a_case_is_mcnemars_test():
    # a right on 8 of 12, b on 2; 7 only a, 1 only b: p = 2 * (1 + 8) / 256
    a = [True] * 8 + [False] * 4
    b = [True] + [False] * 7 + [True] + [False] * 3
    found = only(run(a), run(b))
    assert (found.a, found.b) == pytest.approx((8 / 12, 2 / 12))
    assert found.difference == pytest.approx(0.5)
    assert (found.test, found.n) == ("McNemar", 12)
    assert found.p == pytest.approx(18 / 256)
    assert found.verdict == "no difference shown"
    assert found.low <= 0.5 <= found.high


def test_a_clear_difference_is_shown_either_way():
    a, b = run([True] * 20), run([False] * 20)
    found = only(a, b)
    assert found.p == pytest.approx(2 / 2**20)
    assert found.verdict == "a better"
    assert only(b, a).verdict == "b better"
    assert only(b, a).difference == -found.difference


def test_several_observations_a_case_are_a_permutation_test():
    def half(n, texts):
        return [case(str(i), *(output("rephrase", text) for text in texts)) for i in range(n)]

    # Each of 3 cases differs by 1/2 the same way: 2 of the 8 exchanges are as extreme, p = 1/4.
    found = only(half(3, ["Perth", "Perth"]), half(3, ["Perth", "Lima"]), "generalization")
    assert found.test == "permutation"
    assert found.difference == 0.5
    assert found.p == pytest.approx(0.25, abs=0.02)
    found = only(half(20, ["Perth", "Perth"]), half(20, ["Perth", "Lima"]), "generalization")
    assert found.verdict == "a better"


def test_a_composite_figure_is_compared_as_such():
    def scored(new, neighbours):
        def pair(kind, gain):
            return output(kind, None, new=likelihood(gain), true=likelihood(0.0))

        return [
            case(str(i), pair("edit", new), pair("rephrase", new), pair("locality", neighbours))
            for i in range(30)
        ]

    found = only(scored(1.0, -1.0), scored(-1.0, -1.0), "score")
    assert (found.a, found.b, found.test) == (1, 0, "permutation")
    assert found.verdict == "a better"


def test_where_less_is_better_the_verdict_turns():
    def timed(seconds):
        return [case(str(i), output(text="", seconds=seconds + i / 100)) for i in range(30)]

    found = only(timed(1.0), timed(2.0), "seconds_per_query")
    assert found.difference == pytest.approx(-1)
    assert found.verdict == "a better"


def test_only_shared_cases_are_compared_and_the_others_counted():
    a = run([True] * 5) + run([False] * 3, prefix="a")
    b = run([True] * 5) + run([False], prefix="b")
    found = only(a, b)
    assert (found.a, found.b, found.n) == (1, 1, 5)
    assert (found.only_a, found.only_b) == (3, 1)
    assert found.p == 1
    assert found.verdict == "no difference shown"


def test_holm_adjusts_over_all_metrics():
    a = [case(str(i), output(text="Perth"), output("rephrase", "Perth")) for i in range(8)]
    b = [case(str(i), output(text="Lima"), output("rephrase", "Perth")) for i in range(8)]
    found = {d.name: d for d in compare(a, b, names=["reliability", "generalization"])}
    assert found["reliability"].p == pytest.approx(2 / 256)
    assert found["reliability"].p_adjusted == pytest.approx(4 / 256)
    assert found["generalization"].p_adjusted == 1
    assert json.dumps([d.to_dict() for d in found.values()])


def test_failed_cases_count_as_wrong():
    a = run([True] * 10)
    b = [case(str(i), output(), failed="broken") for i in range(10)]
    assert (only(a, b).b, only(a, b).verdict) == (0, "a better")
    found = only(a, [*run([True] * 9), case("9", output(), failed="broken")])
    assert found.b == pytest.approx(0.9)


def test_locality_needs_the_base_model():
    def neighbours(text):
        return [case(str(i), output("locality", text, answers=())) for i in range(6)]

    a, b = neighbours("Oslo"), neighbours("Rome")
    assert compare(a, b, names=["locality"]) == []
    assert only(a, b, "locality", base=neighbours("Oslo")).difference == 1


def test_runs_that_share_nothing_are_refused():
    with pytest.raises(MetricError, match=r"share no case.*Compare two runs of one suite"):
        compare(run([True]), run([True], prefix="x"))
    with pytest.raises(MetricError, match="other queries"):
        compare([case("1", output(prompt="a"))], [case("1", output(prompt="b"))])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=15))
def test_comparing_is_antisymmetric_and_bounded(pairs):
    a, b = run([x for x, _ in pairs]), run([y for _, y in pairs])
    there, back = only(a, b, resamples=50, exchanges=50), only(b, a, resamples=50, exchanges=50)
    assert there.difference == -back.difference
    assert there.p == back.p
    assert 0 < there.p <= there.p_adjusted <= 1
    assert there.low <= there.difference <= there.high


def test_a_run_against_itself_shows_no_difference():
    hits = run([True, False] * 10)
    found = compare(hits, hits)
    assert all(d.difference == 0 and d.p == 1 for d in found)
    assert {d.verdict for d in found} == {"no difference shown"}
