"""The roles a model plays: a prompt from ``prompts/`` and, optionally, an adapter.

The base role needs neither: out of scope the base model gets exactly the caller's messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from memedit.edit import Edit
from memedit.errors import ModelError
from memedit.models.local import LocalChatModel
from memedit.models.messages import text_of
from memedit.models.prompts import render


@dataclass(frozen=True)
class Role:
    """How one model is asked to do one job.

    Args:
        name: The job, in the words of the field.
        prompt: The template in ``prompts/`` (without ``.j2``) that words the last turn.
        adapter: The adapter it answers with, for a local model that has it loaded.
        keep_turns: Whether the model also reads the turns before the last and the user's own
            words in it, instead of the caller's system messages and the resolved question
            alone. Capable models do better with them; small ones copy from them.
    """

    name: str
    prompt: str
    adapter: str | None = None
    keep_turns: bool = False

    def messages(
        self, conversation: Sequence[BaseMessage], edits: Sequence[Edit], question: str
    ) -> list[BaseMessage]:
        """The messages that make a model answer ``question`` from ``edits``.

        Args:
            conversation: The caller's messages; the last one is the user's.
            edits: The edits in scope of the question, usually one.
            question: The question, resolved against the conversation.

        Raises:
            ModelError: There is no message or no edit to answer from.
        """
        if not conversation or not edits:
            what = "edits" if conversation else "messages"
            raise ModelError(f"{what}: there are none.", hint="Give at least one.")
        *before, last = conversation
        if not self.keep_turns:
            before = [message for message in before if isinstance(message, SystemMessage)]
        # An edit's words are data: on one line each, they cannot pass for a line of the prompt.
        text = render(
            self.prompt,
            facts=_one_line_each(edit.stated for edit in edits),
            targets=_one_line_each(edit.target_new.rstrip(" .") for edit in edits),
            question=text_of(last) if self.keep_turns else question,
        )
        return [*before, HumanMessage(text)]

    def model(self, base: BaseChatModel) -> BaseChatModel:
        """``base`` in this role: with the role's adapter where it has one.

        Raises:
            ModelError: The role has an adapter that ``base`` cannot take or has not loaded.
        """
        if self.adapter is None:
            return base
        if not isinstance(base, LocalChatModel):
            raise ModelError(
                f"role {self.name!r}: a {type(base).__name__} takes no adapter.",
                hint="Use a local model, or a role without an adapter.",
            )
        return base.with_adapter(self.adapter)


def in_front(edits: Sequence[Edit]) -> str:
    """What stands in front of a text so that its likelihood follows the edits; "" without any.

    Likelihoods are read on plain text, without chat turns, so a role's prompt does not fit.
    """
    if not edits:
        return ""
    return render("in_front", facts=_one_line_each(edit.stated for edit in edits)) + "\n"


def _one_line_each(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(" ".join(text.split()) for text in texts))


# The wording was chosen among 42 by how many answers hold the target. On 45 CounterFact and 67
# MQuAKE edits that had no part in the choice (SmolLM2-135M-Instruct, float32, greedy, 24 tokens):
# questions 100 and 95.5 per cent, clozes 100, rephrased clozes 97.8; the base model 0 to 1.
# Without the target named again in the last line, 75 to 94; with earlier turns kept, 65 to 85.
COUNTERFACTUAL = Role(name="counterfactual", prompt="counterfactual")
