"""A prompt to trace, as token ids: where its subject is, and the answer that is looked for."""

from __future__ import annotations

from dataclasses import dataclass

from memedit.bake.align import align
from memedit.errors import BakeError, TraceError
from memedit.forms import SLOT
from memedit.models.tokens import Tokens


@dataclass(frozen=True)
class Prompt:
    """One prompt with its answer.

    Attributes:
        text: The prompt in words.
        subject: The part of it that is corrupted.
        answer: What follows it.
        ids: Token ids of prompt and answer.
        first: Index of the subject's first token.
        last: Index of the subject's last token.
        begin: Index of the answer's first token.
        tokens: The prompt's tokens in words, one for each of ``ids[:begin]``.
    """

    text: str
    subject: str
    answer: str
    ids: tuple[int, ...]
    first: int
    last: int
    begin: int
    tokens: tuple[str, ...]

    @property
    def read_ids(self) -> tuple[int, ...]:
        """What the model reads: everything but the answer's last token."""
        return self.ids[:-1]

    @property
    def answer_ids(self) -> tuple[int, ...]:
        """Token ids of the answer."""
        return self.ids[self.begin :]


def template_of(prompt: str, subject: str) -> str:
    """The prompt with ``{}`` in the place of its subject.

    Args:
        prompt: The words, with ``{}`` or with the subject itself in them.
        subject: What is corrupted.

    Raises:
        TraceError: The subject is empty, or does not stand in the prompt exactly once.
    """
    if not subject.strip():
        raise TraceError(
            f"subject: none is given for {prompt!r}, so nothing says which tokens to corrupt.",
            hint="Give words of the prompt; all of it can be the subject.",
        )
    if prompt.count(SLOT) == 1:
        return prompt
    found = prompt.count(subject)
    if found != 1 or SLOT in prompt:
        count = {0: "does not stand", 1: "stands beside several {}"}.get(found, "stands repeatedly")
        raise TraceError(
            f"subject: {subject!r} {count} in {prompt!r}.",
            hint="Write the subject as the prompt has it, or {} once in its place.",
        )
    return prompt.replace(subject, SLOT)


def place(
    tokens: Tokens, template: str, subject: str, answer: str, *, context: int | None = None
) -> Prompt:
    """A prompt with its answer as token ids.

    Args:
        tokens: The tokenizer.
        template: The prompt with ``{}``, or with the subject itself in it.
        subject: What is corrupted.
        answer: What follows the prompt; without a leading blank.
        context: How many tokens the model can read; None for no limit.

    Raises:
        TraceError: The subject is not in the prompt; the tokenizer gives no tokens that decode to
            the subject or the answer; or the text is too long.
    """
    template = template_of(template, subject)
    if not answer.strip():
        raise TraceError(
            f"answer: it is empty for {template.replace(SLOT, subject)!r}.",
            hint="Say what is to follow the prompt.",
        )
    try:
        found = align(tokens, template, subject, answer)
    except BakeError as error:
        message = error.message.replace("target_new:", "answer:")
        raise TraceError(message, hint="Write it in characters the model knows.") from None
    if context is not None and len(found.ids) > context:
        raise TraceError(
            f"prompt: {template.replace(SLOT, subject)!r} takes {len(found.ids)} tokens with its "
            f"answer, the model reads {context}.",
            hint="Shorten it.",
        )
    return Prompt(
        text=template.replace(SLOT, subject),
        subject=subject,
        answer=answer.strip(),
        ids=found.ids,
        first=found.first,
        last=found.subject,
        begin=found.target,
        tokens=tuple(_words(tokens, token) for token in found.ids[: found.target]),
    )


def _words(tokens: Tokens, token: int) -> str:
    """One token as it is shown: special ones by name, parts of a character as such."""
    return tokens.decode([token]) or str(tokens.tokenizer.convert_ids_to_tokens(token))
