"""One question on its way through the protocol: what is asked next, what the reply means.

The protocol is a conversation. The rules and the examples are turns of it, each reply of the model
is an assistant's turn, and what was looked up comes as a user's. A model can therefore not write
the looked-up fact itself, no stop string is needed (some servers take none), and everything but the
last two turns is the same as in the call before, which caches use. Replies are kept in the
protocol's own form and not as they came, so that a slip in form is not an example for the next one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from memedit.edit import Edit
from memedit.models.prompts import render
from memedit.multihop.hops import Chain, Hop, Source
from memedit.multihop.mello.reply import Reply, is_unknown, read_reply, states
from memedit.text import name_key

_SHOWN = 80  # characters of a text in a reason
_SPEAKER = re.compile(r"^\[(user|assistant)\]$", re.M)


@dataclass(frozen=True)
class Retrieved:
    """What was looked up for a sub-question.

    Attributes:
        fact: A sentence for the model to read.
        answer: The sub-question's answer by that fact.
        score: How sure it is that the fact answers the sub-question, 0…1.
        edit: The edit that says so; None for a plain fact beside the edits.
    """

    fact: str
    answer: str
    score: float
    edit: Edit | None = None

    @classmethod
    def of_edit(cls, edit: Edit, score: float) -> Retrieved:
        """An edit in scope of a sub-question, with the probability that it is."""
        return cls(fact=edit.stated, answer=edit.target_new, score=score, edit=edit)


@dataclass(frozen=True)
class _Step:
    """A sub-question that has been looked up and not been answered yet."""

    question: str
    tentative: str | None
    found: Retrieved | None


@functools.cache
def beginning() -> tuple[BaseMessage, ...]:
    """The turns every conversation begins with: the rules and the worked examples."""
    _, *parts = _SPEAKER.split(render("mello"))
    speakers = {"user": HumanMessage, "assistant": AIMessage}
    return tuple(
        speakers[speaker](text.strip())
        for speaker, text in zip(parts[::2], parts[1::2], strict=True)
    )


class Dialogue:
    """The conversation about one question.

    It is in one of three states: :attr:`chain` is set and it is over; :attr:`sub_question` is set
    and :meth:`tell` is to be called with what was looked up; or :attr:`messages` are to be sent and
    :meth:`read` or :meth:`fail` called with what came of it.

    Args:
        question: The question.
        notes: Sub-questions that live edits answer and that may be on the way.
        max_hops: The most sub-questions.
        max_reminders: How often a reply that cannot be read is asked for again.
    """

    def __init__(
        self, question: str, *, notes: Sequence[str], max_hops: int, max_reminders: int
    ) -> None:
        self.question = question
        self.hops: list[Hop] = []
        self.chain: Chain | None = None
        self.sub_question: str | None = None
        self._max_hops = max_hops
        self._reminders_left = max_reminders
        self._reminded = False
        self._step: _Step | None = None
        self._tentative: str | None = None
        self._turns: list[BaseMessage] = []
        self._last: dict[str, object] = {
            "kind": "question",
            "question": _one_line(question),
            "notes": [_one_line(note) for note in notes],
        }
        self._remind = False
        if not name_key(question):
            self.fail("the question is empty")

    @property
    def messages(self) -> list[BaseMessage]:
        """The conversation up to where the model is to reply."""
        turn = render("mello_turn", **_TURN | self._last, remind=self._remind)
        return [*beginning(), *self._turns, HumanMessage(turn)]

    def fail(self, reason: str) -> None:
        """Ends the conversation without an answer."""
        self._end(None, reason)

    # -- a reply ---------------------------------------------------------------------------------

    def read(self, text: str) -> None:
        """Takes in the model's reply to :attr:`messages`.

        Args:
            text: What it generated.
        """
        reply = read_reply(text)
        if reply.empty or (self._step is None and reply.question is None and reply.final is None):
            return self._ask_again(text)
        done: Reply | None = None
        if self._step is not None:
            settled = self._settle(self._step, reply)
            if settled is None:
                return self._ask_again(text)
            hop, followed = settled
            check = (reply.check if followed else "contradicts") if self._step.found else None
            done = Reply(check=check, intermediate=hop.answer)
            self.hops.append(hop)
            self._step = None
            if hop.source == "base" and is_unknown(hop.answer):
                return self.fail(f"nobody knows: {_shown(hop.question)}")
            if not followed or (reply.question is None and reply.final is None):
                return self._say(done, {"kind": "go_on"})
        elif reply.final is not None and not self.hops:
            return self._ask_again(text)  # it answers without having looked anything up
        self._remind = False
        if reply.final is not None:
            return self._conclude(reply.final)
        assert reply.question is not None
        return self._look_up(reply.question, reply.tentative, done)

    def _settle(self, step: _Step, reply: Reply) -> tuple[Hop, bool] | None:
        """The hop that a step has become, and whether the rest of the reply is built on it.

        A fact that is in scope decides, unless the model says that it is about something else; the
        answer is the fact's own words. A model that goes on from another answer is set right.
        """
        own, found = reply.intermediate or step.tentative, step.found
        vetoed = reply.check == "unrelated" and not (
            found and reply.intermediate and states(reply.intermediate, found.answer)
        )
        if found is None or vetoed:
            if own is None:
                return None
            return Hop(step.question, step.tentative, "base", None, own, 0.0), True
        source: Source = "fact" if found.edit is None else "edit"
        said = reply.intermediate or reply.question or reply.final or ""
        hop = Hop(step.question, step.tentative, source, found.edit, found.answer, found.score)
        return hop, states(said, found.answer)

    def _look_up(self, question: str, tentative: str | None, done: Reply | None) -> None:
        if name_key(question) in {name_key(hop.question) for hop in self.hops}:
            return self.fail(f"the same sub-question came twice: {_shown(question)}")
        if len(self.hops) == self._max_hops:
            return self.fail(f"there was no final answer after {self._max_hops} hops")
        before = done or Reply()
        said = Reply(before.check, before.intermediate, question, tentative)
        self._turns += [self._human(), AIMessage(said.text)]
        self.sub_question, self._tentative = question, tentative
        return None

    def tell(self, found: Retrieved | None) -> None:
        """Takes in what was looked up for :attr:`sub_question`; None where nothing is in scope."""
        assert self.sub_question is not None
        self._step = _Step(self.sub_question, self._tentative, found)
        self._last = {"kind": "fact", "fact": _one_line(found.fact) if found else ""}
        self.sub_question = self._tentative = None

    def _say(self, reply: Reply, then: dict[str, object]) -> None:
        self._turns += [self._human(), AIMessage(reply.text)]
        self._last, self._remind = then, False

    def _human(self) -> HumanMessage:
        """The user's last turn, without a reminder it may have carried."""
        return HumanMessage(render("mello_turn", **_TURN | self._last, remind=False))

    def _ask_again(self, text: str) -> None:
        if not self._reminders_left:
            what = f"could not be read: {_shown(text)}" if text.strip() else "was empty"
            return self.fail(f"the model's reply {what}")
        self._reminders_left -= 1
        self._remind = self._reminded = True
        return None

    # -- the end ---------------------------------------------------------------------------------

    def _conclude(self, final: str) -> None:
        if is_unknown(final):
            return self.fail("the model found no final answer")
        hops = len(self.hops)
        return self._end(final, f"a final answer after {hops} hop{'s' * (hops != 1)}")

    def _end(self, answer: str | None, reason: str) -> None:
        confident = answer is not None and not self._reminded and self._follows(answer)
        self.chain = Chain(tuple(self.hops), answer, confident, reason)
        self.sub_question = None

    def _follows(self, answer: str) -> bool:
        """Whether an answer can come from the hops: one of theirs, a yes or no, or a number."""
        verdict = name_key(answer).split(" ", 1)[0] in ("yes", "no")
        number = any(ch.isdigit() for ch in answer)
        return verdict or number or any(states(answer, hop.answer) for hop in self.hops)


_TURN: dict[str, object] = {"question": "", "notes": [], "fact": ""}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shown(text: str) -> str:
    line = _one_line(text)
    return repr(line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…")
