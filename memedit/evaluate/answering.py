"""Plans to answers: texts and scores of many plans at once, nothing computed twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import BaseMessage, HumanMessage

from memedit.evaluate.cases import Case
from memedit.evaluate.methods.contract import Plan
from memedit.evaluate.outcome import Likelihood, Outcome
from memedit.evaluate.suite import Suite
from memedit.models.local import LocalChatModel
from memedit.text import spaced

_Identity = tuple[int, str | None, bool, tuple[str, ...]]
_TextKey = tuple[_Identity, int, tuple[tuple[str, str], ...]]
_ScoreKey = tuple[_Identity, str, str]


@dataclass(frozen=True)
class Text:
    """A generated answer, and what it cost."""

    text: str
    seconds: float
    prompt_tokens: int
    answer_tokens: int


@dataclass(frozen=True)
class Scored:
    """A continuation's likelihood and the seconds it cost."""

    likelihood: Likelihood
    seconds: float


class Answerer:
    """Answers plans, and remembers what it has answered.

    The same messages to the same weights give the same greedy text, so what the base model said
    is not generated again for a method that hands it the same messages. A remembered answer costs
    what it cost when it was made. :meth:`forget` it all where weights change.
    """

    def __init__(self) -> None:
        self._texts: dict[_TextKey, Text] = {}
        self._scores: dict[_ScoreKey, Scored] = {}
        # What the identities in the keys stand for: an object that is gone could lend its
        # identity to another one.
        self._models: dict[_Identity, BaseChatModel] = {}

    def forget(self) -> None:
        """Drops every remembered answer."""
        self._texts.clear()
        self._scores.clear()
        self._models.clear()

    def remember(self, model: BaseChatModel, suite: Suite, case: Case, outcome: Outcome) -> None:
        """Takes over the unedited model's answers to a case's queries, and their scores.

        An outcome says what a query cost in all, so each part is taken to cost the same: a method
        that needs every part again is charged the right sum.
        """
        self._models[who := _identity(model)] = model
        for query, output in zip(suite.queries(case), outcome.outputs, strict=True):
            ends = ((query.new, output.new), (query.true, output.true))
            scores = {end: likelihood for end, likelihood in ends if end and likelihood}
            seconds = output.seconds / max(1, len(scores) + (output.text is not None))
            for end, likelihood in scores.items():
                self._scores[who, query.prompt, end] = Scored(likelihood, seconds)
            if output.text is not None:
                key = _text_key(Plan([HumanMessage(query.prompt)], model), suite.tokens(query))
                cost = seconds, output.prompt_tokens, output.answer_tokens
                self._texts[key] = Text(output.text, *cost)

    def texts(self, plans: Sequence[Plan], max_tokens: Sequence[int]) -> list[Text]:
        """The greedy answer to each plan, as it would be alone.

        Args:
            plans: What to answer.
            max_tokens: The most tokens of each answer.
        """
        keys = [_text_key(p, n) for p, n in zip(plans, max_tokens, strict=True)]
        self._models |= {_identity(plan.model): plan.model for plan in plans}
        new = {key: plan for key, plan in zip(keys, plans, strict=True) if key not in self._texts}
        for who, limit in dict.fromkeys(key[:2] for key in new):
            chosen = {key: plan for key, plan in new.items() if key[:2] == (who, limit)}
            [model, *_] = (plan.model for plan in chosen.values())
            texts = _generated(model, [plan.messages for plan in chosen.values()], limit)
            self._texts |= dict(zip(chosen, texts, strict=True))
        return [self._texts[key] for key in keys]

    def scores(
        self, plans: Sequence[Plan], prompts: Sequence[str], ends: Sequence[str]
    ) -> list[Scored]:
        """How likely each continuation is after its plan's context and its prompt.

        Plain text without chat turns, as CounterFact and zsRE are scored. All models must be
        local.

        Args:
            plans: Whose model and context to take.
            prompts: The queries.
            ends: The continuations, without their leading space.
        """
        self._models |= {_identity(plan.model): plan.model for plan in plans}
        keys = [
            (_identity(plan.model), plan.context + prompt, end)
            for plan, prompt, end in zip(plans, prompts, ends, strict=True)
        ]
        new = [key for key in dict.fromkeys(keys) if key not in self._scores]
        for who in dict.fromkeys(key[0] for key in new):
            chosen = [key for key in new if key[0] == who]
            self._scores |= dict(zip(chosen, _scored(self._models[who], chosen), strict=True))
        return [self._scores[key] for key in keys]


def can_score(model: BaseChatModel) -> bool:
    """Whether the model gives likelihoods."""
    return isinstance(model, LocalChatModel)


def _identity(model: BaseChatModel) -> _Identity:
    """Equal for models that answer alike."""
    if isinstance(model, LocalChatModel):
        return id(model.engine), model.adapter, model.completion, tuple(model.stop or ())
    return id(model), None, False, ()


def _text_key(plan: Plan, max_tokens: int) -> _TextKey:
    return _identity(plan.model), max_tokens, tuple((m.type, str(m.text)) for m in plan.messages)


def _generated(
    model: BaseChatModel, conversations: list[list[BaseMessage]], max_tokens: int
) -> list[Text]:
    started = time.perf_counter()
    if isinstance(model, LocalChatModel):
        float32 = model.engine.model.dtype == torch.float32
        messages: Sequence[BaseMessage] = model.generate_many(
            conversations, exact=float32, max_tokens=max_tokens, temperature=0.0
        )
    else:
        messages = model.batch(list[LanguageModelInput](conversations), max_tokens=max_tokens)
    seconds = (time.perf_counter() - started) / len(conversations)
    return [_text(message, seconds) for message in messages]


def _text(message: BaseMessage, seconds: float) -> Text:
    usage = getattr(message, "usage_metadata", None) or {}
    return Text(
        text=str(message.text),
        seconds=seconds,
        prompt_tokens=usage.get("input_tokens", 0),
        answer_tokens=usage.get("output_tokens", 0),
    )


def _scored(model: BaseChatModel, keys: Sequence[_ScoreKey]) -> list[Scored]:
    assert isinstance(model, LocalChatModel)
    started = time.perf_counter()
    prompts = [prompt for _, prompt, _ in keys]
    scores = model.score(prompts, [spaced(prompt, end) for _, prompt, end in keys])
    seconds = (time.perf_counter() - started) / len(keys)
    return [Scored(Likelihood(*score), seconds) for score in scores]
