"""Text to token ids and back: chat turns, plain text, continuations, padding."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import jinja2
import torch

from memedit.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# For models without a chat template, which are mostly trained on running text: turns as in a
# list of questions. Such a model would write the next question itself, so it is stopped there.
PLAIN_TEMPLATE = (
    "{% if starts_with_bos %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}"
    "{{ {'user': 'Question: ', 'assistant': 'Answer: ', 'system': ''}[message['role']] }}"
    "{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}Answer:{% endif %}"
)
PLAIN_STOP = "\nQuestion:"


class Tokens:
    """A tokenizer, safe to use from several threads.

    Control tokens inside a text are encoded as ordinary text everywhere, so that no text can
    forge a turn.

    Args:
        tokenizer: A transformers tokenizer.
        name: The model's name, for errors.
        end_ids: The ids that end an answer; None for the tokenizer's own.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, name: str, end_ids: int | list[int] | None
    ) -> None:
        self.tokenizer = tokenizer
        self.name = name
        ends = tokenizer.eos_token_id if end_ids is None else end_ids
        self.end_ids = frozenset([ends] if isinstance(ends, int) else ends or ())
        pad = tokenizer.pad_token_id
        self.pad_id = pad if isinstance(pad, int) else min(self.end_ids, default=0)
        self._lock = threading.Lock()  # encoding flips a switch inside the tokenizer

    @property
    def default_stop(self) -> tuple[str, ...]:
        """Stop strings the prompt format needs."""
        return () if self.tokenizer.chat_template else (PLAIN_STOP,)

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Token ids of a conversation, up to where the assistant's answer begins.

        Raises:
            ModelError: The model's chat template refuses the messages.
        """
        template: dict[str, Any] = {}
        if not self.tokenizer.chat_template:
            with_bos = self.encode_text("")[:1] == [self.tokenizer.bos_token_id]
            template = {"chat_template": PLAIN_TEMPLATE, "starts_with_bos": with_bos}
        try:
            with self._lock:
                ids = self.tokenizer.apply_chat_template(
                    list(messages),
                    add_generation_prompt=True,
                    sanitize_control_tokens=True,
                    return_dict=False,
                    **template,
                )
        except jinja2.TemplateError as error:
            roles = ", ".join(message["role"] for message in messages)
            raise ModelError(
                f"messages: the chat template of {self.name!r} refuses the roles {roles} "
                f"({error}).",
                hint="Change the order or the roles of the messages.",
            ) from error
        return cast("list[int]", ids)

    def encode_text(self, text: str) -> list[int]:
        """Token ids of plain text."""
        with self._lock:
            return cast("list[int]", self.tokenizer(text, split_special_tokens=True)["input_ids"])

    def encode_answer(self, text: str) -> list[int]:
        """Token ids of a whole answer as a model gives it in a chat: the text, and its end."""
        with self._lock:
            ids = self.tokenizer(text, split_special_tokens=True, add_special_tokens=False)
        end = self.tokenizer.eos_token_id
        ends = [end if isinstance(end, int) else min(self.end_ids, default=self.pad_id)]
        return [*cast("list[int]", ids["input_ids"]), *ends]

    def encode_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids of plain text, and the span of characters (half-open) each covers.

        A token that stands for no character, such as one for the beginning, covers none.

        Raises:
            ModelError: The tokenizer cannot tell.
        """
        try:
            with self._lock:
                encoded = self.tokenizer(
                    text, split_special_tokens=True, return_offsets_mapping=True
                )
        except NotImplementedError:
            raise ModelError(
                f"model: the tokenizer of {self.name!r} does not say which characters a token "
                "covers.",
                hint="Load the model with its fast tokenizer.",
            ) from None
        ids = cast("list[int]", encoded["input_ids"])
        return ids, [(a, b) for a, b in encoded["offset_mapping"]]

    def joined(self, prompt: str, continuation: str) -> tuple[list[int], int]:
        """Token ids of both texts as one, and the index of the continuation's first token.

        A token that straddles the border counts as the continuation's.

        Raises:
            ModelError: The continuation has no token of its own, or nothing stands before it.
        """
        ids, spans = self.encode_spans(prompt + continuation)
        ends = [end for _, end in spans]
        begin = next((i for i, end in enumerate(ends) if end > len(prompt)), len(ends))
        if begin == len(ends) or begin == 0:
            raise ModelError(
                f"continuations: {continuation!r} after {prompt!r} cannot be scored.",
                hint="Give a prompt and a continuation that are not empty.",
            )
        return ids, begin

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, without special tokens."""
        text = self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return cast(str, text)


def padded(
    rows: Sequence[Sequence[int]],
    pad_id: int,
    device: torch.device,
    *,
    side: Literal["left", "right"],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both ``[rows, longest]``, with padding on one side."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        place = slice(longest - len(row), longest) if side == "left" else slice(0, len(row))
        ids[i, place] = torch.tensor(list(row), dtype=torch.long)
        mask[i, place] = 1
    return ids.to(device), mask.to(device)


def common_prefix(rows: Sequence[Sequence[int]]) -> list[int]:
    """The token ids that all rows begin with."""
    # Of sorted rows the first and the last differ first.
    low, high = min(map(list, rows)), max(map(list, rows))
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False))
    return [token for token, _ in same]
