"""Attention of tokens that are run again and again to those before them, which stay as they are.

A cache of transformers' would copy the keys and values of what came before behind every layer's own
in every step, once for each query head, and give them gradients that nobody asked for. Here they
stand by as they are, and the heads that share them are one matrix of queries.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from transformers import AttentionInterface

from memedit.bake.past import Past, of_rows
from memedit.models.attention import attending, can_replace, check_came_by, refuse_added
from memedit.models.together import keeps_everything

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# What transformers calls this attention in a model's configuration.
NAME = "memedit_tail"


def can_attend(model: PreTrainedModel) -> bool:
    """Whether the model's attention can be replaced by this one, which knows no windows."""
    return can_replace(model) and keeps_everything(model)


@dataclass
class Tails:
    """Rows of tokens behind others.

    Attributes:
        past: For each layer the keys and values of the tokens before, ``[rows, key heads, past,
            width]``; none where there are no such tokens.
        layers: The layers that will be run.
        seen: Whether a token may look at another, ``[rows, tail, past + tail]``.
    """

    past: Past
    layers: set[int]
    seen: Tensor
    _came_by: set[int] = field(default_factory=set)
    _added: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, past: Past, layers: set[int], past_mask: Tensor, mask: Tensor) -> Tails:
        """Rows with their masks, 1 for a token and 0 for padding.

        Padding may look at itself, so that no row of scores is empty; nothing looks at padding.

        Args:
            past: See the attributes.
            layers: See the attributes.
            past_mask: int64 ``[rows, past]``.
            mask: int64 ``[rows, tail]``.
        """
        places = torch.arange(mask.shape[1], device=mask.device)
        own = (mask[:, None, :] != 0) & (places <= places[:, None]) | (places == places[:, None])
        before = (past_mask[:, None, :] != 0).expand(-1, mask.shape[1], -1)
        return cls(past, layers, torch.cat([before, own], dim=2))

    def keep(self, rows: Tensor) -> Tails:
        """Those of these rows, int64 ``[kept]``."""
        return Tails(of_rows(self.past, rows), self.layers, self.seen[rows])

    @contextlib.contextmanager
    def attending(self, model: PreTrainedModel) -> Iterator[None]:
        """The model with this attention in place of its own inside the block.

        Raises:
            ModelError: Its layers attend in a way of their own after all.
        """
        self._came_by.clear()
        token = _TAILS.set(self)
        try:
            with attending(model, NAME):
                yield
        finally:
            _TAILS.reset(token)
        check_came_by(model, self._came_by, self.layers)

    def at(self, layer: int) -> tuple[Tensor, Tensor] | None:
        """Keys and values of the tokens before, at a layer; None where there are none."""
        self._came_by.add(layer)
        return self.past[layer] if self.past else None

    def added(self, group: int, like: Tensor) -> Tensor:
        """What is added to the scores of ``group`` heads one after the other.

        Args:
            group: How many heads share a key.
            like: Of the number format and device that are wanted.

        Returns:
            0 where a token may look and minus infinity elsewhere, ``[rows, 1, group * tail, past +
            tail]``.
        """
        if group not in self._added:
            added = torch.zeros(self.seen.shape, dtype=like.dtype, device=self.seen.device)
            added.masked_fill_(~self.seen, -torch.inf)
            self._added[group] = added.repeat(1, group, 1)[:, None]
        return self._added[group].to(like)


_TAILS: ContextVar[Tails] = ContextVar(NAME)


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention to what came before and to own keys, in the form transformers calls.

    Args:
        module: The layer's attention; its ``layer_idx`` says which keys came before.
        query: ``[rows, heads, tail, width]``.
        key: The rows' own, ``[rows, key heads, tail, width]``.
        value: Likewise.
        attention_mask: Not used; the rows have masks of their own.
        dropout: Not used; nothing is trained here.
        scaling: What scores are multiplied by; None for one over the root of the width.
        **kwargs: What else a model tells its attention.

    Returns:
        What was found, ``[rows, tail, heads, width]``, and no weights.

    Raises:
        ModelError: The model adds something to its scores.
    """
    refuse_added(kwargs)
    tails = _TAILS.get()
    rows, heads, tail, width = query.shape
    group = heads // key.shape[1]
    scale = 1 / math.sqrt(width) if scaling is None else scaling
    queries = (query * scale).reshape(rows, key.shape[1], group * tail, width)
    scores = queries @ key.transpose(-1, -2)
    before = tails.at(cast(int, module.layer_idx))
    if before is not None:
        scores = torch.cat([queries @ before[0].transpose(-1, -2), scores], dim=-1)
    fine = scores.to(torch.promote_types(scores.dtype, torch.float32))
    weights = (fine + tails.added(group, fine)).softmax(-1).to(scores.dtype)
    found = weights[..., -tail:] @ value
    if before is not None:
        found = found + weights[..., :-tail] @ before[1]
    return found.to(query.dtype).reshape(rows, heads, tail, -1).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, _attention)
