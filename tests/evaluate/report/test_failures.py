import dataclasses

import pytest

from memedit.evaluate.outcome import Likelihood, Outcome, Output
from memedit.evaluate.report.failures import FAILED_CASE, failures, selection


def judged(output: Output, text: str | None = None) -> tuple[str, ...]:
    """The faults found in one output, the unedited model saying ``text``."""
    base = [Outcome("c", (Output(output.prompt, output.kind, text),))] if text is not None else []
    found = failures([Outcome("c", (output,))], base)
    return found[0].faults if found else ()


def test_each_wrong_query_and_each_failed_case_once(outcomes, base):
    found = failures(outcomes, base)
    assert [(one.case, one.kind, one.faults) for one in found] == [
        ("wrong", "edit", ("wrong answer", "wrong edit")),
        ("missed", "rephrase", ("wrong answer", "missed edit")),
        ("changed", "locality", ("changed", "false fire")),
        ("broken", FAILED_CASE, ("ValueError: <no> subject",)),
    ]


def test_a_failure_tells_all_that_is_known(outcomes, base):
    wrong = failures(outcomes, base)[0]
    assert wrong.expected == "Perth | Perth, WA"
    assert wrong.answer == "It is <b>Canberra</b>."
    assert wrong.route == "counterfactual"
    assert wrong.edit == "The capital of Peru is Oslo."
    assert wrong.details["unedited model"] == "Lima"
    assert wrong.details["scope probability"] == 0.93
    assert wrong.details["relation"] == "capital"
    assert wrong.details["hops"][0]["answer"] == "There."
    assert wrong.details["trace"]["messages"][0]["content"] == "asked\nthus"


def test_off_scope_the_unedited_models_answer_is_expected(outcomes, base):
    assert failures(outcomes, base)[2].expected == "Lima"


@pytest.mark.parametrize(
    ("output", "base", "faults"),
    [
        (Output("q", "locality", "The Lima!"), "lima", ()),
        (Output("q", "locality", "Oslo"), None, ()),
        (Output("q", "locality", "Oslo", contested=True), "Lima", ()),
        (Output("q", "locality", "Oslo", contested=True, fires=False, route="counterfactual"),
         "Lima", ()),
        (Output("q", "distracting", "Oslo"), "Lima", ("changed",)),
        (Output("q", "multi_hop", "Oslo", ("Lima",)), None, ("wrong answer",)),
        (Output("q", "multi_hop", "Oslo", ("Lima",), contested=True), None, ()),
        (Output("q", "one_hop", "Oslo", ("Lima",), conditions_met=False), None, ()),
        (Output("q", "one_hop", "Oslo", ("Lima",), conditions_met=True), None, ("wrong answer",)),
        (Output("q", "generation", "Oslo", ("Lima",)), None, ()),
        (Output("q", "edit", "Oslo"), None, ()),
        (Output("q", "edit", "Lima", ("Lima",), fires=True, route="base"), None, ("missed edit",)),
    ],
)  # fmt: skip
def test_judged_as_the_metrics_judge(output, base, faults):
    assert judged(output, base) == faults


@pytest.mark.parametrize(
    ("kind", "new", "true", "faults"),
    [
        ("edit", -1.0, -2.0, ()),
        ("edit", -2.0, -1.0, ("unlikely target",)),
        ("edit", -1.0, -1.0, ("unlikely target",)),
        ("locality", -2.0, -1.0, ()),
        ("locality", -1.0, -2.0, ("unlikely target",)),
    ],
)
def test_without_generation_the_likelihoods_decide(kind, new, true, faults):
    # Two tokens against one: it is the mean per token that counts.
    output = Output("q", kind, None, ("x",), new=Likelihood(2 * new, 2, 0),
                    true=Likelihood(true, 1, 0))  # fmt: skip
    assert judged(output) == faults


def test_only_the_test_with_all_edits_live_counts(outcomes):
    own = [dataclasses.replace(one, after="own") for one in outcomes]
    assert failures(own) == []


def test_a_selection_has_every_kind_and_keeps_the_order(outcomes, base):
    many = failures([outcomes[1]] * 6 + outcomes[2:4], base)
    chosen = selection(many, 4)
    assert [one.kind for one in chosen] == ["edit", "edit", "rephrase", "locality"]
    assert selection(many, 100) == many
