"""Attention over a prefix that all rows of a batch share, without a copy of it for every row.

After Hydragen (Juravsky et al. 2024, arXiv 2402.05099, section 3): softmax attention over two sets
of keys is the mean of the attention over each, weighted by their sums of exponentials. What the
rows share is attended to once, by the queries of all of them stacked into one matrix; what each has
of its own is attended to as usual. So the prefix is held once, and a step reads it once, however
many rows there are.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers import AttentionInterface, DynamicCache

from memedit.models.attention import attending, check_came_by, refuse_added
from memedit.models.branches import Branches, put, taken

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# What transformers calls this attention in a model's configuration.
NAME = "memedit_shared_prefix"


@dataclass
class SharedRows:
    """Rows that go on from one prefix, with keys and values of their own.

    Attributes:
        model: The model, held by the caller for the time.
        prefix: The keys and values of the prefix, of one row; they are not changed.
        branches: What earlier rows read beyond it; None where nothing is kept.
        own: The keys and values of each row since the prefix.
    """

    model: PreTrainedModel
    prefix: DynamicCache
    branches: Branches | None = None
    own: DynamicCache = field(init=False)

    def __post_init__(self) -> None:
        self.own = DynamicCache(config=self.model.config)

    def begin(self, suffixes: Sequence[Sequence[int]]) -> tuple[list[Sequence[int]], torch.Tensor]:
        """Takes up what is kept of each row.

        Args:
            suffixes: The token ids of each row behind the prefix.

        Returns:
            What is left to read of each, and the mask of what is known, int64 ``[rows, known]``.
        """
        branches = self.branches or Branches()
        known = [branches.take(ids) for ids in suffixes]
        mask = put(self.own, known, self.model.device)
        lengths = [len(branch.ids) if branch else 0 for branch in known]
        return [ids[length:] for ids, length in zip(suffixes, lengths, strict=True)], mask

    def end(self, row: int, mask: torch.Tensor, asked: Sequence[int], ids: Sequence[int]) -> None:
        """A row is done; what was read of it is kept for its next turn.

        Args:
            row: Which row.
            mask: Its mask, int64 ``[own]``.
            asked: Its prompt's token ids behind the prefix.
            ids: These, and of the reply those that were read.
        """
        if self.branches is not None:
            self.branches.keep(taken(self.own, row, mask, asked, ids))

    def read(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Reads each row's next tokens.

        Args:
            ids: Token ids, int64 ``[rows, new]``.
            mask: 1 for a token and 0 for padding, int64 ``[rows, own]``, over all tokens of the
                rows' own up to the new ones.
            positions: The tokens' places in the whole text, int64 ``[rows, new]``.

        Returns:
            The logits after the last token ``[rows, vocabulary]``.

        Raises:
            ModelError: The model's layers attend in a way of their own after all.
        """
        call = _Call(self.prefix, _allowed(mask, ids.shape[1], self.model.dtype))
        with _attending(self.model, call):
            out = cast(Any, self.model)(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=self.own,
                use_cache=True,
                logits_to_keep=1,
            )
        check_came_by(self.model, call.layers, set(range(len(cast(Any, self.prefix).layers))))
        return cast(torch.Tensor, out.logits[:, -1])

    def keep(self, rows: torch.Tensor) -> None:
        """Goes on with these rows only, int64 ``[kept]``."""
        self.own.batch_select_indices(rows)


@dataclass
class _Call:
    """One forward pass.

    Attributes:
        prefix: The shared keys and values.
        mask: What is added to the scores of own keys ``[rows, 1, new, own]``; None for nothing.
        layers: The layers that have come by.
    """

    prefix: DynamicCache
    mask: torch.Tensor | None
    layers: set[int] = field(default_factory=set)
    _repeated: torch.Tensor | None = None

    def mask_of(self, group: int) -> torch.Tensor | None:
        """The mask for the queries of ``group`` heads one after the other."""
        if self.mask is None or group == 1 or self.mask.shape[2] == 1:
            return self.mask
        if self._repeated is None:
            self._repeated = self.mask.repeat(1, 1, group, 1)
        return self._repeated


_CALL: ContextVar[_Call] = ContextVar("memedit_shared_prefix")


@contextlib.contextmanager
def _attending(model: PreTrainedModel, call: _Call) -> Iterator[None]:
    """The model with this attention in place of its own inside the block."""
    token = _CALL.set(call)
    try:
        with attending(model, NAME):
            yield
    finally:
        _CALL.reset(token)


def _allowed(mask: torch.Tensor, new: int, dtype: torch.dtype) -> torch.Tensor | None:
    """What is added to the scores of own keys: 0 where a token may look, minus infinity elsewhere.

    Padding may look at itself, so that no row of scores is empty; nothing looks at padding.
    """
    if new == 1 and bool(mask.all()):
        return None
    own = mask.shape[1]
    places = torch.arange(own, device=mask.device)
    latest = places[own - new :, None]
    seen = (mask[:, None, None, :] != 0) & (places <= latest) | (places == latest)
    return torch.zeros(seen.shape, dtype=dtype, device=mask.device).masked_fill_(~seen, -torch.inf)


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention to the prefix and to own keys, in the form transformers calls.

    Args:
        module: The layer's attention; its ``layer_idx`` says whose prefix keys are meant.
        query: ``[rows, heads, new, width]``.
        key: The rows' own, ``[rows, key heads, own, width]``.
        value: Likewise.
        attention_mask: Not used; the call has a mask of its own.
        dropout: Not used; nothing is trained here.
        scaling: What scores are multiplied by; None for one over the root of the width.
        **kwargs: What else a model tells its attention.

    Returns:
        What was found, ``[rows, new, heads, width]``, and no weights.

    Raises:
        ModelError: The model adds something to its scores.
    """
    refuse_added(kwargs)
    call = _CALL.get()
    index = cast(int, module.layer_idx)
    call.layers.add(index)
    layer = cast(Any, call.prefix).layers[index]
    rows, heads, new, width = query.shape
    key_heads = key.shape[1]
    group = heads // key_heads
    by_row = query.reshape(rows, key_heads, group * new, width)
    stacked = by_row.transpose(0, 1).reshape(1, key_heads, rows * group * new, width)
    shared, shared_sum = _attend(stacked, layer.keys, layer.values, None, scaling)
    own, own_sum = _attend(by_row, key, value, call.mask_of(group), scaling)
    shared = shared.view(key_heads, rows, group * new, -1).transpose(0, 1)
    shared_sum = shared_sum.view(key_heads, rows, group * new).transpose(0, 1)
    share = torch.sigmoid(own_sum - shared_sum)[..., None]
    found = torch.lerp(shared.to(share.dtype), own.to(share.dtype), share).to(query.dtype)
    return found.reshape(rows, heads, new, -1).transpose(1, 2).contiguous(), None


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax attention, and the log of each query's sum of exponentials, in float32 at least.

    On a CPU it is the kernel of ``scaled_dot_product_attention``, which keeps that sum to itself;
    written out it took two to three times as long.
    """
    if query.device.type == "cpu" and value.shape[-1] == query.shape[-1]:
        out, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, False, attn_mask=mask, scale=scaling
        )
        return out, sums
    scale = 1 / math.sqrt(query.shape[-1]) if scaling is None else scaling
    fine = torch.promote_types(query.dtype, torch.float32)
    scores = (query @ key.transpose(-1, -2)).to(fine) * scale
    if mask is not None:
        scores += mask
    sums = scores.logsumexp(-1)
    return (scores - sums[..., None]).exp().to(value.dtype) @ value, sums


AttentionInterface.register(NAME, _attention)
