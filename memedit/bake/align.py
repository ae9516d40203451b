"""Edits as token ids: where the subject ends, where the target begins; checked, never assumed.

A text is encoded once, as a whole. Its subject is found by the characters that each token covers
and the tokens found are decoded again: offsets are wrong in some tokenizers, and counting the
tokens of pieces is wrong wherever a token reaches across the border between two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from memedit.edit import Edit
from memedit.errors import BakeError
from memedit.forms import SLOT
from memedit.models.tokens import Tokens
from memedit.text import spaced

# Read at the subject's last token, so that what the subject is stays as it was (Meng et al. 2022,
# arXiv 2202.05262, on the choice of v*).
ESSENCE = f"{SLOT} is a"


@dataclass(frozen=True)
class Aligned:
    """One text of an edit.

    Attributes:
        ids: Token ids of the prompt and, where it has one, the target.
        first: Index of the subject's first token.
        subject: Index of the subject's last token; of the prompt's last one where the text has
            no subject, or is aligned there (:meth:`at_last`).
        target: Index of the target's first token; ``len(ids)`` where there is no target.
    """

    ids: tuple[int, ...]
    first: int
    subject: int
    target: int

    @property
    def targets(self) -> tuple[int, ...]:
        """Token ids of the target."""
        return self.ids[self.target :]

    @property
    def upto_subject(self) -> tuple[int, ...]:
        """The ids up to the subject's last token, which are all that it depends on."""
        return self.ids[: self.subject + 1]

    def at_last(self) -> Aligned:
        """The text aligned at the last token of its prompt."""
        return replace(self, subject=self.target - 1)


def align(
    tokens: Tokens, template: str, subject: str, target: str | None = None, *, prefix: str = ""
) -> Aligned:
    """The token ids of a filled template, and where subject and target are in them.

    Args:
        tokens: The tokenizer.
        template: A prompt with one ``{}``.
        subject: What stands in its place.
        target: What follows the prompt; None for nothing.
        prefix: What stands before the prompt.

    Raises:
        BakeError: The template has no slot, the target has no token of its own, or the tokens
            found do not decode to the subject or the target.
    """
    before, slot, after = template.partition(SLOT)
    if not slot or not subject:
        raise BakeError(
            f"prompt: {template!r} has no place for the subject {subject!r}.",
            hint="Write {} exactly once where the subject stands.",
        )
    if target is not None and not target.strip():
        raise BakeError("target_new: it is empty.", hint="Say what is true from now on.")
    prompt = prefix + before + subject + after
    start = len(prefix) + len(before)
    text = prompt if target is None else prompt + spaced(prompt, target.strip())
    ids, spans = tokens.encode_spans(text)
    while spans and spans[-1][0] == spans[-1][1]:  # a token that marks the end is no target
        ids, spans = ids[:-1], spans[:-1]
    begin = next((i for i, (_, end) in enumerate(spans) if end > len(prompt)), len(ids))
    covering = _covering(spans, start, start + len(subject))
    if not covering or covering[-1] >= begin or not _holds(tokens, ids, covering, subject):
        raise BakeError(
            f"subject: the tokenizer of {tokens.name!r} gives no tokens that decode to "
            f"{subject!r} in {prompt!r}.",
            hint="Keep the edit in memory, or write the subject in characters the model knows.",
        )
    if target is not None:
        _check_target(tokens, ids[begin:], target)
    return Aligned(tuple(ids), covering[0], covering[-1], begin)


def align_end(tokens: Tokens, prompt: str, target: str, *, prefix: str = "") -> Aligned:
    """The token ids of a prompt without a subject and its target, aligned at the prompt's end.

    Args:
        tokens: The tokenizer.
        prompt: What the target completes.
        target: What follows.
        prefix: What stands before the prompt.

    Raises:
        BakeError: The prompt is empty, or the target has no token of its own.
    """
    if not prompt.strip():
        raise BakeError(
            "prompt: it is empty, so that nothing says where the target begins.",
            hint="Give a prompt that the target completes, or keep the edit in memory.",
        )
    ids, spans = tokens.encode_spans(prefix + prompt + spaced(prompt, target.strip()))
    while spans and spans[-1][0] == spans[-1][1]:
        ids, spans = ids[:-1], spans[:-1]
    end = len(prefix) + len(prompt)
    begin = next((i for i, (_, stop) in enumerate(spans) if stop > end), len(ids))
    _check_target(tokens, ids[begin:], target)
    if begin == 0:
        raise BakeError(
            f"prompt: {prompt!r} has no token of its own before the target.",
            hint="Give a longer prompt, or keep the edit in memory.",
        )
    return Aligned(tuple(ids), begin - 1, begin - 1, begin)


def align_turn(tokens: Tokens, template: str, subject: str, target: str) -> Aligned:
    """The token ids of a filled template asked in a chat, and answered with the target.

    Args:
        tokens: The tokenizer.
        template: What the user asks, with one ``{}``.
        subject: What stands in its place.
        target: What the assistant answers.

    Raises:
        BakeError: As for :func:`align`, or the turn has other tokens than the text it is made of.
    """
    plain = align(tokens, template, subject)
    turn = tokens.encode_chat([{"role": "user", "content": template.replace(SLOT, subject)}])
    for skipped in (0, 1):  # a first token may be another where a text begins
        part = list(plain.upto_subject[skipped:])
        for at in range(len(turn) - len(part), -1, -1):
            if part and turn[at : at + len(part)] == part:
                answer = tokens.encode_answer(target.strip())[:-1]  # without the end
                _check_target(tokens, answer, target)
                first = at + plain.first - skipped
                return Aligned((*turn, *answer), first, at + len(part) - 1, len(turn))
    raise BakeError(
        f"subject: {subject!r} has other tokens in a chat turn of {tokens.name!r} than in its "
        f"prompt {template!r}.",
        hint="Keep the edit in memory, or turn prefixes.chat off.",
    )


def align_edit(
    tokens: Tokens,
    edit: Edit,
    prefixes: Sequence[str],
    context: int | None,
    *,
    chat: bool = False,
) -> list[Aligned]:
    """An edit's prompt with its target, once behind each prefix.

    Free text without a subject in its prompt is aligned at the prompt's last token.

    Args:
        tokens: The tokenizer.
        edit: The edit.
        prefixes: Texts that stand before the prompt; "" for the prompt alone.
        context: How many tokens the model can read; None for no limit.
        chat: Whether the prompt and the question follow, each asked in a turn of a chat.

    Raises:
        BakeError: The edit has no prompt, cannot be aligned, or is too long.
    """
    named = has_subject(edit)
    if not named and (chat or not edit.cloze.strip()):
        why = "a subject, which turns of a chat need" if edit.cloze.strip() else "a prompt"
        raise BakeError(
            f"edit {edit.id!r}: it is free text without {why}.",
            hint="Turn prefixes.chat off."
            if edit.cloze.strip()
            else "Give it a prompt that the target completes, or keep it in memory.",
        )
    try:
        rows = [
            align(tokens, edit.prompt, edit.subject, edit.target_new, prefix=p)
            if named
            else align_end(tokens, edit.cloze, edit.target_new, prefix=p)
            for p in prefixes
        ]
        if chat:
            question = edit.question_template
            for asked in (edit.prompt, question if SLOT in question else edit.prompt):
                rows.append(align_turn(tokens, asked, edit.subject, edit.target_new))
    except BakeError as error:
        raise BakeError(f"edit {edit.id!r}: {error.message}", hint=error.hint) from None
    longest = max(len(row.ids) for row in rows)
    if context is not None and longest > context:
        raise BakeError(
            f"edit {edit.id!r}: it takes {longest} tokens, the model reads {context}.",
            hint="Shorten the prompt or the target, or keep the edit in memory.",
        )
    return rows


def by_key(texts: Sequence[Sequence[Aligned]]) -> list[list[int]]:
    """Which edits are written at one key: those whose texts agree up to the subject's last token.

    Args:
        texts: Each edit's, as :func:`align_edit` gives them for the same prefixes.

    Returns:
        The edits' numbers, those of one key together, in the order each key comes first.
    """
    found: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for number, own in enumerate(texts):
        found.setdefault(tuple(text.upto_subject for text in own), []).append(number)
    return list(found.values())


def _covering(spans: Sequence[tuple[int, int]], start: int, end: int) -> list[int]:
    """The tokens that cover a character from ``start`` to ``end``, in order."""
    return [i for i, (a, b) in enumerate(spans) if a < b and a < end and b > start]


def has_subject(edit: Edit) -> bool:
    """Whether the edit's prompt has a subject to be written at; every fact's has."""
    return edit.kind == "fact" or bool(edit.subject and SLOT in edit.prompt)


def _holds(tokens: Tokens, ids: Sequence[int], covering: Sequence[int], subject: str) -> bool:
    return _plain(subject) in _plain(tokens.decode(ids[covering[0] : covering[-1] + 1]))


def _check_target(tokens: Tokens, ids: Sequence[int], target: str) -> None:
    if not ids or _plain(target) not in _plain(tokens.decode(ids)):
        raise BakeError(
            f"target_new: the tokenizer of {tokens.name!r} gives {target!r} "
            f"{'no tokens of its own' if not ids else 'tokens that do not decode to it'}.",
            hint="Keep the edit in memory, or write the target in characters the model knows.",
        )


def _plain(text: str) -> str:
    """A text without what tokenizers may change: case, spacing, compatible characters."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text).casefold())
