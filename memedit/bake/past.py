"""The tokens before those that are run again and again: read once, kept as keys and values.

Many edits' texts begin alike, with the same prefix, turn of a chat or template. What such rows have
in common is run once for all of them.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from memedit.bake.reading import Site, hooks, watch
from memedit.models.tokens import common_prefix, padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from memedit.bake.editable import Editable

Past = list[tuple[Tensor, Tensor]]  # keys and values ``[rows, heads, tokens, width]`` of each layer


def can_reuse(network: PreTrainedModel) -> bool:
    """Whether the network keeps keys and values of every token, and takes positions."""
    try:
        layers = cast(Any, DynamicCache(config=network.config)).layers
    except (ValueError, KeyError, AttributeError, NotImplementedError):
        return False  # a model with a cache class of its own
    kinds = {type(layer) for layer in layers}
    takes_positions = "position_ids" in inspect.signature(network.forward).parameters
    return takes_positions and bool(kinds) and kinds <= {DynamicLayer, DynamicSlidingWindowLayer}


@contextlib.contextmanager
def precision(model: Editable, *, mixed: bool) -> Iterator[None]:
    """Mixed precision where it is wanted, and the kind of attention whose gradient is fast.

    On a CPU the gradient of the fused kind takes, below float32, half of a step's time.
    """
    device, dtype = model.network.device, model.network.dtype
    mixed = mixed and dtype == torch.float32
    low = mixed or torch.finfo(dtype).bits < torch.finfo(torch.float32).bits
    with contextlib.ExitStack() as stack:
        if mixed:
            stack.enter_context(torch.autocast(device.type, dtype=torch.bfloat16))
        if low and device.type == "cpu":
            stack.enter_context(cast(Any, sdpa_kernel(SDPBackend.MATH)))
        yield


def positions_from(model: Editable, first: Tensor, length: int) -> Tensor:
    """Positions ``[rows, length]`` from each row's first one on."""
    positions = first[:, None] + torch.arange(length, device=first.device)
    limit = getattr(model.network.config, "max_position_embeddings", None)
    # Padding may reach beyond the context.
    return positions if limit is None else positions.clamp_max(limit - 1)


def shared_heads(rows: Sequence[Sequence[int]], most: Sequence[int]) -> list[int]:
    """How many of its first tokens each row shares with another one.

    Args:
        rows: Token ids.
        most: At most so many of each row.
    """
    order = sorted(range(len(rows)), key=lambda i: list(rows[i]))
    counts = [0] * len(rows)
    for one, other in itertools.pairwise(order):  # who shares most stands beside
        same = len(common_prefix([rows[one], rows[other]]))
        for i in (one, other):
            counts[i] = max(counts[i], min(same, most[i]))
    return counts


@torch.no_grad()
def read_past(
    model: Editable,
    rows: Sequence[Sequence[int]],
    starts: Sequence[int],
    length: int,
    frozen: int,
    *,
    mixed: bool,
) -> tuple[Past, Tensor | None]:
    """Runs rows once.

    Args:
        model: The model.
        rows: Token ids.
        starts: The place in each row from which it will be run again.
        length: How many tokens, at most, will be run again.
        frozen: The last layer that will not be run again; -1 for none.
        mixed: See :func:`precision`.

    Returns:
        Keys and values of the tokens before ``starts``, with padding behind them; and what the
        frozen layer gives from ``starts`` on, ``[rows, length, width]``, None where there is none.
    """
    counts = shared_heads(rows, starts)
    own = [tuple(row[:count]) for row, count in zip(rows, counts, strict=True)]
    heads = list(dict.fromkeys(filter(None, own)))
    device = model.network.device
    skipped, start = torch.tensor(counts, device=device), torch.tensor(starts, device=device)
    past: Past = []
    if heads:
        place = {head: i for i, head in enumerate(heads)}
        of_row = [place.get(head, 0) for head in own]  # masked for those that share nothing
        once, _ = _run(model, heads, [], skipped, frozen, mixed)
        past = [(keys[of_row], values[of_row]) for keys, values in once]
    tails = [row[count:] for row, count in zip(rows, counts, strict=True)]
    past, below = _run(model, tails, past, skipped, frozen, mixed)
    before = max(counts)  # columns of the heads, in front of those of the tails
    columns = torch.arange(max(starts), device=device).expand(len(rows), -1)
    behind = columns - skipped[:, None] + before
    where = torch.where(columns < skipped[:, None], columns, behind)
    where = where.clamp_max(past[0][0].shape[2] - 1)[:, None, :, None]
    past = [
        (
            keys.take_along_dim(where.to(keys.device), 2),
            values.take_along_dim(where.to(values.device), 2),
        )
        for keys, values in past
    ]
    if below is not None:
        steps = (start - skipped)[:, None] + torch.arange(length, device=device)
        each = torch.arange(len(rows), device=device)[:, None]
        below = below.to(device)[each, steps.clamp_max(below.shape[1] - 1)]
    return past if max(starts) else [], below


def _run(
    model: Editable,
    rows: Sequence[Sequence[int]],
    past: Past,
    skipped: Tensor,
    frozen: int,
    mixed: bool,
) -> tuple[Past, Tensor | None]:
    """Runs the backbone on rows, behind ``skipped`` tokens where there is a past.

    Returns:
        Keys and values of all tokens, and what the frozen layer gave for the rows.
    """
    network = model.network
    ids, mask = padded(rows, model.tokens.pad_id, network.device, side="right")
    inputs: dict[str, Any] = {}
    if past:
        known = torch.arange(past[0][0].shape[2], device=ids.device) < skipped[:, None]
        mask = torch.cat([known.long(), mask], dim=1)
        inputs["position_ids"] = positions_from(model, skipped, ids.shape[1])
    seen: list[Tensor] = []
    handles = []
    if frozen >= 0:
        handles.append(watch(model, Site(frozen, "block_out"), seen.append))
    cache = DynamicCache(past) if past else DynamicCache()
    with hooks(handles), precision(model, mixed=mixed):
        # The backbone alone: no logits.
        cast(Any, network.base_model)(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **inputs
        )
    layers = cast(Any, cache).layers
    return [(layer.keys, layer.values) for layer in layers], seen[0] if seen else None
