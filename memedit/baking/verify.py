"""Whether a model answers from its weights what an edit says, asked as the pipeline asks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, HumanMessage

from memedit import forms
from memedit.edit import Edit
from memedit.match import states
from memedit.models.local import LocalChatModel

ANSWER_TOKENS = 24
_AT_ONCE = 64  # questions between two reports


@dataclass(frozen=True)
class Asked:
    """One wording of an edit and what the model said.

    Attributes:
        text: The wording.
        answer: What the model wrote.
        right: Whether the answer states the edit's target.
    """

    text: str
    answer: str
    right: bool


def wordings(edit: Edit) -> list[str]:
    """What an edit is asked with: its prompt first, then its question and its paraphrases."""
    templates = (edit.prompt, edit.question_template, *edit.paraphrases)
    return list(dict.fromkeys(forms.fill(text, edit.subject) for text in templates if text))


def verify(
    model: LocalChatModel,
    edits: Sequence[Edit],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, list[Asked]]:
    """Asks the model every wording of every edit.

    Args:
        model: The base model with the deltas on its weights; nothing but they can tell it.
        edits: The edits.
        progress: Told how many wordings have been asked, and how many there are.

    Returns:
        By edit id, what was asked, the prompt first.
    """
    pairs = [(edit, text) for edit in edits for text in wordings(edit)]
    answers = ask(model, [text for _, text in pairs], progress)
    found: dict[str, list[Asked]] = {edit.id: [] for edit in edits}
    for (edit, text), answer in zip(pairs, answers, strict=True):
        found[edit.id].append(Asked(text, answer, states(answer, [edit.target_new])))
    return found


def ask(
    model: LocalChatModel,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Greedy answers, each text a conversation of its own, as if each were asked alone.

    Args:
        model: The model.
        texts: What is asked.
        progress: Told how many have been asked, and how many there are.
    """
    answers: list[str] = []
    if progress and texts:
        progress(0, len(texts))
    for start in range(0, len(texts), _AT_ONCE):
        turns: list[list[BaseMessage]] = [
            [HumanMessage(text)] for text in texts[start : start + _AT_ONCE]
        ]
        said = model.generate_many(turns, exact=True, max_tokens=ANSWER_TOKENS, temperature=0.0)
        answers += [str(message.text) for message in said]
        if progress:
            progress(len(answers), len(texts))
    return answers
