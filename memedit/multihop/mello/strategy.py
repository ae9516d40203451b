"""The ``mello`` strategy: a capable model takes the question apart, step by step, in prompts.

After MeLLo (Zhong et al. 2023, arXiv 2305.14795, section 4): sub-question, tentative answer,
look-up, contradiction check, intermediate answer, final answer. Different from the published loop:
a chain is bounded by its hops and by a budget and not by four generations; what is looked up has to
be in scope of the sub-question, and is "none" otherwise; an answer under an edit is the edit's own
object, copied by code; a sub-question that comes twice, or a model that writes nonsense, ends the
chain without an answer; many questions advance together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from langchain_core.language_models import BaseChatModel

from memedit.errors import ModelError
from memedit.models.local import LocalChatModel
from memedit.models.servers import without_own_retries
from memedit.multihop.hops import Chain, Strategy
from memedit.multihop.mello.budget import Budget, Ledger, Spent
from memedit.multihop.mello.calls import Call, Caller, LocalCaller
from memedit.multihop.mello.dialogue import Dialogue, Retrieved, beginning
from memedit.multihop.mello.remote import Patience, RemoteCaller

Retrieve = Callable[[Sequence[str]], Sequence[Retrieved | None]]
Notes = Callable[[Sequence[str]], Sequence[Sequence[str]]]


@dataclass(frozen=True)
class Limits:
    """What bounds one chain.

    Args:
        hops: The most sub-questions.
        reminders: How often a reply that cannot be read is asked for again.
        reply_tokens: The most tokens of one reply; a model that thinks aloud needs more.

    Raises:
        ModelError: A number is out of its range.
    """

    hops: int = 8
    reminders: int = 2
    reply_tokens: int = 160

    def __post_init__(self) -> None:
        for name, least in (("hops", 1), ("reminders", 0), ("reply_tokens", 1)):
            if getattr(self, name) < least:
                raise ModelError(
                    f"{name}: {getattr(self, name)} is too few.", hint=f"Give {least} or more."
                )


@dataclass(frozen=True)
class Run:
    """What a batch of questions gave.

    Attributes:
        chains: One for each question, in order.
        spent: What each question has cost.
    """

    chains: tuple[Chain, ...]
    spent: tuple[Spent, ...] = field(compare=False)

    @property
    def total(self) -> Spent:
        """What all of them have cost."""
        return sum(self.spent, Spent())


class Mello(Strategy):
    """Answers compositional questions with the protocol; a multi-hop strategy.

    Args:
        model: Any chat model. A local one is called in batches, its worked examples read once;
            every other one concurrently.
        retrieve: Looks sub-questions up: for each the fact in its scope, or None where nothing is.
            It alone decides about relevance, and every edit in a chain comes from it.
        notes: For each question, sub-questions that live edits answer and that may be on its way,
            so that the model takes the question apart where the edits are; none where None.
        limits: What bounds one chain.
        budget: What a call of :meth:`run` may cost.
        patience: How a server is treated.
    """

    def __init__(
        self,
        model: BaseChatModel,
        retrieve: Retrieve,
        *,
        notes: Notes | None = None,
        limits: Limits | None = None,
        budget: Budget | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.model = model
        self.retrieve = retrieve
        self.notes = notes
        self.limits = limits or Limits()
        self.budget = budget or Budget()
        self.patience = patience or Patience()

    def answer_many(self, questions: Sequence[str]) -> list[Chain]:
        """One chain for each question, in order."""
        return list(self.run(questions).chains)

    def run(self, questions: Sequence[str]) -> Run:
        """The chains, and what they have cost.

        Args:
            questions: Compositional questions; one that is empty is declined.

        Raises:
            ModelError: A local model cannot take the protocol's messages at all. A model that
                fails on the way ends the chain with the reason.
        """
        dialogues = self._dialogues(questions)
        ledger = Ledger(self.budget, len(questions))
        if any(dialogue.chain is None for dialogue in dialogues):
            self._converse(dialogues, self._caller(ledger))
        chains = tuple(dialogue.chain for dialogue in dialogues if dialogue.chain is not None)
        assert len(chains) == len(dialogues)
        return Run(chains, tuple(ledger.spent))

    def _dialogues(self, questions: Sequence[str]) -> list[Dialogue]:
        notes = self.notes(questions) if self.notes else [()] * len(questions)
        return [
            Dialogue(
                question,
                notes=noted,
                max_hops=self.limits.hops,
                max_reminders=self.limits.reminders,
            )
            for question, noted in zip(questions, notes, strict=True)
        ]

    def _caller(self, ledger: Ledger) -> Caller:
        if isinstance(self.model, LocalChatModel):
            return LocalCaller(self.model, ledger, beginning(), self.limits.reply_tokens)
        model = without_own_retries(self.model)
        return RemoteCaller(model, ledger, beginning(), self.limits.reply_tokens, self.patience)

    def _converse(self, dialogues: Sequence[Dialogue], caller: Caller) -> None:
        """Carries all conversations to their end; those that wait for nothing go on together."""
        ready = list(range(len(dialogues)))
        while True:
            caller.submit(
                [
                    Call(i, dialogues[i].messages, len(dialogues[i].hops))
                    for i in ready
                    if dialogues[i].chain is None
                ]
            )
            done = caller.collect()
            if not done:
                return
            for one in done:
                if one.text is None:
                    dialogues[one.question].fail(one.failure)
                else:
                    dialogues[one.question].read(one.text)
            self._look_up([dialogues[one.question] for one in done])
            ready = [one.question for one in done]

    def _look_up(self, dialogues: Sequence[Dialogue]) -> None:
        asking = [(d, d.sub_question) for d in dialogues if d.sub_question is not None]
        if not asking:
            return
        found = self.retrieve([sub_question for _, sub_question in asking])
        for (dialogue, _), one in zip(asking, found, strict=True):
            dialogue.tell(one)
