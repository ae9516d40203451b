"""An edited model as a LangChain chat model.

Each call is routed first and then handed, as it is, to the model that answers: same messages,
stop strings, arguments and callbacks. What that model returns is passed on with the routing
decision added under ``response_metadata["memedit"]``; nothing else is touched.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import run_in_executor
from pydantic import Field, SkipValidation

from memedit.edit import Edit
from memedit.errors import ModelError

METADATA_KEY = "memedit"

MessageT = TypeVar("MessageT", bound=BaseMessage)


class Decided(Protocol):
    """What is told of a routing decision."""

    @property
    def route(self) -> str:
        """Who answers: ``"base"`` or ``"counterfactual"``."""

    @property
    def edits(self) -> Sequence[Edit]:
        """The edits in scope."""

    @property
    def probability(self) -> float | None:
        """That the edits are in scope, where one came near."""


class Edited(Protocol):
    """What an edited model has to offer to be given LangChain's face."""

    @property
    def base(self) -> BaseChatModel:
        """The model that answers out of scope."""

    def prepare(
        self, messages: list[BaseMessage], *, as_of: dt.date | str | None = None
    ) -> tuple[Decided, BaseChatModel, list[BaseMessage]]:
        """The decision, the model that answers, and the exact messages it is given."""


class EditedChatModel(BaseChatModel):
    """A chat model that answers from an edit where one applies, and as its base elsewhere.

    Besides what the base takes, a call may give ``as_of``, the day the edits' validity is
    judged on (``model.invoke(messages, as_of="2024-05-01")``, or ``model.bind(as_of=...)``).

    Args:
        edited: The edited model.
        max_tokens: Passed on to the answering model, where set.
        temperature: Passed on to the answering model, where set.
        stop: Passed on to the answering model, where set and the call gives none.
    """

    edited: SkipValidation[Any] = Field(exclude=True, repr=False)
    max_tokens: int | None = None
    temperature: float | None = None
    stop: list[str] | None = None
    # LangChain's global cache would go on answering from before an edit; so it is not used.
    cache: bool | None = False

    @property
    def _llm_type(self) -> str:
        return "memedit"

    @property
    def _base(self) -> BaseChatModel:
        edited: Edited = self.edited
        return edited.base

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self._base._get_ls_params(stop=stop or self.stop, **self._settings(kwargs))

    def get_token_ids(self, text: str) -> list[int]:
        """The base model's token ids of ``text``."""
        return self._base.get_token_ids(text)

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model offering ``tools``, in the form its base model wants them.

        Raises:
            ModelError: The base model cannot call tools.
        """
        try:
            bound = self._base.bind_tools(tools, tool_choice=tool_choice, **kwargs)
        except NotImplementedError as error:
            raise ModelError(
                f"tools: the base model ({self._base._llm_type}) cannot call any.",
                hint="Wrap a model that does, such as one behind an OpenAI-compatible server.",
            ) from error
        return self.bind(**getattr(bound, "kwargs", {}))

    # -- synchronous -----------------------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        decision, model, prepared = self._prepare(messages, kwargs.pop("as_of", None))
        if model.rate_limiter:
            model.rate_limiter.acquire(blocking=True)
        result = model._generate(prepared, stop or self.stop, run_manager, **self._settings(kwargs))
        return _marked_result(result, decision)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        decision, model, prepared = self._prepare(messages, kwargs.pop("as_of", None))
        if model.rate_limiter:
            model.rate_limiter.acquire(blocking=True)
        arguments = (prepared, stop or self.stop, run_manager)
        if not _streams(model, "_stream"):
            yield _as_chunk(model._generate(*arguments, **self._settings(kwargs)), decision)
            return
        first = True
        for chunk in model._stream(*arguments, **self._settings(kwargs)):
            yield _marked(chunk, decision) if first else chunk
            first = False

    # -- asynchronous ----------------------------------------------------------------------------

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        decision, model, prepared = await run_in_executor(
            None, self._prepare, messages, kwargs.pop("as_of", None)
        )
        if model.rate_limiter:
            await model.rate_limiter.aacquire(blocking=True)
        result = await model._agenerate(
            prepared, stop or self.stop, run_manager, **self._settings(kwargs)
        )
        return _marked_result(result, decision)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        decision, model, prepared = await run_in_executor(
            None, self._prepare, messages, kwargs.pop("as_of", None)
        )
        if model.rate_limiter:
            await model.rate_limiter.aacquire(blocking=True)
        arguments = (prepared, stop or self.stop, run_manager)
        if not _streams(model, "_stream", "_astream"):
            result = await model._agenerate(*arguments, **self._settings(kwargs))
            yield _as_chunk(result, decision)
            return
        first = True
        async for chunk in model._astream(*arguments, **self._settings(kwargs)):
            yield _marked(chunk, decision) if first else chunk
            first = False

    # -- internal --------------------------------------------------------------------------------

    def _prepare(
        self, messages: list[BaseMessage], as_of: dt.date | str | None
    ) -> tuple[Decided, BaseChatModel, list[BaseMessage]]:
        edited: Edited = self.edited
        return edited.prepare(messages, as_of=as_of)

    def _settings(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The call's arguments, and this model's own where the call does not give them."""
        own = {"max_tokens": self.max_tokens, "temperature": self.temperature}
        return {**{k: v for k, v in own.items() if v is not None}, **kwargs}


def _streams(model: BaseChatModel, *methods: str) -> bool:
    """Whether ``model`` has a stream of its own, and has not been told to do without."""
    own = any(getattr(type(model), m) is not getattr(BaseChatModel, m) for m in methods)
    return own and model.disable_streaming is not True


def _told(decision: Decided) -> dict[str, Any]:
    return {
        "route": decision.route,
        "edits": [edit.id for edit in decision.edits],
        "probability": decision.probability,
    }


def _marked_message(message: MessageT, decision: Decided) -> MessageT:
    metadata = {**message.response_metadata, METADATA_KEY: _told(decision)}
    return message.model_copy(update={"response_metadata": metadata})


def _marked_result(result: ChatResult, decision: Decided) -> ChatResult:
    generations = [
        g.model_copy(update={"message": _marked_message(g.message, decision)})
        for g in result.generations
    ]
    return result.model_copy(update={"generations": generations})


def _marked(chunk: ChatGenerationChunk, decision: Decided) -> ChatGenerationChunk:
    return chunk.model_copy(update={"message": _marked_message(chunk.message, decision)})


def _as_chunk(result: ChatResult, decision: Decided) -> ChatGenerationChunk:
    """The whole answer of a model that does not stream, as the stream's only chunk."""
    generation: ChatGeneration = result.generations[0]
    fields = generation.message.model_dump(exclude={"type"})
    message = AIMessageChunk(**{**fields, "chunk_position": "last"})
    chunk = ChatGenerationChunk(message=message, generation_info=generation.generation_info)
    return _marked(chunk, decision)
