from __future__ import annotations

import pytest

from memedit.evaluate.metrics import figures
from tests.evaluate.metrics.made import case, likelihood, output


def value(name, outcomes, base=()):
    found = figures(outcomes, base, names=[name])
    return found[name].value if name in found else None


def test_reliability_is_the_mean_over_cases_of_the_share_right():
    outcomes = [
        case("1", output(text="It is Perth"), output(text="Lima")),  # 1/2
        case("2", output(text="perth")),  # 1
        case("3", output(text="It is not Perth")),  # 0
    ]
    assert value("reliability", outcomes) == pytest.approx((0.5 + 1 + 0) / 3)
    # exactly the answer: only case 2
    assert value("reliability.exact", outcomes) == pytest.approx(1 / 3)
    found = figures(outcomes, names=["reliability"])["reliability"]
    assert found.n == 4
    assert found.base is None


def test_kinds_are_kept_apart():
    kinds = {
        "generalization": "rephrase",
        "portability.alias": "alias",
        "portability.reverse": "reverse",
        "portability.one_hop": "one_hop",
        "portability.two_hop": "two_hop_subject",
        "reasoning": "reasoning",
        "knows": "knows",
        "forgetting": "forgetting",
        "locality.correct": "locality",
        "locality.distracting.correct": "distracting",
    }
    for name, kind in kinds.items():
        outcomes = [case("1", output(kind, "Perth"), output("generation", "Lima"))]
        found = figures(outcomes)
        assert found[name].value == 1
        others = set(kinds) - {name}
        assert not others & set(found)


def test_portability_takes_all_that_follows_from_the_edit():
    outcomes = [
        case(
            "1",
            output("alias", "Perth"),
            output("reverse", "Lima"),
            output("one_hop", "Lima"),
            output("two_hop_subject", "Perth"),
        )
    ]
    assert value("portability", outcomes) == 0.5


def test_a_group_is_one_observation_any_or_all():
    grouped = [
        output("reverse", "Perth", group="g"),
        output("reverse", "Lima", group="g"),
    ]
    both = [
        output("reverse", "Perth", group="g", test="AND"),
        output("reverse", "Lima", group="g", test="AND"),
    ]
    assert value("portability.reverse", [case("1", *grouped)]) == 1
    assert value("portability.reverse", [case("1", *both)]) == 0
    assert figures([case("1", *grouped)])["portability.reverse"].n == 1


def test_locality_compares_with_the_base_models_text():
    base = [case("1", output("locality", "Lima."), output("locality", "Oslo"))]
    outcomes = [case("1", output("locality", "lima"), output("locality", "Rome"))]
    assert value("locality", outcomes, base) == 0.5
    assert value("locality", outcomes) is None  # nothing to compare with
    assert figures(outcomes, base)["locality"].base == 1  # by definition


def test_contested_queries_say_nothing_about_locality():
    base = [case("1", output("locality", "Lima"), output("locality", "Lima"))]
    outcomes = [case("1", output("locality", "Perth", contested=True), output("locality", "Lima"))]
    found = figures(outcomes, base)
    assert found["locality"].value == 1
    assert found["locality.correct"].value == 0  # of the uncontested query only
    assert found["locality.correct"].n == 1
    assert found["locality.correct"].base == 0


def test_contradiction_is_an_old_answer_without_a_new_one():
    old = ("Canberra",)
    outcomes = [
        case(
            "1",
            output(text="Canberra", old=old),  # stale
            output(text="Canberra, no: Perth", old=old),
            output("rephrase", "Lima", old=old),
            output("rephrase", "Canberra", old=()),  # no old answer known: does not count
        )
    ]
    assert value("contradiction", outcomes) == pytest.approx(1 / 3)


def test_teacher_forced_figures_are_token_shares():
    outcomes = [
        case("1", output(new=likelihood(-1, tokens=4, hits=3), text=None)),  # 3/4
        case("2", output(new=likelihood(-1, tokens=2, hits=1), text=None)),  # 1/2
        case("3", output("rephrase", None, new=likelihood(-1, tokens=1, hits=1))),
        case("4", output("alias", None, new=likelihood(-1, tokens=5, hits=1))),
    ]
    found = figures(outcomes)
    assert found["tf.reliability"].value == pytest.approx((0.75 + 0.5) / 2)
    assert found["tf.generalization"].value == 1
    assert found["tf.portability"].value == 0.2
    assert "reliability" not in found  # nothing was generated


def test_a_query_without_answers_is_not_judged():
    assert value("reliability", [case("1", output(text="Perth", answers=()))]) is None


def test_sequential_editing_compares_both_tests():
    def answered(name, own, end):
        return [
            case(name, output(text=own), after="own"),
            case(name, output(text=end), after="end"),
        ]

    outcomes = [
        *answered("1", "Perth", "Perth"),
        *answered("2", "Perth", "Lima"),
        *answered("3", "Perth", "Lima"),
        *answered("4", "Lima", "Perth"),
    ]
    found = figures(outcomes)
    assert found["sequential.own"].value == 3 / 4
    assert found["sequential.end"].value == found["reliability"].value == 2 / 4
    assert found["sequential.forgotten"].value == pytest.approx(2 / 3)
    assert found["sequential.forgotten"].n == 3
    assert found["reliability"].n == 4  # the test at the end only


def test_without_a_sequence_there_are_no_sequential_figures():
    assert not any(name.startswith("sequential") for name in figures([case("1", output())]))


def test_a_case_that_fails_at_the_end_has_forgotten_what_it_knew():
    outcomes = [
        case("1", output(text="Perth"), after="own"),
        case("1", output(text=""), failed="out of memory"),
        case("2", output(text="Perth"), after="own"),
        case("2", output(text="Perth")),
    ]
    assert value("sequential.forgotten", outcomes) == 0.5
    assert value("sequential.own", outcomes) == 1


def test_the_tests_of_a_sequence_ask_different_queries():
    # The test after the own edits asks the edit prompt only; at the end other kinds come first.
    outcomes = [
        case("1", output(text="Perth"), after="own"),
        case("1", output("locality", "Oslo"), output("rephrase", "?"), output(text="Perth")),
    ]
    base = [case("1", output("locality", "Oslo"), output("rephrase", "?"), output(text="Lima"))]
    found = figures(outcomes, base)
    assert found["sequential.own"].value == found["sequential.end"].value == 1
    assert found["sequential.forgotten"].value == 0
    assert found["locality"].value == 1


def test_an_answer_that_names_both_targets_is_right_but_mixed():
    outcomes = [
        case("1", output(text="Perth, not Canberra", old=("Canberra",))),
        case("2", output(text="It moved from Canberra to Perth.", old=("Canberra",))),
        case("3", output(text="Perth", old=())),  # no old answer is known
    ]
    found = figures(outcomes)
    assert found["reliability"].value == 1
    assert (found["unmixed"].value, found["unmixed"].n) == (0.5, 2)
