from __future__ import annotations

import pytest
import torch
from langchain_core.messages import HumanMessage

from memedit.evaluate.alone import (
    Alone,
    Untouched,
    alone_figures,
    ask_alone,
    ask_unedited,
    sampled,
)
from memedit.evaluate.cases import Case
from memedit.evaluate.methods import make_method
from memedit.evaluate.outcome import Outcome, Output
from tests.evaluate.running import Everything, Told, suite, zsre
from tests.models.tiny import tiny_chat_model

SHORT = suite(max_tokens=4)
EDIT, REPHRASE, LOCALITY = 0, 1, 2  # the places of a made-up record's queries


@pytest.fixture
def case(tmp_path) -> Case:
    [case] = zsre(tmp_path, 1)
    return case


def all_of(method, case, unedited, **how) -> list[Alone]:
    return list(ask_alone(method, case, SHORT, places=range(3), unedited=unedited, **how))


# -- the sample ----------------------------------------------------------------------------------


def groups(*sizes: int) -> list[list[Case]]:
    return [[Case(f"{g}.{i}", (), ()) for i in range(size)] for g, size in enumerate(sizes)]


def test_the_seed_decides_the_sample():
    whole = groups(50)
    assert sampled(whole, 5, 1) == sampled(whole, 5, 1) != sampled(whole, 5, 2)


@pytest.mark.parametrize(
    ("sizes", "n", "taken"), [((50,), 5, [5]), ((1,) * 9, 3, [1, 1, 1]), ((2, 2), 9, [2, 2])]
)
def test_the_sample_is_of_n_cases_in_as_few_groups_as_they_fill(sizes, n, taken):
    made = groups(*sizes)
    found = sampled(made, n, 0)
    assert [len(cases) for _, cases in found] == taken
    for group, cases in found:
        assert group in made and all(case in group for case in cases)
        assert len({case.id for case in cases}) == len(cases)


# -- asking --------------------------------------------------------------------------------------


def test_the_unedited_model_is_asked_what_is_off_scope(case):
    model = tiny_chat_model()
    assert list(ask_unedited(model, case, SHORT)) == [LOCALITY]
    [untouched] = ask_unedited(model, case, SHORT).values()
    prompt = case.queries[LOCALITY].prompt
    assert untouched.text == model.invoke(prompt, max_tokens=4).text
    _, logits = model.token_ids_and_scores([HumanMessage(prompt)], max_tokens=1)
    assert torch.equal(untouched.first, torch.log_softmax(logits[0].double(), -1))
    assert ask_unedited(model, case, suite(generate=False)) == {}
    assert ask_unedited(Told(), case, SHORT)[LOCALITY].first is None


def test_off_scope_the_memory_leaves_the_base_model_as_it_is(case):
    model = tiny_chat_model()
    method = make_method("memory", model)
    unedited = ask_unedited(model, case, SHORT)
    method.apply(case.edits)
    edit, rephrase, off = all_of(method, case, unedited)
    assert (off.route, off.edits, off.text, off.kl) == ("base", (), off.base_text, 0.0)
    for on in (edit, rephrase):
        assert (on.route, on.edits) == ("counterfactual", ("zsre-1",))
        assert on.base_text is None and on.kl is None and on.failed is None
    assert all(answer.seconds > 0 for answer in (edit, rephrase, off))
    method.close()


def test_off_scope_an_edit_in_the_prompt_moves_the_distribution(case):
    model = tiny_chat_model()
    method = make_method("in-context", model)
    unedited = ask_unedited(model, case, SHORT)
    method.apply(case.edits)
    off = all_of(method, case, unedited)[LOCALITY]
    [plan] = method.plan([case.queries[LOCALITY].prompt])
    before = unedited[LOCALITY].first
    after = model.token_ids_and_scores(plan.messages, max_tokens=1)[1][0].double().log_softmax(-1)
    by_hand = sum(float(p.exp() * (p - q)) for p, q in zip(before, after, strict=True))
    assert off.kl == pytest.approx(by_hand) and by_hand > 0.01
    assert off.route is None


def test_only_the_places_asked_for(case):
    method = Everything(Told())
    found = ask_alone(method, case, SHORT, places=[2, 0], unedited={})
    assert [(answer.query, answer.base_text) for answer in found] == [(2, None), (0, None)]


def test_what_raises_is_recorded_with_what_is_known(case):
    model = Told(trouble={"cows": torch.OutOfMemoryError("none left")})
    unedited = {LOCALITY: Untouched("8", None)}
    edit, _, off = all_of(Everything(model), case, unedited)
    assert off == Alone(
        case.id, LOCALITY, 0.0, None, None, (), "8", failed="OutOfMemoryError: none left"
    )
    assert edit.failed is None and edit.text == "Gradlon"
    assert ask_unedited(model, case, SHORT) == {}


def test_a_case_whose_edits_are_refused_is_not_asked(case):
    model = Told()
    found = all_of(Everything(model), case, {}, refusal="its edit was refused: E: x")
    assert [answer.failed for answer in found] == ["its edit was refused: E: x"] * 3
    assert model.asked == []


def test_stopping_is_no_failure(case):
    with pytest.raises(KeyboardInterrupt):
        all_of(Everything(Told(at_most=1)), case, {})


def test_an_answer_comes_back_as_it_went():
    for answer in (
        Alone("c", 1, 0.5, "t", "base", ("a", "b"), "t", 0.25),
        Alone("c", 1, 0.0, None, None, (), failed="E: x"),
    ):
        assert Alone.from_dict(answer.to_dict()) == answer
    assert Alone.from_dict({**Alone("c", 0, 0.0, None, None, ()).to_dict()}).failed is None


# -- figures -------------------------------------------------------------------------------------


def outcome(case_id: str, *outputs: Output, **fields) -> Outcome:
    return Outcome(case_id, outputs, **fields)


def said(text: str, route: str | None = "base", **fields) -> Output:
    return Output("p", "locality", text, route=route, fires=False, seconds=0.5, **fields)


def test_the_figures_by_hand():
    fired = {"edits": ["x"], "edit_ids": ["e"]}
    outcomes = [
        outcome("a", said("one"), said("two"), said("six", "counterfactual", trace=fired)),
        outcome("b", said("three", contested=True), said("four")),
    ]
    answers = [
        Alone("a", 0, 2.0, "one", "base", (), "one", 0.0),
        Alone("a", 1, 4.0, "TWO", "base", (), "two", 0.25),
        Alone("a", 2, 6.0, "six", "counterfactual", ("e",), "seven", 0.75),  # a false fire
        Alone("b", 0, 8.0, "3", "base", (), "three", 1.0),  # contested: not off scope
        Alone("b", 1, 10.0, "four", "counterfactual", ("e",), "four", 0.5),  # a lucky one
    ]
    figures = alone_figures(answers, outcomes)
    shown = {name: (figure.value, figure.n) for name, figure in figures.items()}
    assert shown == {
        "byte_identical": (pytest.approx((1 / 3 + 1) / 2), 4),  # the mean of two cases
        "byte_identical.unfired": (0.5, 2),
        "kl": (pytest.approx((1.0 / 3 + 0.5) / 2), 4),
        "seconds_per_query.alone": (6.0, 5),
        "batch.texts_differ": (pytest.approx(2 / 5), 5),  # "TWO", "3"
        "batch.routes_differ": (pytest.approx(1 / 5), 5),
        "batch.speedup": (12.0, 5),
    }


def test_a_method_that_does_not_route_answers_for_every_query_off_scope():
    answers = [Alone("a", 0, 1.0, "no", None, (), "yes", 0.5)]
    figures = alone_figures(answers, [outcome("a", said("no", None))])
    assert figures["byte_identical"].value == 0.0 and figures["kl"].value == 0.5


def test_what_failed_is_not_identical_and_tells_no_time():
    answers = [
        Alone("a", 0, 1.0, "yes", "base", (), "yes", 0.0),
        Alone("a", 1, 0.0, None, None, (), "yes", failed="E: x"),
        Alone("b", 0, 9.0, "yes", "base", (), "yes", 0.0),
    ]
    outcomes = [outcome("a", said("yes"), said("yes")), outcome("b", said(""), failed="E: x")]
    figures = alone_figures(answers, outcomes)
    assert (figures["byte_identical"].value, figures["byte_identical"].n) == (0.75, 3)
    assert (figures["byte_identical.unfired"].value, figures["kl"].n) == (1.0, 2)
    assert (figures["seconds_per_query.alone"].value, figures["batch.texts_differ"].n) == (1.0, 1)
    assert figures["batch.speedup"].value == 2.0


def test_nothing_asked_gives_no_figure():
    assert alone_figures([], [outcome("a", said("x"))]) == {}
    assert alone_figures([Alone("gone", 0, 1.0, "x", None, ())], []) == {}
