"""What the runner relies on, for every method there is and for one that changes the weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memedit.bake import method_names
from memedit.edit import Edit
from memedit.errors import EvaluationError, MemEditError
from memedit.evaluate.methods import METHODS, make_method
from memedit.evaluate.methods.in_context import InContext
from memedit.evaluate.methods.memory_pipeline import MemoryPipeline
from memedit.scope.encoder import load_encoder
from tests.evaluate.running import Bias, Numb, writing
from tests.models.tiny import tiny_chat_model

YS = Edit(id="ys", subject="Ys", question="Which king ruled Ys?", target_new="Dahut")
VINETA = Edit(
    id="vineta", subject="Vineta", question="Which king ruled Vineta?", target_new="Osric"
)
ASKED = "Which king ruled Ys?"
QUERIES = (ASKED, "By which king was Vineta ruled?", "how many legs have 2 cows")
TOKENS = 6


@pytest.fixture(params=[*METHODS, "bias"])
def method(request, tmp_path):
    model = tiny_chat_model()
    if request.param == "bias":
        made = Bias(model)
    elif request.param in method_names():
        # Weights learn to go on from the bare prompt.
        made = writing(tiny_chat_model(completion=True), request.param, tmp_path)
    else:
        made = make_method(request.param, model)
    yield made
    made.close()


def answers(method) -> list[str]:
    return [
        plan.model.generate_many([plan.messages], max_tokens=TOKENS)[0].text
        for plan in method.plan(QUERIES)
    ]


def shown(plan) -> dict:
    """A plan without what it cost, likelihoods rounded as a batch may turn the last bits."""
    probability = None if plan.probability is None else round(plan.probability, 4)
    return {
        "messages": plan.messages,
        "model": id(plan.model),
        "context": plan.context,
        "route": plan.route,
        "edits": plan.edits,
        "probability": probability,
    }


def test_asking_alone_is_answering_the_plan(method):
    method.apply([YS, VINETA])
    for query, plan in zip(QUERIES, method.plan(QUERIES), strict=True):
        text, alone = method.ask(query, TOKENS)
        assert shown(alone) == shown(plan)
        [answer] = plan.model.generate_many([plan.messages], max_tokens=TOKENS)
        assert text == answer.text


def test_edits_live_from_apply_to_revert(method):
    state, before, plans = method.state(), answers(method), [*map(shown, method.plan(QUERIES))]
    for edits in ([YS], [YS, VINETA]):
        method.apply(edits)
        if method.name != "base":
            assert method.state() != state
            assert answers(method)[0] != before[0]
        method.revert()
        assert method.state() == state
        assert answers(method) == before
        assert [*map(shown, method.plan(QUERIES))] == plans


def test_edits_are_added_to_those_that_live(method):
    method.apply([YS])
    one, state = answers(method), method.state()
    method.apply([VINETA])
    if method.name in ("in-context", "memory"):
        plans = method.plan(QUERIES)
        assert [plan.edits[0].id for plan in plans[:2]] == ["ys", "vineta"]
    if method.name != "base":
        assert method.state() != state
    method.revert()
    method.apply([YS])
    assert (answers(method), method.state()) == (one, state)


def test_what_is_coming_changes_nothing(method):
    state, before = method.state(), answers(method)
    for edits in ([], [YS], [YS, VINETA], [YS, YS]):
        method.prepare()
        method.ahead(edits)
        assert (method.state(), answers(method)) == (state, before)
    method.ahead([YS, VINETA])
    method.apply([VINETA])
    said = answers(method)
    method.revert()
    assert (method.state(), answers(method)) == (state, before)
    method.ahead([])
    method.apply([VINETA])
    assert answers(method) == said


def test_an_edit_that_is_not_refused_can_be_applied(method):
    assert method.refusals([]) == method.refusals([YS, VINETA]) == {}
    method.apply([YS, VINETA])


def test_nothing_asked_gives_no_plan(method):
    assert method.plan([]) == []
    method.apply([YS])
    assert method.plan([]) == []


def test_a_model_without_edits_is_asked_exactly_the_query(method):
    for query, plan in zip(QUERIES, method.plan(QUERIES), strict=True):
        assert [(m.type, m.content) for m in plan.messages] == [("human", query)]
        assert (plan.context, plan.edits) == ("", ())
        assert plan.model is method.model


def test_settings_fit_into_a_key(method):
    assert json.loads(json.dumps(method.settings)) == method.settings


# -- each method's own ---------------------------------------------------------------------------


def test_in_context_takes_the_nearest_edits_whatever_is_asked():
    method = InContext(tiny_chat_model(), load_encoder(), facts=2)
    moon = Edit(id="moon", subject="The moon", prompt="{} is made of", target_new="cheese")
    method.apply([moon, VINETA, YS])
    one, two, far = method.plan(QUERIES)
    assert [edit.id for edit in one.edits] == ["ys", "vineta"]
    assert [edit.id for edit in two.edits] == ["vineta", "ys"]
    assert len(far.edits) == 2
    assert one.trace["cosines"] == sorted(one.trace["cosines"], reverse=True)
    [message] = one.messages
    for edit in one.edits:
        assert edit.stated in message.content and edit.stated in one.context
    assert message.content.index(YS.stated) < message.content.index(VINETA.stated)
    assert one.route is None and one.probability is None


def test_in_context_takes_all_edits_where_there_are_few():
    method = InContext(tiny_chat_model(), Numb(), facts=5)
    method.apply([YS])
    method.apply([VINETA])
    [plan] = method.plan([ASKED])
    assert plan.edits == (YS, VINETA)


@pytest.fixture
def memory():
    method = MemoryPipeline(tiny_chat_model())
    yield method
    method.close()


def test_the_memory_routes(memory):
    memory.apply([YS, VINETA])
    plans = memory.plan(QUERIES)
    assert [plan.route for plan in plans] == ["counterfactual", "counterfactual", "base"]
    assert [[edit.id for edit in plan.edits] for plan in plans] == [["ys"], ["vineta"], []]
    assert plans[0].probability > 0.5 > plans[2].probability
    assert plans[0].trace["reasons"] and plans[0].trace["candidates"][0]["edit"] == YS.stated
    assert plans[2].messages[0].content == QUERIES[2] and plans[2].context == ""
    assert YS.stated in plans[0].messages[-1].content and YS.stated in plans[0].context


def test_the_memory_takes_all_of_a_call_or_nothing(memory):
    memory.apply([YS])
    state = memory.state()
    with pytest.raises(MemEditError):
        memory.apply([VINETA, Edit(id="ys", subject="A", prompt="{} is", target_new="b")])
    assert memory.state() == state == "ys"


def test_the_memory_leaves_no_store_behind(memory):
    first = Path(memory.memory.path).parent
    assert first.is_dir()
    memory.revert()
    second = Path(memory.memory.path).parent
    assert not first.exists() and second.is_dir()
    memory.close()
    assert not second.exists()


def test_the_threshold_is_part_of_the_settings(memory):
    strict = MemoryPipeline(tiny_chat_model(), threshold=1.0)
    strict.apply([YS])
    assert [plan.route for plan in strict.plan(QUERIES)] == ["base"] * 3
    assert strict.settings["threshold"] == 1.0 != memory.settings["threshold"]
    strict.close()


def test_an_unknown_method_is_named_with_its_neighbour():
    with pytest.raises(EvaluationError, match="'memry'") as error:
        make_method("memry", tiny_chat_model())
    assert "'memory'" in error.value.hint
