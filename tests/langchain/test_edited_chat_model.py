"""The LangChain face, over chat models whose calls can be looked at."""

from __future__ import annotations

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.rate_limiters import InMemoryRateLimiter

from memedit.edit import Edit
from memedit.errors import ModelError
from memedit.langchain import EditedChatModel
from tests.langchain.conftest import RoutedByName

MESSI = Edit(id="messi", subject="Messi", prompt="{} plays the sport of", target_new="basketball")
IN, OUT = "Which sport does Messi play?", "What is two and two?"
IN_SCOPE = {"route": "counterfactual", "edits": ["messi"], "probability": 0.99}
OUT_OF_SCOPE = {"route": "base", "edits": [], "probability": None}


class Recorder(BaseChatModel):
    """Answers with its name, in one piece, and keeps what it was called with."""

    name_: str
    calls: list

    @property
    def _llm_type(self):
        return "recorder"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self.calls.append((messages, stop, run_manager, kwargs))
        message = AIMessage(
            self.name_, response_metadata={"model_name": self.name_}, additional_kwargs={"a": 1}
        )
        generation = ChatGeneration(message=message, generation_info={"finish_reason": "stop"})
        return ChatResult(generations=[generation], llm_output={"system_fingerprint": "f"})


class Listener(BaseCallbackHandler):
    def __init__(self):
        self.events = []

    def on_chat_model_start(self, *args, **kwargs):
        self.events.append("start")

    def on_llm_new_token(self, token, **kwargs):
        self.events.append(token)

    def on_llm_end(self, *args, **kwargs):
        self.events.append("end")


@pytest.fixture
def pair():
    base, counterfactual = Recorder(name_="base", calls=[]), Recorder(name_="new", calls=[])
    routed = RoutedByName(base, MESSI, counterfactual)
    return EditedChatModel(edited=routed), base, counterfactual


def streaming(text):
    return GenericFakeChatModel(messages=iter([AIMessage(text)] * 4))


async def answers(model, query, **kwargs):
    """The answer by every way of asking."""
    chunks = list(model.stream(query, **kwargs))
    achunks = [chunk async for chunk in model.astream(query, **kwargs)]
    return [
        model.invoke(query, **kwargs),
        await model.ainvoke(query, **kwargs),
        model.batch([query], **kwargs)[0],
        sum(chunks[1:], chunks[0]),
        sum(achunks[1:], achunks[0]),
    ]


@pytest.mark.parametrize(("query", "told"), [(IN, IN_SCOPE), (OUT, OUT_OF_SCOPE)])
async def test_every_way_of_asking_is_routed(pair, query, told):
    model, base, counterfactual = pair
    for answer in await answers(model, query):
        assert answer.text == ("new" if query == IN else "base")
        assert answer.response_metadata["memedit"] == told
    assert len(base.calls) == (0 if query == IN else 5)
    assert len(counterfactual.calls) == (5 if query == IN else 0)


def test_out_of_scope_only_the_decision_is_added(pair):
    model, base, _ = pair
    expected, answer = base.invoke(OUT), model.invoke(OUT)
    metadata = dict(answer.response_metadata)
    assert metadata.pop("memedit") == OUT_OF_SCOPE
    assert metadata == expected.response_metadata
    same = {"id", "response_metadata"}  # the id is that of the run
    assert answer.model_dump(exclude=same) == expected.model_dump(exclude=same)
    assert base.calls[0][0] == base.calls[1][0] == [HumanMessage(OUT)]


async def test_arguments_reach_the_model_that_answers(pair):
    model, base, _ = pair
    await answers(model.bind(temperature=0.5, as_of="2024-05-01"), OUT, stop=["x"], max_tokens=3)
    assert [call[1] for call in base.calls] == [["x"]] * 5
    assert [call[3] for call in base.calls] == [{"temperature": 0.5, "max_tokens": 3}] * 5
    assert model.edited.as_of == "2024-05-01"


def test_own_settings_give_way_to_the_calls(pair):
    model, base, _ = pair
    own = EditedChatModel(edited=model.edited, max_tokens=9, temperature=0.2, stop=["own"])
    own.invoke(OUT)
    own.invoke(OUT, max_tokens=3, stop=["call"])
    model.invoke(OUT)
    assert [call[3] for call in base.calls] == [
        {"max_tokens": 9, "temperature": 0.2},
        {"max_tokens": 3, "temperature": 0.2},
        {},
    ]
    assert [call[1] for call in base.calls] == [["own"], ["call"], None]


async def test_callbacks_fire_once():
    for text in (IN, OUT):
        model = EditedChatModel(edited=RoutedByName(streaming("one two"), MESSI))
        sync, async_, whole = Listener(), Listener(), Listener()
        list(model.stream(text, config={"callbacks": [sync]}))
        [chunk async for chunk in model.astream(text, config={"callbacks": [async_]})]
        model.invoke(text, config={"callbacks": [whole]})
        assert sync.events == async_.events == ["start", "one", " ", "two", "end"]
        assert whole.events == ["start", "end"]


async def test_a_stream_passes_the_pieces_on_with_the_decision_first():
    model = EditedChatModel(edited=RoutedByName(streaming("one two"), MESSI))
    expected = list(streaming("one two").stream(IN))
    for chunks in (list(model.stream(IN)), [chunk async for chunk in model.astream(IN)]):
        assert [c.content for c in chunks] == [c.content for c in expected]
        assert chunks[0].response_metadata == {"memedit": IN_SCOPE}
        assert all("memedit" not in c.response_metadata for c in chunks[1:])


async def test_a_model_told_not_to_stream_answers_in_one_piece():
    quiet = streaming("one two").model_copy(update={"disable_streaming": True})
    model = EditedChatModel(edited=RoutedByName(quiet, MESSI))
    assert [c.content for c in model.stream(OUT) if c.content] == ["one two"]
    assert [c.content async for c in model.astream(OUT) if c.content] == ["one two"]


def test_langchains_cache_does_not_outlive_an_edit(pair):
    from langchain_core.caches import InMemoryCache

    model, _, _ = pair
    set_llm_cache(InMemoryCache())
    try:
        assert model.invoke(IN).text == "new"
        model.edited.edit = MESSI.changed(subject="Ronaldo")
        assert model.invoke(IN).text == "base"
    finally:
        set_llm_cache(None)


async def test_the_answering_models_rate_limit_holds(pair):
    model, base, _ = pair
    asked = []

    class Limiter(InMemoryRateLimiter):
        def acquire(self, *, blocking=True):
            asked.append(blocking)
            return True

        async def aacquire(self, *, blocking=True):
            asked.append(blocking)
            return True

    base.rate_limiter = Limiter()
    await answers(model, OUT)
    assert asked == [True] * 5


def test_tracing_and_token_counts_are_the_bases(pair, smollm2):
    model = EditedChatModel(edited=RoutedByName(smollm2, MESSI))
    assert model._get_ls_params()["ls_model_name"] == "smollm2"
    assert model.get_num_tokens("The capital of France") == smollm2.get_num_tokens(
        "The capital of France"
    )


@pytest.mark.real_model
def test_out_of_scope_the_real_base_is_unchanged(smollm2):
    model = EditedChatModel(edited=RoutedByName(smollm2, MESSI))
    expected, answer = smollm2.invoke(OUT), model.invoke(OUT)
    assert answer.content == expected.content
    assert answer.usage_metadata == expected.usage_metadata
    assert "basketball" in model.invoke(IN).text
    assert "".join(c.text for c in model.stream(OUT)) == expected.content


class ToolCaller(Recorder):
    """A base model that takes tools, in a form of its own."""

    def bind_tools(self, tools, *, tool_choice=None, **kwargs):
        return self.bind(tools=[f"its form of {tool}" for tool in tools], choice=tool_choice)


def test_tools_reach_the_answering_model_in_its_bases_form():
    base = ToolCaller(name_="base", calls=[])
    model = EditedChatModel(edited=RoutedByName(base, MESSI))
    model.bind_tools(["search"], tool_choice="any").invoke(OUT)
    (_, _, _, kwargs) = base.calls[0]
    assert kwargs == {"tools": ["its form of search"], "choice": "any"}


def test_a_base_without_tools_says_so(pair):
    with pytest.raises(ModelError, match="cannot call any"):
        pair[0].bind_tools(["search"])
