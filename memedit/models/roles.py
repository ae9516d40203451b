"""The roles a model plays: a prompt from ``prompts/`` and, optionally, an adapter.

The base role needs neither: out of scope the base model gets exactly the caller's messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from memedit.edit import Edit
from memedit.errors import ModelError
from memedit.models.adapters import Card, read_card
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

# The adapter that comes with memedit, made for the embedded model.
SHIPPED = Path(str(resources.files("memedit.models"))) / "trained" / "counterfactual"


def counterfactual_role(base: BaseChatModel) -> Role:
    """The best way ``base`` can play the counterfactual role without further training.

    With the shipped adapter where it was made for the weights of ``base``, which then has it loaded
    beside them and answers as before without it; elsewhere with a prompt alone.

    Args:
        base: Any chat model.

    Raises:
        ModelError: The shipped adapter is damaged.
    """
    if not isinstance(base, LocalChatModel) or base.adapter is not None:
        return COUNTERFACTUAL
    card = read_card(SHIPPED)
    if card is None or not (
        card.adapter_name in base.engine.adapters or card.fits(base.engine.model)
    ):
        return COUNTERFACTUAL
    return _with_card(base, SHIPPED, card)


def trained_role(base: BaseChatModel, path: Path) -> Role:
    """The role that the adapter in ``path`` was trained for, the adapter loaded beside ``base``.

    Args:
        base: A local model.
        path: A folder that ``memedit train`` has written.

    Raises:
        ModelError: It is no such folder, or the adapter was made for another base.
    """
    card = read_card(path)
    if card is None:
        raise ModelError(
            f"adapter: {str(path)!r} does not say which role it was trained for.",
            hint="Give a folder written by memedit train, which holds a memedit.json.",
        )
    if not isinstance(base, LocalChatModel):
        raise ModelError(
            f"adapter: a {type(base).__name__} takes no adapter.",
            hint="Use a local model, or leave the adapter out.",
        )
    return _with_card(base, path, card)


def role_with(base: BaseChatModel, adapter: str | None) -> Role:
    """The counterfactual role as a user names it.

    Args:
        base: Any chat model.
        adapter: A folder for :func:`trained_role`, ``"none"`` for a prompt alone, or None for
            :func:`counterfactual_role`.

    Raises:
        ModelError: See these functions.
    """
    if adapter is None:
        return counterfactual_role(base)
    return COUNTERFACTUAL if adapter == "none" else trained_role(base, Path(adapter))


def _with_card(base: LocalChatModel, path: Path, card: Card) -> Role:
    with base.engine.using(None):  # two threads must not load it twice
        if card.adapter_name not in base.engine.adapters:
            base.load_adapter(path, card.adapter_name)
    return Role(name=card.role, prompt=card.prompt, adapter=card.adapter_name)
