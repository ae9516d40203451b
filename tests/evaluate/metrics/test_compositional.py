from __future__ import annotations

import pytest

from memedit.evaluate.metrics import figures
from tests.evaluate.metrics.made import case, output


def ripple(label, text, group, **values):
    return output("one_hop", text, label=label, group=group, **values)


def test_a_ripple_test_counts_if_its_conditions_were_met():
    met, unmet = {"conditions_met": True}, {"conditions_met": False}
    outcomes = [
        case(
            "1",
            ripple("Compositionality_I", "Perth", "a", **met),
            ripple("Compositionality_I", "Lima", "b", **met),
            ripple("Compositionality_I", "Lima", "c", **unmet),
            ripple("Compositionality_I", "Perth", "d"),  # has no conditions: counts
        )
    ]
    found = figures(outcomes)
    assert found["ripple.compositionality_i"].value == pytest.approx(2 / 3)
    assert found["ripple.compositionality_i"].n == 3
    assert found["ripple.unconditioned.compositionality_i"].value == pytest.approx(2 / 4)


@pytest.mark.parametrize(("test", "passed"), [("OR", 1), ("AND", 0)])
def test_a_ripple_test_is_its_queries_by_or_or_and(test, passed):
    outcomes = [
        case(
            "1",
            ripple("Logical_Generalization", "Perth", "a", test=test),
            ripple("Logical_Generalization", "Lima", "a", test=test),
        )
    ]
    assert figures(outcomes)["ripple.logical_generalization"].value == passed


def test_a_query_without_a_group_is_no_ripple_test():
    found = figures([case("1", ripple("Relation_Specificity", "Perth", ""))])
    assert not any(name.startswith("ripple") for name in found)


def test_every_criterion_has_its_name():
    labels = (
        "Logical_Generalization", "Compositionality_I", "Compositionality_II",
        "Subject_Aliasing", "Relation_Specificity", "Forgetfulness",
    )  # fmt: skip
    outcomes = [case("1", *(ripple(label, "Perth", label) for label in labels))]
    found = figures(outcomes)
    for label in labels:
        assert found[f"ripple.{label.lower()}"].value == 1
        assert found[f"ripple.unconditioned.{label.lower()}"].value == 1


def test_contested_tests_leave_the_preserving_criteria():
    outcomes = [
        case(
            "1",
            ripple("Relation_Specificity", "Lima", "a", contested=True),
            ripple("Relation_Specificity", "Perth", "b"),
            ripple("Compositionality_I", "Lima", "c", contested=True),
        )
    ]
    found = figures(outcomes)
    assert found["ripple.relation_specificity"].value == 1
    assert found["ripple.compositionality_i"].value == 0


def test_a_failed_cases_conditions_are_the_base_models():
    def outputs(text, **met):
        return (
            ripple("Subject_Aliasing", text, "a", prompt="a", **(met and {"conditions_met": True})),
            ripple(
                "Subject_Aliasing", text, "b", prompt="b", **(met and {"conditions_met": False})
            ),
        )

    base = [case("1", *outputs("Lima", met=True)), case("2", *outputs("Lima", met=True))]
    outcomes = [
        case("1", *outputs("Perth", met=True)),
        case("2", *outputs(""), failed="out of memory"),
    ]
    found = figures(outcomes, base)["ripple.subject_aliasing"]
    assert (found.value, found.n) == (0.5, 2)


def asked(text, *hops, length=2, **values):
    trace = tuple({"question": "?", "answer": hop, "source": "edit"} for hop in hops)
    return output("multi_hop", text, group="question", hops=trace, meta={"hops": length}, **values)


CHAIN = (
    output("hop", "Oslo", answers=("Oslo",), meta={"hop": 1}),
    output("hop", "it is Perth", meta={"hop": 2}),
)


def test_multi_hop_any_all_and_strict():
    outcomes = [
        case("1", asked("It is Perth"), asked("Lima"), asked("Perth!"), *CHAIN),
        case("2", asked("Perth"), asked("perth"), asked("in Perth"), *CHAIN),
        case("3", asked("Lima"), asked("Lima"), asked("Lima"), *CHAIN),
    ]
    found = figures(outcomes)
    assert found["multihop.any"].value == pytest.approx(2 / 3)
    assert found["multihop.all"].value == pytest.approx(1 / 3)
    # "Perth!" and "perth" are not the answer character by character.
    assert found["multihop.strict_any"].value == pytest.approx(1 / 3)
    assert found["multihop.strict_all"].value == 0
    assert found["multihop.any"].n == 3


def test_hop_wise_wants_the_answer_and_the_whole_chain_of_one_phrasing():
    outcomes = [
        case("right", asked("Perth", "Oslo", "Perth"), *CHAIN),
        case("lucky", asked("Perth", "Rome", "Perth"), *CHAIN),  # a wrong hop
        case("short", asked("Perth", "Perth"), *CHAIN),  # a hop skipped
        case("long", asked("Perth", "Oslo", "Oslo", "Perth"), *CHAIN),
        case("wrong", asked("Lima", "Oslo", "Perth"), *CHAIN),  # trace right, answer wrong
        case("untraced", asked("Perth"), *CHAIN),
        # The right answer and the right trace in different phrasings are not enough.
        case("split", asked("Perth"), asked("Lima", "Oslo", "Perth"), *CHAIN),
        case("second", asked("Lima"), asked("Perth", "in Oslo", "Perth"), *reversed(CHAIN)),
    ]
    found = figures(outcomes)
    assert found["multihop.hopwise"].value == pytest.approx(2 / 8)
    assert found["multihop.any"].value == pytest.approx(7 / 8)


def test_a_hop_without_an_answer_is_wrong():
    outcomes = [case("1", asked("Perth", None, "Perth"), *CHAIN)]
    assert figures(outcomes)["multihop.hopwise"].value == 0


def test_edit_wise_pools_edits_and_instance_wise_wants_all_hops():
    outcomes = [
        case(
            "1", output(text="Perth"), output(text="Perth"), output(text="Lima"), asked(""), *CHAIN
        ),
        case("2", output(text="Lima"), asked(""), CHAIN[0], output("hop", "Rome", meta={"hop": 2})),
        case("3", output(text="Perth")),  # no multi-hop question
    ]
    found = figures(outcomes)
    assert found["multihop.edit_wise"].value == pytest.approx(2 / 4)
    assert found["multihop.instance_wise"].value == pytest.approx(1 / 2)


def test_multi_hop_by_number_of_hops():
    outcomes = [
        case("1", asked("Perth", length=2)),
        case("2", asked("Lima", length=2)),
        case("3", asked("Perth", length=4)),
    ]
    found = figures(outcomes)
    assert found["multihop.any.2hop"].value == 0.5
    assert found["multihop.all.4hop"].value == 1
    assert "multihop.any.3hop" not in found


def test_contested_questions_do_not_count():
    outcomes = [
        case("1", asked("Perth"), *CHAIN),
        case("2", asked("Lima", contested=True), asked("Lima", contested=True), *CHAIN),
    ]
    found = figures(outcomes)
    assert found["multihop.any"].value == 1
    assert found["multihop.any"].n == 1
