"""The edited model: memory, scope and roles wired together; the only place that decides a route.

question → scope decision → in scope: the counterfactual role answers from the edit
                          → out of scope: the base model gets exactly the caller's messages;
                            edits that are baked live in its weights, and nowhere else
                          → composed of several: the chain of hops answers
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from memedit.baking.weights import BakedWeights, untouched
from memedit.calibration import Calibrator
from memedit.composer import Composer, Conversing
from memedit.edit import Edit
from memedit.errors import QueryError, UnknownNamespaceError
from memedit.langchain import EditedChatModel
from memedit.memory import EditMemory
from memedit.memory.base import Day, as_day
from memedit.memory.records import EditRecord, Status
from memedit.models.load import as_chat_model
from memedit.models.local import LocalChatModel
from memedit.models.prompts import render
from memedit.models.roles import Role, counterfactual_role
from memedit.models.settled import SettledChatModel
from memedit.multihop.decision import ChainDecision
from memedit.multihop.hops import Chain
from memedit.multihop.walk.planner import Planner
from memedit.scope.classifier import DEFAULT_THRESHOLD, ScopeClassifier
from memedit.scope.conformal import FORMS
from memedit.scope.decision import Decision, Route
from memedit.scope.matcher import Matcher
from memedit.scope.probability import Asked
from memedit.settings import home

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from memedit.bake import Method
    from memedit.baking.report import BakeReport, UnbakeReport

__all__ = ["Answer", "Decision", "EditedModel"]

Query = str | Sequence[BaseMessage]
MultiHop = Literal["walk", "mello"]
HOP_TOKENS = 24  # of the base model's answer to a sub-question


@dataclass(frozen=True)
class Answer:
    """What was answered, and all that is known about how it came about.

    Attributes:
        text: The answer.
        decision: The scope decision it was given under.
        message: The answering model's message, unchanged.
        model: ``base`` or ``counterfactual``, the role that answered, or ``multihop`` where the
            chain did.
        timings: Seconds by step: ``route`` and ``generate``.
    """

    text: str
    decision: Decision
    message: AIMessage
    model: str
    timings: dict[str, float] = field(compare=False)

    @property
    def route(self) -> Route:
        """Where the question went."""
        return self.decision.route

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits the answer follows; empty where the base model answered."""
        return self.decision.edits

    @property
    def chain(self) -> Chain | None:
        """The hops of a question that was taken apart; None of any other."""
        return self.decision.chain if isinstance(self.decision, ChainDecision) else None

    @property
    def probability(self) -> float:
        """The probability of the surest edit, 0…1."""
        return self.decision.probability

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the question went where it did."""
        return self.decision.reasons

    def to_dict(self) -> dict[str, Any]:
        """The answer, JSON-ready."""
        return {
            "text": self.text,
            "model": self.model,
            "timings": self.timings,
            **self.decision.to_dict(),
        }


class EditedModel:
    """A language model that answers from the memory's edits where one applies.

    Several threads may use one edited model; each question is decided on the memory's revision
    at that moment, whichever process made it.

    Args:
        base: Any LangChain chat model, a ``(transformers model, tokenizer)`` pair, or a name
            for :func:`memedit.load_model`. Out of scope it gets exactly the caller's messages.
            Where edits of the memory are baked, their deltas are put on its weights and follow
            the store; it answers as the baked base then, here and wherever else it is used.
        memory: The edits.
        counterfactual: Answers in scope; the base model itself where None.
        role: How it is prompted, and with which adapter. Where None, the embedded model answers
            with the adapter that comes with memedit, every other model by a prompt alone.
        threshold: Least probability that counts as in scope, 0…1; calibrated where None.
        false_fire_rate: The share of near misses that may fire: the threshold is calibrated to it
            on probes made from the memory. What :func:`memedit.calibration.calibrate_namespace`
            settled, or 1 %, where None.
        matcher: Folder of a scope matcher that ``memedit train scope`` wrote; the shipped one where
            None.
        multihop: How questions that are put together of several are taken apart: ``walk`` over the
            edits, the base model asked for single hops that no edit covers, which suits models of
            any size; or ``mello``, by the base model itself in prompts, which takes one that is
            capable, and several calls a question. True is ``walk``; False takes every question to
            ask for one fact. Where None it is ``walk`` if a decomposer is given or the shipped one
            fits the memory's encoder, and False if not.
        decomposer: Folder of a decomposer that ``memedit train decomposer`` wrote; the shipped one
            where None.

    Raises:
        BakeError: Edits of the memory are baked into other weights than those of ``base``.
    """

    def __init__(
        self,
        base: BaseChatModel | tuple[PreTrainedModel, PreTrainedTokenizerBase] | str,
        memory: EditMemory,
        *,
        counterfactual: BaseChatModel | None = None,
        role: Role | None = None,
        threshold: float | None = None,
        false_fire_rate: float | None = None,
        matcher: str | Path | None = None,
        multihop: MultiHop | bool | None = None,
        decomposer: str | Path | None = None,
    ) -> None:
        self.base = as_chat_model(base)
        self.memory = memory
        answering = counterfactual or self.base
        with untouched(answering):  # whether an adapter fits is told by the base's own weights
            self.role = role or counterfactual_role(answering)
        self.counterfactual = self.role.model(answering)
        if isinstance(self.counterfactual, LocalChatModel):
            # What memory answers is answered as if nothing were baked: no bake can spoil it.
            self.counterfactual = self.counterfactual.unbaked()
        self._weights = BakedWeights(self.base, memory)
        self._weights.follow()
        self._fixed_threshold = _checked_threshold(threshold, false_fire_rate)
        self._calibrator = Calibrator(memory, false_fire_rate) if threshold is None else None
        self._matcher = None if matcher is None else Path(matcher)
        self._multihop = _checked_strategy(multihop)
        self._decomposer = None if decomposer is None else Path(decomposer)
        self._scope: ScopeClassifier | None = None
        self._composer: Composer | None = None
        self._revision = 0
        self._lock = threading.RLock()

    @property
    def thresholds(self) -> Mapping[Asked, float]:
        """Least probability that counts as in scope, by form, as of the last question."""
        if self._scope is None:
            return dict.fromkeys(FORMS, self._fixed_threshold)
        return self._scope.thresholds

    # -- routing ---------------------------------------------------------------------------------

    def route(self, query: Query, *, as_of: Day | None = None) -> Decision:
        """Which edit, if any, the query falls under, and why.

        Args:
            query: A question or prompt, or a conversation whose last message asks.
            as_of: Ask for the facts of this day instead of today's.

        Raises:
            QueryError: The query is empty or far too long, or the day is not a date.
        """
        started = time.perf_counter()
        text, context = _text_and_context(query)
        day = None if as_of is None else as_day(as_of)
        with self._lock:
            scope, composer = self._current()
            decision = scope.decide(text, on=day, context=context, nearest=self.memory.nearest)
            if composer:
                [decision] = composer.settle([decision], day)
            revision = self._revision
        return replace(decision, revision=revision, seconds=time.perf_counter() - started)

    def route_many(self, queries: Sequence[Query], *, as_of: Day | None = None) -> list[Decision]:
        """The decisions of :meth:`route` for several queries, which are encoded together.

        Args:
            queries: Questions, prompts or conversations.
            as_of: Ask for the facts of this day instead of today's.

        Raises:
            QueryError: As for :meth:`route`.
        """
        if not queries:
            return []
        started = time.perf_counter()
        read = [_text_and_context(query) for query in queries]
        day = None if as_of is None else as_day(as_of)
        with self._lock:
            scope, composer = self._current()
            decisions = scope.decide_many(
                [text for text, _ in read],
                on=day,
                contexts=[context for _, context in read],
                nearest=self.memory.nearest,
            )
            if composer:
                decisions = composer.settle(decisions, day)
            revision = self._revision
        seconds = (time.perf_counter() - started) / len(queries)
        return [replace(decision, revision=revision, seconds=seconds) for decision in decisions]

    def routes_if(self, queries: Sequence[Query], statuses: Mapping[str, Status]) -> list[Decision]:
        """The decisions of :meth:`route_many`, if edits had other statuses than they have.

        Args:
            queries: Questions, prompts or conversations.
            statuses: By edit id. Nothing is written to the memory.

        Raises:
            QueryError: As for :meth:`route`.
            UnknownEditError: There is no such edit.
        """
        with self._lock:
            scope, _ = self._current()
            known, revision = [self.memory.record(i) for i in statuses], self._revision
            try:
                self._take(scope, [replace(r, status=statuses[r.id]) for r in known])
                return self.route_many(queries)
            finally:
                if self._revision == revision:
                    self._take(scope, known)
                else:  # what was taken in meanwhile may have been about these
                    self._scope = None

    def prepare(
        self, messages: Sequence[BaseMessage], *, as_of: Day | None = None
    ) -> tuple[Decision, BaseChatModel, list[BaseMessage]]:
        """The decision, the model that is to answer, and the exact messages it is to get."""
        return self._prepared(messages, self.route(messages, as_of=as_of))

    def prepare_many(
        self, queries: Sequence[Query], *, as_of: Day | None = None
    ) -> list[tuple[Decision, BaseChatModel, list[BaseMessage]]]:
        """What :meth:`prepare` gives, for several queries routed together."""
        decisions = self.route_many(queries, as_of=as_of)
        return [
            self._prepared(_messages(query), decision)
            for query, decision in zip(queries, decisions, strict=True)
        ]

    def _prepared(
        self, messages: Sequence[BaseMessage], decision: Decision
    ) -> tuple[Decision, BaseChatModel, list[BaseMessage]]:
        if isinstance(decision, ChainDecision) and decision.route == "multihop":
            return decision, SettledChatModel(answer=decision.chain.text), list(messages)
        if not decision.edits:
            return decision, self.base, list(messages)
        prompt = self.role.messages(messages, decision.edits, decision.question)
        return decision, self.counterfactual, prompt

    # -- answering -------------------------------------------------------------------------------

    def ask(
        self,
        query: Query,
        *,
        as_of: Day | None = None,
        stop: list[str] | None = None,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Answer:
        """The answer to one query.

        Args:
            query: A question or prompt, or a conversation whose last message asks.
            as_of: Ask for the facts of this day instead of today's.
            stop: Strings at which the answer ends.
            config: LangChain's callbacks, tags and metadata for the call.
            **kwargs: Passed to the answering model, such as ``max_tokens``.

        Raises:
            QueryError: The query is empty or far too long, or the day is not a date.
        """
        decision, model, prompt = self.prepare(_messages(query), as_of=as_of)
        return self._answer(decision, model, prompt, stop=stop, config=config, **kwargs)

    def ask_base(self, query: Query, **kwargs: Any) -> Answer:
        """The base model's own answer, edits or none; arguments as for :meth:`ask`."""
        as_of = kwargs.pop("as_of", None)
        day = None if as_of is None else as_day(as_of)
        reason = "The base model was asked for."
        decision = Decision("base", (), 0.0, max(self.thresholds.values()), (reason,), as_of=day)
        return self._answer(decision, self.base, _messages(query), **kwargs)

    def ask_many(
        self,
        queries: Iterable[Query],
        *,
        as_of: Day | None = None,
        exact: bool = True,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> list[Answer]:
        """The answers to several queries, in order, routed and answered several at a time.

        Args:
            queries: Questions, prompts or conversations.
            as_of: Ask for the facts of this day instead of today's.
            exact: Whether a local model gives again, alone, every answer in which two tokens came
                so near to each other that the rounding of a batch may have turned them, so that
                each answer is the one its query gets alone. Below float32 that is every answer.
            stop: Strings at which an answer ends.
            **kwargs: Passed to the answering model, such as ``max_tokens``.
        """
        prepared = self.prepare_many(list(queries), as_of=as_of)
        answers: dict[int, Answer] = {}
        for model in dict.fromkeys(id(answering) for _, answering, _ in prepared):
            rows = [i for i, (_, answering, _) in enumerate(prepared) if id(answering) == model]
            answers |= self._answer_together(rows, prepared, stop, kwargs, exact=exact)
        return [answers[i] for i in range(len(prepared))]

    def stream(
        self,
        query: Query,
        *,
        as_of: Day | None = None,
        stop: list[str] | None = None,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """The answer in pieces as they come; arguments as for :meth:`ask`.

        The decision stands in the first piece's ``response_metadata["memedit"]``.
        """
        chat = self.as_chat_model()
        if as_of is not None:
            kwargs["as_of"] = as_of
        for chunk in chat.stream(_messages(query), config, stop=stop, **kwargs):
            assert isinstance(chunk, AIMessageChunk)
            yield chunk

    # -- into the weights --------------------------------------------------------------------------

    def bake(self, *select: str, method: str | Method = "memit", **how: Any) -> BakeReport:
        """Writes active edits into the base model's weights; those that verify leave the lookup.

        Args:
            *select: Edits as ``memedit bake --select`` names them: an id, ``"tag:NAME"``,
                ``"source:NAME"``, ``"subject:NAME"``, ``"relation:NAME"`` or ``"all"``.
            method: What writes them, or its name.
            **how: ``settings``, ``moments``, ``limits``, ``seed``, ``dry_run`` and ``watch`` of
                :func:`memedit.baking.make.bake`, whose errors are those of this. Questions from
                other threads wait meanwhile.

        Returns:
            What became of every edit, and what else changed.
        """
        from memedit.bake import Moments, get_method
        from memedit.baking.make import bake
        from memedit.baking.select import select as selected

        writer = get_method(method) if isinstance(method, str) else method
        edits = selected(self.memory, select)
        given = {"moments": Moments(home() / "moments"), **how}
        with self._lock:  # which is taken before the model's lock, here as everywhere
            return bake(self.memory, self.base, edits, writer, routes=self.routes_if, **given)

    def unbake(self, *bakes: str) -> UnbakeReport:
        """Takes bakes out of the weights: memory answers their edits again.

        Args:
            *bakes: Their ids.

        Raises:
            UnknownBakeError: There is no such bake.
        """
        from memedit.baking.undo import unbake

        report = unbake(self.memory, bakes, lambda: self.base)
        self._weights.follow()
        return report

    def as_chat_model(self) -> EditedChatModel:
        """This model as a LangChain chat model: invoke, stream, batch, async, callbacks."""
        return EditedChatModel(edited=self)

    # -- internal --------------------------------------------------------------------------------

    def _answer(
        self,
        decision: Decision,
        model: BaseChatModel,
        prompt: list[BaseMessage],
        *,
        stop: list[str] | None = None,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Answer:
        started = time.perf_counter()
        message = model.invoke(prompt, config, stop=stop, **kwargs)
        return _answered(decision, message, time.perf_counter() - started)

    def _answer_together(
        self,
        rows: list[int],
        prepared: Sequence[tuple[Decision, BaseChatModel, list[BaseMessage]]],
        stop: list[str] | None,
        kwargs: dict[str, Any],
        *,
        exact: bool,
    ) -> dict[int, Answer]:
        """Answers to the queries in ``rows``, all of one model, by row; seconds are the mean."""
        model, prompts = prepared[rows[0]][1], [prepared[i][2] for i in rows]
        started = time.perf_counter()
        if isinstance(model, LocalChatModel):
            messages = model.generate_many(prompts, stop=stop, exact=exact, **kwargs)
        else:
            messages = model.batch(list[LanguageModelInput](prompts), stop=stop, **kwargs)
        seconds = (time.perf_counter() - started) / len(rows)
        return {
            i: _answered(prepared[i][0], message, seconds)
            for i, message in zip(rows, messages, strict=True)
        }

    def _current(self) -> tuple[ScopeClassifier, Composer | None]:
        """The classifier and what takes questions apart, brought up to the memory's revision."""
        self._weights.check()
        revision = self.memory.revision
        scope = self._scope
        if scope is None or revision < self._revision:  # an older store was put in place
            scope = self._scope = self._new_scope()
            self._composer = self._new_composer(scope)
            self._revision = 0
            if self._calibrator:
                self._calibrator.reset()
        if revision != self._revision:
            self._weights.follow()
            self._update(scope)
        return scope, self._composer

    def _ask_hops(self, questions: Sequence[str]) -> list[str | None]:
        """The base model's answers to sub-questions that no edit covers."""
        prompts: list[list[BaseMessage]] = [
            [HumanMessage(render("hop", question=question))] for question in questions
        ]
        if isinstance(self.base, LocalChatModel):
            messages = self.base.generate_many(prompts, max_tokens=HOP_TOKENS, temperature=0.0)
        else:
            messages = self.base.batch(list[LanguageModelInput](prompts), max_tokens=HOP_TOKENS)
        return [str(message.text).strip() or None for message in messages]

    def _new_scope(self) -> ScopeClassifier:
        encoder = self.memory.encoder
        matcher = None if self._matcher is None else Matcher.load(self._matcher, encoder)
        return ScopeClassifier(encoder, matcher=matcher, threshold=self._fixed_threshold)

    def _new_composer(self, scope: ScopeClassifier) -> Composer | None:
        strategy = self._multihop
        if strategy is None:
            strategy = self._decomposer is not None or Planner.ships_for(self.memory.encoder)
        if not strategy:
            return None

        def decide(questions: Sequence[str], day: dt.date | None) -> list[Decision]:
            return scope.decide_many(list(questions), on=day, nearest=self.memory.nearest)

        return Composer(
            scope.names,
            scope.encoder,
            self.memory.phrase_vectors,
            self._ask_hops,
            decomposer=self._decomposer,
            mello=Conversing(self.base, decide) if strategy == "mello" else None,
        )

    def _update(self, scope: ScopeClassifier) -> None:
        try:
            changes = self.memory.changes(self._revision)
        except UnknownNamespaceError:
            return  # nothing has been added to this namespace yet
        self._take(scope, changes.records)
        self._revision = changes.revision

    def _take(self, scope: ScopeClassifier, records: Sequence[EditRecord]) -> None:
        """Takes in edits that came, changed or went."""
        live = []
        for record in records:
            if record.status == "active" and record.edit is not None:
                live.append((record.edit, record.rank))
            else:
                scope.drop(record.id)
                if self._composer:
                    self._composer.drop(record.id)
        scope.put(live, self.memory.phrase_vectors)
        if self._composer:
            self._composer.put(live)
        if self._calibrator:
            self._calibrator.update(records)
            settled = self.memory.calibration()
            scope.thresholds = self._calibrator.calibrated(scope, settled=settled).thresholds


def _checked_strategy(multihop: MultiHop | bool | None) -> MultiHop | bool | None:
    if isinstance(multihop, str) and multihop not in get_args(MultiHop):
        raise QueryError(
            f"multihop: there is no strategy {multihop!r}.",
            hint=f"Give {' or '.join(get_args(MultiHop))}, or False to take nothing apart.",
        )
    return multihop


def _answered(decision: Decision, message: BaseMessage, seconds: float) -> Answer:
    assert isinstance(message, AIMessage)
    return Answer(
        text=str(message.text),
        decision=decision,
        message=message,
        model=decision.route,
        timings={"route": decision.seconds, "generate": seconds},
    )


def _messages(query: Query) -> list[BaseMessage]:
    return [HumanMessage(query)] if isinstance(query, str) else list(query)


def _text_and_context(query: Query) -> tuple[str, list[str]]:
    """What is asked, and the turns before it, oldest first."""
    messages = _messages(query)
    if not messages:
        raise QueryError("query: there is no message.", hint="Give at least one.")
    turns = [str(message.text) for message in messages[:-1] if message.type in ("human", "ai")]
    return str(messages[-1].text), turns


def _checked_threshold(threshold: float | None, false_fire_rate: float | None) -> float:
    if threshold is None:
        return DEFAULT_THRESHOLD
    if false_fire_rate is not None:
        raise QueryError(
            f"threshold and false_fire_rate: both are given ({threshold} and {false_fire_rate}).",
            hint="Give the threshold, or the rate it is to be calibrated to.",
        )
    if not 0.0 <= threshold <= 1.0:
        raise QueryError(
            f"threshold: {threshold} is not a probability.", hint="Give a number from 0 to 1."
        )
    return threshold
