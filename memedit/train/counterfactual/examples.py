"""Tasks as token ids: what the model reads, and what it is to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from memedit.models.decoding import Decoding
from memedit.models.local import LocalChatModel
from memedit.models.roles import Role, in_front
from memedit.text import spaced
from memedit.train.counterfactual.tasks import OF_BASE, Task

# How much of what the base model says is learnt: an answer's beginning decides how it goes on.
BASE_TOKENS = {"chat": 16, "text": 6}


@dataclass(frozen=True)
class Example:
    """A task as the network reads it.

    Args:
        kind: The task's kind.
        prompt: What is read, with the edit in it.
        answer: What is learnt to follow, at least one token.
        plain: What the base model reads in its place, where it is the teacher.
    """

    kind: str
    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    plain: tuple[int, ...] = ()

    def __len__(self) -> int:
        """The tokens of prompt and answer."""
        return len(self.prompt) + len(self.answer)


def messages_of(task: Task, role: Role | None) -> list[BaseMessage]:
    """A chat task as messages.

    Args:
        task: The task.
        role: Tells the edits; None for what the caller has sent, which is what the base gets.
    """
    system = [SystemMessage(task.system)] if task.system else []
    conversation = [*system, HumanMessage(task.query)]
    return role.messages(conversation, task.edits, task.query) if role else conversation


def encode(
    model: LocalChatModel, role: Role, tasks: Sequence[Task], *, longest: int
) -> list[Example]:
    """The tasks as examples; what the base model says where it is the teacher is asked for here.

    Args:
        model: The base model, without an adapter.
        role: The role whose prompt tells the edits.
        tasks: What to encode.
        longest: Examples of more tokens than this are left out.
    """
    found = []
    for form in ("chat", "text"):
        chosen = [task for task in tasks if task.form == form]
        own = [task for task in chosen if task.kind not in OF_BASE]
        found += [_own(model, role, task) for task in own]
        found += _of_base(model, role, [t for t in chosen if t.kind in OF_BASE], longest)
    return [example for example in found if example.answer and len(example) <= longest]


def _own(model: LocalChatModel, role: Role, task: Task) -> Example:
    tokens = model.engine.tokens
    if task.form == "chat":
        prompt = model.prompt_ids(messages_of(task, role))
        return Example(task.kind, tuple(prompt), tuple(tokens.encode_answer(task.said)))
    # Likelihoods are read of the bare object, so the full stop is left off.
    before, answer = in_front(task.edits) + task.query, task.edits[0].target_new
    ids, begin = tokens.joined(before, spaced(before, answer))
    return Example(task.kind, tuple(ids[:begin]), tuple(ids[begin:]))


def _of_base(
    model: LocalChatModel, role: Role, tasks: Sequence[Task], longest: int
) -> list[Example]:
    """Examples whose answer is what the base model says by itself, without the edit."""
    if not tasks:
        return []
    tokens, chat = model.engine.tokens, tasks[0].form == "chat"
    prompts, plains, kept = [], [], []
    for task in tasks:
        if chat:
            prompt = model.prompt_ids(messages_of(task, role))
            plain = model.prompt_ids(messages_of(task, None))
        else:
            prompt = tokens.encode_text(in_front(task.edits) + task.query)
            plain = tokens.encode_text(task.query)
        if len(prompt) + BASE_TOKENS[task.form] <= longest:
            prompts.append(tuple(prompt))
            plains.append(tuple(plain))
            kept.append(task)
    how = Decoding(max_tokens=BASE_TOKENS["chat" if chat else "text"])
    said = model.engine.generate(plains, how)
    return [
        Example(task.kind, prompt, answer.ids, plain)
        for task, prompt, plain, answer in zip(kept, prompts, plains, said, strict=True)
    ]
