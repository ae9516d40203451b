"""How text is generated from logits: when to stop, how to sample, what to hold back.

Temperature, seed and stop strings are applied here and not through transformers' own options,
since those draw from the global random state and look for stop strings in the vocabulary.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria

from memedit.errors import ModelError

FinishReason = Literal["stop", "length"]

# What a batch may hold: tokens, padding included, and rows.
BATCH_TOKENS = 4096
BATCH_ROWS = 16


@dataclass(frozen=True)
class Decoding:
    """How text is generated.

    Args:
        max_tokens: The most tokens to generate.
        temperature: 0 for greedy; otherwise tokens are drawn from softmax(logits / temperature).
        seed: Makes sampling repeatable; each text of a batch draws as if it were alone.
        stop: Generation ends before the first of these strings.

    Raises:
        ModelError: A value is out of its range.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ModelError(f"max_tokens: {self.max_tokens} is too few.", hint="Give 1 or more.")
        if not self.temperature >= 0:
            raise ModelError(
                f"temperature: {self.temperature} is negative.", hint="Give 0 (greedy) or more."
            )
        if not all(self.stop):
            raise ModelError("stop: one of the strings is empty.", hint="Leave it out.")


@dataclass(frozen=True)
class Generated:
    """What one prompt gave: token ids (an end token included), their text, and why it ended.

    ``logits`` are the model's raw ones, ``[len(ids), vocabulary]``, where they were asked for.
    """

    ids: tuple[int, ...]
    text: str
    finish_reason: FinishReason
    logits: torch.Tensor | None = None


class Watch(StoppingCriteria):
    """Looks at each new token: tells the text so far, and ends a row at a stop string.

    Args:
        decode: Token ids to text.
        start: Length of the (padded) prompts.
        stop: The stop strings.
        on_text: Called with the first row's text after each token.
        cancelled: Ends every row once it is set.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        start: int,
        stop: tuple[str, ...],
        on_text: Callable[[str], None] | None,
        cancelled: threading.Event | None,
    ) -> None:
        self.decode = decode
        self.start = start
        self.stop = stop
        self.on_text = on_text
        self.cancelled = cancelled
        self.ends: dict[int, int] = {}  # row -> generated tokens up to its stop string

    def __call__(
        self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: object
    ) -> torch.BoolTensor:
        """Which rows are done: bool ``[rows]``."""
        rows = len(input_ids)
        done = [self.cancelled is not None and self.cancelled.is_set()] * rows
        if self.stop or self.on_text:
            for row in range(rows):
                done[row] |= self._look(row, input_ids[row, self.start :].tolist())
        return torch.tensor(done, device=input_ids.device)  # type: ignore[return-value]

    def _look(self, row: int, ids: list[int]) -> bool:
        if row not in self.ends:
            text = self.decode(ids)
            if any(stop in text for stop in self.stop):
                self.ends[row] = len(ids)
            if self.on_text and row == 0:
                self.on_text(text)
        return row in self.ends


class Sampler(LogitsProcessor):
    """Turns greedy search into sampling by adding Gumbel noise to the scaled logits.

    The argmax of ``logits / T + Gumbel noise`` is a draw from ``softmax(logits / T)`` (Gumbel
    1954). Every row has a generator of its own, so a text does not depend on its batch, and the
    global random state is left alone.
    """

    def __init__(self, temperature: float, seed: int | None, rows: int) -> None:
        self.temperature = temperature
        self.generators = [torch.Generator() for _ in range(rows)]
        for generator in self.generators:
            generator.seed() if seed is None else generator.manual_seed(seed)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """``scores`` with noise: float32 ``[rows, vocabulary]``."""
        uniform = torch.stack(
            [torch.rand(scores.shape[-1], generator=g) for g in self.generators]
        ).clamp_min(torch.finfo(torch.float32).tiny)
        noise = -torch.log(-torch.log(uniform))
        return scores.float() / self.temperature + noise.to(scores.device)  # type: ignore[return-value]


def sampling(how: Decoding, rows: int) -> LogitsProcessorList:
    """The processors that ``how`` needs: none for greedy decoding."""
    if how.temperature == 0:
        return LogitsProcessorList()
    return LogitsProcessorList([Sampler(how.temperature, how.seed, rows)])


def cut_at(text: str, stop: Sequence[str]) -> str:
    """``text`` up to the first stop string."""
    return text[: min((text.index(s) for s in stop if s in text), default=len(text))]


def settled(text: str, stop: Sequence[str]) -> str:
    """The part of a text in the making that no further token can change.

    A character whose bytes are not all there yet, and an end that may grow into a stop string,
    are held back.
    """
    cut = cut_at(text, stop)
    if cut != text:
        return cut
    text = text.rstrip("\ufffd")
    begun = (
        n for s in stop for n in range(min(len(s) - 1, len(text)), 0, -1) if text.endswith(s[:n])
    )
    return text[: len(text) - max(begun, default=0)]


def batches(
    lengths: Sequence[int], rows: int = BATCH_ROWS, tokens: int = BATCH_TOKENS
) -> list[list[int]]:
    """Indices of prompts grouped into batches of alike lengths, longest first.

    Args:
        lengths: How many tokens each needs.
        rows: The most rows of a batch.
        tokens: The most tokens of a batch, padding included; a longer row is alone.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        group = groups[-1] if groups else []
        fits = group and len(group) < rows
        if fits and lengths[group[0]] * (len(group) + 1) <= tokens:
            group.append(index)
        else:
            groups.append([index])
    return groups
