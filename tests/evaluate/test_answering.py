from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from memedit.evaluate.answering import Answerer, Text, can_score
from memedit.evaluate.cases import Case, Query
from memedit.evaluate.methods import Plan
from memedit.evaluate.outcome import Likelihood, Outcome, Output
from memedit.text import spaced
from tests.evaluate.running import Told, plan_of, suite
from tests.models.test_adapters import lora
from tests.models.tiny import tiny_chat_model

PROMPTS = ["Who?", "Which king ruled Ys?", "x", "Why is that so, and not otherwise?", "日本"]


@pytest.fixture
def generated(monkeypatch):
    """Every prompt that the tiny model has generated an answer to, with its limit."""
    from memedit.models.engine import LocalEngine

    calls, whole = [], LocalEngine.generate

    def counted(self, prompts, how, **options):
        calls.extend((self.tokens.decode(list(ids)), how.max_tokens) for ids in prompts)
        return whole(self, prompts, how, **options)

    monkeypatch.setattr(LocalEngine, "generate", counted)
    return calls


def alone(model, prompt: str, limit: int) -> str:
    [message] = model.generate_many([[HumanMessage(prompt)]], max_tokens=limit)
    return message.text


def test_each_plan_gets_what_it_gets_alone():
    model = tiny_chat_model()
    plans = [plan_of(model, prompt) for prompt in PROMPTS]
    texts = Answerer().texts(plans, [9] * len(plans))
    assert [text.text for text in texts] == [alone(model, prompt, 9) for prompt in PROMPTS]
    usage = [model.invoke(p, max_tokens=9).usage_metadata for p in PROMPTS]
    assert [t.prompt_tokens for t in texts] == [u["input_tokens"] for u in usage]
    assert [t.answer_tokens for t in texts] == [u["output_tokens"] for u in usage]
    assert all(text.seconds > 0 for text in texts)


def test_the_same_question_is_answered_once(generated):
    model, answerer = tiny_chat_model(), Answerer()
    plans = [plan_of(model, prompt) for prompt in ("Who?", "x", "Who?")]
    first = answerer.texts(plans, [4] * 3)
    assert len(generated) == 2 and first[0] == first[2]
    assert answerer.texts(plans, [4] * 3) == first
    assert len(generated) == 2
    answerer.forget()
    assert [text.text for text in answerer.texts(plans, [4] * 3)] == [text.text for text in first]
    assert len(generated) == 4


def test_limits_are_not_mixed_up():
    model, answerer = tiny_chat_model(), Answerer()
    limits = [2, 7, 2, 5]
    plans = [plan_of(model, prompt) for prompt in ("Who?", "Who?", "x", "x")]
    texts = answerer.texts(plans, limits)
    wanted = [alone(model, p, n) for p, n in zip(("Who?", "Who?", "x", "x"), limits, strict=True)]
    assert [text.text for text in texts] == wanted
    assert [text.answer_tokens for text in texts] == limits


def test_messages_are_told_apart_by_who_said_them(generated):
    model = tiny_chat_model()
    conversations = [
        [HumanMessage("a"), AIMessage("b"), HumanMessage("c")],
        [SystemMessage("a"), HumanMessage("b"), HumanMessage("c")],
    ]
    texts = Answerer().texts([Plan(messages, model) for messages in conversations], [3, 3])
    assert len(generated) == 2
    wanted = [m.text for m in model.generate_many(conversations, max_tokens=3)]
    assert [text.text for text in texts] == wanted


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_adapters_stop_strings_and_models_are_not_mixed_up(tmp_path):
    plain = tiny_chat_model()
    text = alone(plain, "Who?", 8)
    models = [
        plain,
        plain.load_adapter(lora(tmp_path / "a"), "a"),
        plain.model_copy(update={"stop": [text[2:4]]}),
        tiny_chat_model(seed=1),
    ]
    answerer = Answerer()
    plans = [plan_of(model, "Who?") for model in models]
    wanted = [alone(model, "Who?", 8) for model in models]
    assert len(set(wanted)) == 4
    for _ in range(2):
        assert [text.text for text in answerer.texts(plans, [8] * 4)] == wanted
    scores = answerer.scores(plans[:2], ["Who?"] * 2, ["Mark"] * 2)
    for model, scored in zip(models[:2], scores, strict=True):
        [score] = model.score(["Who?"], [" Mark"])
        assert scored.likelihood.log_prob == pytest.approx(score.log_prob, abs=1e-4)
    assert scores[0].likelihood != scores[1].likelihood


def test_a_model_that_is_gone_lends_its_answers_to_no_other():
    answerer = Answerer()
    for n in range(20):
        model = Told(trouble={f"never {n}": None})
        answerer.texts([plan_of(model, "Who?")], [3])
        assert model.asked == ["Who?"], "a new model has been given an old one's answer"
        del model


def test_any_chat_model_is_asked_in_order():
    model = Told()
    texts = Answerer().texts([plan_of(model, p) for p in ("b and\n c", "Who?")], [1, 1])
    assert [text.text for text in texts] == ["b and\n c", "Gradlon"]
    assert not can_score(model) and can_score(tiny_chat_model())


def test_scores_follow_the_plans_context_and_are_computed_once(monkeypatch):
    model, answerer = tiny_chat_model(), Answerer()
    plans = [plan_of(model, "?", context=context) for context in ("", "Mark rules.\n", "")]
    first = answerer.scores(plans, ["Ys obeys"] * 3, ["Mark", "Mark", "Yuri"])
    got = [scored.likelihood for scored in first]
    texts = ["Ys obeys", "Mark rules.\nYs obeys", "Ys obeys"]
    for score, text, end in zip(got, texts, [" Mark", " Mark", " Yuri"], strict=True):
        [wanted] = model.score([text], [end])
        assert score.log_prob == pytest.approx(wanted.log_prob, abs=1e-4)
        assert (score.tokens, score.hits) == (wanted.tokens, wanted.hits)
    monkeypatch.setattr("memedit.models.engine.LocalEngine.score", None)
    assert answerer.scores(plans, ["Ys obeys"] * 3, ["Mark", "Mark", "Yuri"]) == first
    assert answerer.scores([], [], []) == []


@pytest.mark.parametrize(
    ("prompt", "end", "wanted"),
    [
        ("Ys obeys", "Mark", " Mark"),
        ("Ys obeys ", "Mark", "Mark"),
        ("Ys:\n", "Mark", "Mark"),
        ("首都は", "東京", "東京"),
    ],
)
def test_a_space_parts_words_where_words_are_parted(prompt, end, wanted):
    assert spaced(prompt, end) == wanted


def remembered(**fields) -> tuple[Case, Outcome]:
    query = Query("Who?", "edit", ("Mark",), new="Mark", true="Yuri")
    output = Output(
        "Who?", "edit", new=Likelihood(-2.0, 4, 1), true=Likelihood(-3.0, 4, 0), seconds=6.0,
        prompt_tokens=5, answer_tokens=2, **fields,
    )  # fmt: skip
    return Case("c", (), (query,)), Outcome("c", (output,))


def test_what_the_base_model_said_is_not_asked_again(generated, monkeypatch):
    monkeypatch.setattr("memedit.models.engine.LocalEngine.score", None)
    model, answerer = tiny_chat_model(), Answerer()
    answerer.remember(model, suite(max_tokens=9), *remembered(text="Mark did."))
    plan = plan_of(model, "Who?")
    [text] = answerer.texts([plan], [9])
    assert text == Text("Mark did.", 2.0, 5, 2)
    scores = answerer.scores([plan, plan], ["Who?"] * 2, ["Mark", "Yuri"])
    assert [scored.likelihood.log_prob for scored in scores] == [-2.0, -3.0]
    assert text.seconds + sum(scored.seconds for scored in scores) == 6.0
    assert generated == []
    assert answerer.texts([plan], [8])[0].text == alone(model, "Who?", 8)  # another limit


def test_what_was_only_scored_is_remembered_too(monkeypatch):
    monkeypatch.setattr("memedit.models.engine.LocalEngine.score", None)
    model, answerer = tiny_chat_model(), Answerer()
    answerer.remember(model, suite(generate=False), *remembered(text=None))
    plan = plan_of(model, "Who?")
    assert [s.seconds for s in answerer.scores([plan] * 2, ["Who?"] * 2, ["Mark", "Yuri"])] == [
        3,
        3,
    ]
