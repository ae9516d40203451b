"""A local transformers model as a LangChain chat model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, SkipValidation

from memedit.errors import ModelError
from memedit.models.messages import chat_dicts

if TYPE_CHECKING:
    import torch

    from memedit.models.decoding import Decoding, Generated
    from memedit.models.engine import LocalEngine
    from memedit.models.scoring import Score
    from memedit.models.together import Prefix

DEFAULT_MAX_TOKENS = 256
# LangChain's own switches, which reach a model among the arguments of a call.
_IGNORED = frozenset({"stream"})


class LocalChatModel(BaseChatModel):
    """A LangChain chat model over a transformers causal LM and its tokenizer.

    Besides LangChain's interface it offers what that cannot express: batches in one forward pass
    (:meth:`generate_many`), raw completion (:meth:`complete`), scores (:meth:`score`,
    :meth:`token_ids_and_scores`) and adapters on the same weights (:meth:`with_adapter`).
    Each of ``max_tokens``, ``temperature``, ``seed`` and ``stop`` can also be given in a call.
    Calls from several threads are answered one after the other.

    Args:
        engine: The loaded model; several chat models may share one.
        model_name: What it is called in ``response_metadata``.
        adapter: The adapter it answers with; None for the plain weights.
        max_tokens: The most tokens to generate.
        temperature: 0 for greedy decoding.
        seed: Makes sampling repeatable.
        stop: Strings at which an answer ends.
        completion: Whether it goes on from the messages as plain text, without chat turns.
    """

    engine: SkipValidation[Any] = Field(exclude=True, repr=False)
    model_name: str
    adapter: str | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS
    temperature: float = 0.0
    seed: int | None = None
    stop: list[str] | None = None
    completion: bool = False

    @property
    def _llm_type(self) -> str:
        return "memedit-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("model_name", "adapter", "max_tokens", "temperature", "seed", "stop",
                 "completion")  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = "memedit"
        return params

    @property
    def _engine(self) -> LocalEngine:
        engine: LocalEngine = self.engine
        return engine

    # -- LangChain -------------------------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        [message] = self.generate_many([messages], stop=stop, **kwargs)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        how = self._decoding(stop, kwargs)
        prompt = self.prompt_ids(messages)
        for piece in self._engine.stream(prompt, how, adapter=self.adapter):
            if isinstance(piece, str):
                message = AIMessageChunk(content=piece)
            else:
                message = AIMessageChunk(
                    content="",
                    usage_metadata=_usage(prompt, piece),
                    response_metadata=self._metadata(piece),
                    chunk_position="last",
                )
            chunk = ChatGenerationChunk(message=message)
            if run_manager:
                run_manager.on_llm_new_token(str(message.content), chunk=chunk)
            yield chunk

    def get_token_ids(self, text: str) -> list[int]:
        """The model's own token ids of ``text``; LangChain counts tokens with it."""
        return self._engine.tokens.encode_text(text)

    # -- beyond LangChain ------------------------------------------------------------------------

    def generate_many(
        self,
        conversations: Sequence[list[BaseMessage]],
        *,
        stop: list[str] | None = None,
        exact: bool = False,
        prefix: Prefix | None = None,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """One answer for each conversation, several in one forward pass.

        Rows share a batch with rows of alike length, and what all conversations begin with is read
        once. An answer may differ from the one the conversation gets alone where two tokens are as
        likely as each other up to rounding, since a batch adds the same numbers in another order.

        Args:
            conversations: The messages of each conversation.
            stop: Strings at which an answer ends.
            exact: Whether an answer that came near such a tie is given again, alone.
            prefix: What :meth:`read_prefix` gave for messages that conversations begin with.
            **kwargs: ``max_tokens``, ``temperature``, ``seed``.

        Raises:
            ModelError: A message or an argument cannot be used.
        """
        how = self._decoding(stop, kwargs)
        prompts = [self.prompt_ids(messages) for messages in conversations]
        answers = self._engine.generate(
            prompts, how, adapter=self.adapter, exact=exact, prefix=prefix
        )
        return [
            AIMessage(
                content=answer.text,
                usage_metadata=_usage(prompt, answer),
                response_metadata=self._metadata(answer),
            )
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def complete(self, prompt: str, *, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The text the model writes on from ``prompt``, without chat turns.

        Args:
            prompt: Any text but the empty one.
            stop: Strings at which the text ends.
            **kwargs: ``max_tokens``, ``temperature``, ``seed``.

        Raises:
            ModelError: The prompt is empty or too long, or an argument cannot be used.
        """
        going_on = self.model_copy(update={"completion": True})
        [message] = going_on.generate_many([[HumanMessage(prompt)]], stop=stop, **kwargs)
        return str(message.text)

    def score(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[Score]:
        """See :meth:`memedit.models.engine.LocalEngine.score`."""
        return self._engine.score(prompts, continuations, adapter=self.adapter)

    def token_ids_and_scores(
        self, messages: list[BaseMessage], *, stop: list[str] | None = None, **kwargs: Any
    ) -> tuple[list[int], torch.Tensor]:
        """The answer's token ids and the raw logits they were chosen by.

        Returns:
            The ids, an end token included, and float32 logits ``[len(ids), vocabulary]``.
        """
        how = self._decoding(stop, kwargs)
        [answer] = self._engine.generate(
            [self.prompt_ids(messages)], how, adapter=self.adapter, keep_logits=True
        )
        assert answer.logits is not None
        return list(answer.ids), answer.logits

    def prompt_ids(self, messages: Sequence[BaseMessage]) -> list[int]:
        """The token ids the model reads for ``messages``, up to where its answer begins."""
        if not self.completion:
            return self._engine.tokens.encode_chat(chat_dicts(messages))
        ids = self._engine.tokens.encode_text("\n\n".join(str(m.text) for m in messages))
        if not ids:
            raise ModelError("prompt: it is empty.", hint="Give some text to go on from.")
        return ids

    def read_prefix(self, messages: Sequence[BaseMessage]) -> Prefix | None:
        """What many conversations begin with, read once for all calls of :meth:`generate_many`.

        Calls with it keep what they have read of a conversation for its next turn. It belongs to
        the weights and the adapter of this moment: make it for a batch of calls, and do not keep
        it.

        Args:
            messages: The messages they begin with, an AI message last.

        Returns:
            None where the model's cache cannot be shared; generating then goes the usual way.
        """
        from memedit.models.tokens import common_prefix

        # What does not depend on the turn that follows.
        turns = [self.prompt_ids([*messages, HumanMessage(text)]) for text in ("A", "B")]
        return self._engine.read_prefix(common_prefix(turns), adapter=self.adapter)

    @property
    def context_length(self) -> int | None:
        """How many tokens, prompt and answer together, the model can hold; None for no limit."""
        length: int | None = getattr(self._engine.model.config, "max_position_embeddings", None)
        return length

    # -- adapters --------------------------------------------------------------------------------

    def load_adapter(self, path: str | Path, name: str) -> LocalChatModel:
        """Loads a LoRA adapter onto the shared weights and gives the model that answers with it.

        This model, and every other one on the same weights, goes on answering as before, bit for
        bit.

        Args:
            path: A folder in PEFT's format.
            name: What the adapter is called (letters, digits, ``_`` and ``-``).

        Raises:
            ModelError: The adapter was made for another base, or cannot be read.
        """
        self._engine.add_adapter(Path(path), name)
        return self.with_adapter(name)

    def with_adapter(self, name: str | None) -> LocalChatModel:
        """The same weights answering with a loaded adapter, or with none.

        Each call switches adapters under the lock that guards the weights, so models with
        different adapters can be used at the same time.

        Raises:
            ModelError: No adapter of this name is loaded.
        """
        self._engine.check_adapter(name)
        return self.model_copy(update={"adapter": name})

    def unbaked(self) -> LocalChatModel:
        """The same model answering with its own weights, whatever has been baked into it."""
        return self.model_copy(update={"engine": self._engine.unbaked()})

    # -- internal --------------------------------------------------------------------------------

    def _decoding(self, stop: list[str] | None, kwargs: dict[str, Any]) -> Decoding:
        from memedit.models.decoding import Decoding

        values = {name: getattr(self, name) for name in ("max_tokens", "temperature", "seed")}
        unknown = sorted(kwargs.keys() - values.keys() - _IGNORED)
        if unknown:
            raise ModelError(
                f"{unknown[0]}: local models take no such argument.",
                hint="They take max_tokens, temperature, seed and stop.",
            )
        values |= {k: v for k, v in kwargs.items() if k in values and v is not None}
        stops = (
            *(self.stop or ()),
            *(stop or ()),
            *(self._engine.tokens.default_stop if not self.completion else ()),
        )
        return Decoding(stop=stops, **values)

    def _metadata(self, answer: Generated) -> dict[str, Any]:
        return {"model_name": self.model_name, "finish_reason": answer.finish_reason}


def _usage(prompt: Sequence[int], answer: Generated) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=len(prompt),
        output_tokens=len(answer.ids),
        total_tokens=len(prompt) + len(answer.ids),
    )
