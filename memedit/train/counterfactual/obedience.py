"""Obedience: how often a model in the counterfactual role says what it is told, by kind.

The same tests for every model: an adapter on a local one, or a capable one behind a server that
plays the role with a prompt alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import BaseMessage

from memedit.match import states
from memedit.models.local import LocalChatModel
from memedit.models.roles import Role, in_front
from memedit.text import spaced
from memedit.train.counterfactual.examples import messages_of
from memedit.train.counterfactual.tasks import OF_BASE, Task

MAX_TOKENS = 24


@dataclass(frozen=True)
class Obedience:
    """How one kind went.

    Attributes:
        kind: The kind of task.
        asked: How many tasks.
        right: How many answers were right: they state one of the answers; where the edit does not
            matter, they are the base model's, letter by letter; of plain text, the new object is
            likelier than the former one.
        wrong: The first tasks that went wrong, each with what was said.
    """

    kind: str
    asked: int
    right: int
    wrong: tuple[tuple[Task, str], ...] = ()

    @property
    def share(self) -> float:
        """``right`` of ``asked``, 0…1."""
        return self.right / self.asked

    def to_dict(self) -> dict[str, int | float]:
        """The figures, JSON-ready."""
        return {"asked": self.asked, "right": self.right, "share": round(self.share, 4)}


def obedience(
    base: BaseChatModel, role: Role, tasks: Sequence[Task], *, max_tokens: int = MAX_TOKENS
) -> list[Obedience]:
    """How the role is played, by kind of task.

    Args:
        base: The model; a local one with the role's adapter loaded, where the role has one.
        role: How it is told the edits.
        tasks: What is asked, of any kinds. Plain text needs a local model, and is judged where the
            edit names the former object.
        max_tokens: The longest answer, in tokens.

    Raises:
        ModelError: The role has an adapter that ``base`` has not loaded.
    """
    found = []
    for kind in dict.fromkeys(task.kind for task in tasks):
        chosen = [task for task in tasks if task.kind == kind]
        if chosen[0].form == "text":
            found += _by_likelihood(base, role, kind, chosen)
            continue
        said = _said(role.model(base), [messages_of(t, role) for t in chosen], max_tokens)
        if kind in OF_BASE:
            untouched = _said(base, [messages_of(task, None) for task in chosen], max_tokens)
            right = [a == b for a, b in zip(said, untouched, strict=True)]
        else:
            right = [states(text, t.answers) for text, t in zip(said, chosen, strict=True)]
        found.append(_counted(kind, chosen, said, right))
    return found


def _by_likelihood(
    base: BaseChatModel, role: Role, kind: str, tasks: Sequence[Task]
) -> list[Obedience]:
    """Whether the new object is likelier than the former one.

    Where the edit does not matter: whether the same one of the two is likelier as for the base.
    """
    told = [t for t in tasks if t.edits[0].target_true]
    model = role.model(base)
    if not told or not isinstance(model, LocalChatModel) or not isinstance(base, LocalChatModel):
        return []
    gaps = _gaps(model, told, told=True)
    if kind in OF_BASE:
        right = [(a > 0) == (b > 0) for a, b in zip(gaps, _gaps(base, told), strict=True)]
    else:
        right = [gap > 0 for gap in gaps]
    return [_counted(kind, told, [f"{gap:+.2f} nats" for gap in gaps], right)]


def _gaps(model: LocalChatModel, tasks: Sequence[Task], *, told: bool = False) -> list[float]:
    """How much likelier the new object is than the former one, in nats a token."""
    prompts = [(in_front(t.edits) if told else "") + t.query for t in tasks]
    ends = [(t.edits[0].target_new, t.edits[0].target_true or "") for t in tasks]
    scores = model.score(
        [prompt for prompt in prompts for _ in range(2)],
        [spaced(prompt, end) for prompt, pair in zip(prompts, ends, strict=True) for end in pair],
    )
    means = [score.log_prob / score.tokens for score in scores]
    return [new - true for new, true in zip(means[::2], means[1::2], strict=True)]


def _said(
    model: BaseChatModel, conversations: list[list[BaseMessage]], max_tokens: int
) -> list[str]:
    if isinstance(model, LocalChatModel):
        answers = model.generate_many(conversations, max_tokens=max_tokens)
    else:
        batch = model.batch(list[LanguageModelInput](conversations), max_tokens=max_tokens)
        answers = list(batch)
    return [str(answer.text) for answer in answers]


def _counted(
    kind: str, tasks: Sequence[Task], said: Sequence[str], right: Sequence[bool]
) -> Obedience:
    wrong = [(t, text) for t, text, ok in zip(tasks, said, right, strict=True) if not ok]
    return Obedience(kind, len(tasks), sum(right), tuple(wrong[:20]))
