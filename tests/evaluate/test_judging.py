from __future__ import annotations

import dataclasses

import pytest
import torch

from memedit.edit import Edit
from memedit.evaluate.answering import Answerer
from memedit.evaluate.cases import Case, Query
from memedit.evaluate.judging import Work, judge, reason_of
from memedit.evaluate.outcome import Likelihood
from tests.evaluate.running import Told, plan_of, suite
from tests.models.tiny import tiny_chat_model

EDIT = Edit(id="ys", subject="Ys", question="Which king ruled Ys?", target_new="Dahut")


def work(case_id: str, model, *queries: Query, **fields) -> Work:
    return Work(
        Case(case_id, (EDIT,), queries, relation="P35", references=("A text.",)),
        queries,
        contested=[False] * len(queries),
        plans=[plan_of(model, query.prompt) for query in queries],
        conditions_met=[None] * len(queries),
        **fields,
    )


def judge_failing(one: Work):
    """The outcome of the same work on a model that cannot answer."""
    model = Told(trouble={"": ValueError("bad")})
    plans = [plan_of(model, query.prompt) for query in one.queries]
    [outcome] = judge([dataclasses.replace(one, plans=plans)], suite(), Answerer())
    assert outcome.failed
    return outcome


def asked(prompt: str, **fields) -> Query:
    return Query(prompt, "edit", ("Dahut",), ("Gradlon",), fires=True, **fields)


def test_an_outcome_holds_all_that_was_asked_and_answered():
    model = Told()
    query = Query(
        "Who rules Ys?", "reverse", ("Dahut",), ("Mark",), fires=True, group="g", test="AND",
        label="L", meta={"hop": 1},
    )  # fmt: skip
    edited = work("c", model, query, after="own", live=7, edit_seconds=2.5)
    plan = plan_of(
        model, "Ys: Dahut.\nWho?", route="counterfactual", edits=(EDIT,), probability=0.75,
        seconds=1.0, trace={"reasons": ["r"]},
    )  # fmt: skip
    edited = dataclasses.replace(edited, plans=[plan], contested=[True], conditions_met=[False])
    [outcome] = judge([edited], suite(), Answerer())
    assert (outcome.case, outcome.relation, outcome.references) == ("c", "P35", ("A text.",))
    assert (outcome.edits, outcome.edit_seconds, outcome.after) == (1, 2.5, "own")
    assert outcome.live == judge_failing(edited).live == 7
    [output] = outcome.outputs
    assert (output.prompt, output.kind, output.text) == (
        query.prompt,
        "reverse",
        "Ys: Dahut.\nWho?",
    )
    assert (output.answers, output.old, output.fires) == (("Dahut",), ("Mark",), True)
    assert (output.group, output.test, output.label, output.meta) == ("g", "AND", "L", {"hop": 1})
    assert (output.route, output.probability, output.right_edit) == ("counterfactual", 0.75, True)
    assert (output.contested, output.conditions_met) == (True, False)
    assert output.seconds >= 1.0
    assert output.trace == {
        "edits": [EDIT.stated], "edit_ids": ["ys"], "given": "Ys: Dahut.\nWho?", "reasons": ["r"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fired", "right"),
    [
        ((EDIT,), True),
        ((EDIT.changed(id="newer", target_new="Mark"),), True),  # took its place
        ((Edit(id="o", subject="Ys", question="Who built Ys?", target_new="A"),), False),
        ((), None),
    ],
)
def test_the_right_edit_is_the_querys_own_or_one_in_its_place(fired, right):
    model = Told()
    one = work("c", model, asked("Who?"))
    one = dataclasses.replace(one, plans=[plan_of(model, "Who?", route="x", edits=fired)])
    [outcome] = judge([one], suite(), Answerer())
    assert outcome.outputs[0].right_edit is right


@pytest.mark.parametrize(
    "error", [ValueError("bad"), MemoryError("bad"), torch.OutOfMemoryError("bad")]
)
def test_a_prompt_that_raises_fails_its_case_and_no_other(error):
    model = Told(trouble={"3": error})
    works = [work(str(i), model, asked(f"{i}?"), asked(f"{i}, or not?")) for i in range(6)]
    outcomes = judge(works, suite(), Answerer())
    assert [outcome.case for outcome in outcomes] == list("012345")
    reasons = [outcome.failed for outcome in outcomes]
    assert reasons == [None, None, None, f"{type(error).__name__}: bad", None, None]
    assert [output.text for output in outcomes[3].outputs] == ["", ""]
    assert [output.prompt for output in outcomes[3].outputs] == ["3?", "3, or not?"]
    assert [output.text for output in outcomes[4].outputs] == ["Gradlon"] * 2


def test_stopping_is_no_failure():
    model = Told(at_most=1)
    with pytest.raises(KeyboardInterrupt):
        judge([work("a", model, asked("1?"), asked("2?"))], suite(), Answerer())


def test_scores_are_those_of_the_model_itself():
    model = tiny_chat_model()
    queries = asked("Ys is ruled by", new="Dahut", true="Mark"), asked("Who?", new="Dahut")
    [outcome] = judge([work("c", model, *queries)], suite(max_tokens=2), Answerer())
    first, second = outcome.outputs
    [new] = model.score(["Ys is ruled by"], [" Dahut"])
    assert first.new == Likelihood(pytest.approx(new.log_prob, abs=1e-4), new.tokens, new.hits)
    assert first.true.tokens == len(" Mark") and first.true.log_prob < 0
    assert second.true is None and second.new.tokens == len(" Dahut")


def test_a_suite_that_only_scores_and_one_that_does_neither():
    model = tiny_chat_model()
    one = work("c", model, asked("Who?", new="Dahut"))
    [scored] = judge([one], suite(generate=False), Answerer())
    assert scored.outputs[0].text is None and scored.outputs[0].new is not None
    [routed] = judge([one], suite(generate=False, score=False), Answerer())
    assert routed.outputs[0].text is None and routed.outputs[0].new is None


def test_a_score_that_is_no_number_fails_the_case():
    model = tiny_chat_model()
    model.engine.model.lm_head.weight.data[5] = float("nan")
    one = work("c", model, asked("Who?", new="Dahut"))
    [outcome] = judge([one], suite(generate=False), Answerer())
    assert "log-probability is nan" in outcome.failed
    assert outcome.outputs[0].new is None


def test_a_model_without_likelihoods_is_not_scored():
    [outcome] = judge([work("c", Told(), asked("Who?", new="Dahut"))], suite(), Answerer())
    assert outcome.failed is None and outcome.outputs[0].new is None


def test_a_reason_is_one_line_that_any_file_takes():
    assert reason_of(ValueError("two\n lines  \ud83d")) == r"ValueError: two lines \ud83d"
    assert reason_of(KeyError()) == "KeyError: no message"
    assert len(reason_of(ValueError("x" * 9999))) < 500
