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
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from memedit.bake.reading import Site, hooks, in_rows, stop_after, stopping, watch
from memedit.models.tokens import common_prefix, padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from memedit.bake.editable import Editable

LEAST_TOKENS = 256  # of a group: fewer are hardly quicker to run
MOST_PADDING = 1.34  # the longest row of a group by its shortest, where there are enough

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


def alike(lengths: Sequence[int]) -> list[list[int]]:
    """Places of rows that run together, ascending: of alike length, and not too few."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    groups = [order[:1]]
    for place in order[1:]:
        group = groups[-1]
        padding = lengths[place] > MOST_PADDING * lengths[group[0]]
        if padding and len(group) * lengths[group[-1]] >= LEAST_TOKENS:
            groups.append([])
        groups[-1].append(place)
    return [sorted(group) for group in groups]


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


def of_rows(past: Past, rows: Tensor) -> Past:
    """The keys and values of some rows, int64 ``[kept]``; one may be taken several times."""
    return [(keys[rows.to(keys.device)], values[rows.to(values.device)]) for keys, values in past]


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
        once = _run_alike(model, heads, [], None, mixed=mixed)
        past = of_rows(once, torch.tensor(of_row))
    middles = [row[count:end] for row, count, end in zip(rows, counts, starts, strict=True)]
    if any(middles):
        # A row without a middle is run with a token that is dropped again.
        padding = [model.tokens.pad_id]
        some = [middle or padding for middle in middles]
        past = _run_alike(model, some, past, skipped, mixed=mixed)
        past = _closed_up(past, skipped, start)
    if frozen < 0:
        return past, None
    tails = [row[end:] for row, end in zip(rows, starts, strict=True)]
    _, below = _run(model, tails, past, start, mixed=mixed, last=frozen)
    steps = torch.arange(length, device=device).clamp_max(below.shape[1] - 1)
    return past, below.to(device)[:, steps]


def _closed_up(past: Past, skipped: Tensor, start: Tensor) -> Past:
    """Keys and values of heads and middles with no gap between a row's head and its middle.

    Args:
        past: What both have, the middles behind the longest head.
        skipped: How long each row's head is, int64 ``[rows]``.
        start: How long head and middle are together, likewise.
    """
    before = int(skipped.max())
    columns = torch.arange(int(start.max()), device=start.device).expand(len(start), -1)
    behind = columns - skipped[:, None] + before
    where = torch.where(columns < skipped[:, None], columns, behind)
    where = where.clamp_max(past[0][0].shape[2] - 1)[:, None, :, None]
    return [
        (
            keys.take_along_dim(where.to(keys.device), 2),
            values.take_along_dim(where.to(values.device), 2),
        )
        for keys, values in past
    ]


def _run_alike(
    model: Editable,
    rows: Sequence[Sequence[int]],
    past: Past,
    skipped: Tensor | None,
    *,
    mixed: bool,
) -> Past:
    """Keys and values that :func:`_run` gives, rows of alike length at a time."""
    groups = alike([len(row) for row in rows])
    longest = max(len(row) for row in rows)
    found: list[Past] = []
    for group in groups:
        before = of_rows(past, torch.tensor(group))
        behind = None if skipped is None else skipped[group]
        given, _ = _run(model, [rows[i] for i in group], before, behind, mixed=mixed)
        lacking = longest - max(len(rows[i]) for i in group)
        found.append([(_longer(keys, lacking), _longer(values, lacking)) for keys, values in given])
    back = torch.tensor([i for group in groups for i in group]).argsort()
    return [
        (
            torch.cat([keys for keys, _ in layer])[back.to(layer[0][0].device)],
            torch.cat([values for _, values in layer])[back.to(layer[0][1].device)],
        )
        for layer in zip(*found, strict=True)
    ]


def _longer(kept: Tensor, tokens: int) -> Tensor:
    """Keys or values with so many tokens of padding behind them."""
    return pad(kept, (0, 0, 0, tokens))


def _run(
    model: Editable,
    rows: Sequence[Sequence[int]],
    past: Past,
    skipped: Tensor | None,
    *,
    mixed: bool,
    last: int | None = None,
) -> tuple[Past, Tensor]:
    """Runs the backbone on rows, behind ``skipped`` tokens where there is a past.

    Args:
        model: The model.
        rows: Token ids, at least one a row.
        past: Keys and values of tokens before.
        skipped: How many of them are each row's, int64 ``[rows]``; None where there is no past.
        mixed: See :func:`precision`.
        last: The block to stop after; None to run all.

    Returns:
        Keys and values of all tokens, and what the last block that was run gave for the rows.
    """
    network = model.network
    ids, mask = padded(rows, model.tokens.pad_id, network.device, side="right")
    inputs: dict[str, Any] = {}
    if past and skipped is not None:
        known = torch.arange(past[0][0].shape[2], device=ids.device) < skipped[:, None]
        mask = torch.cat([known.long(), mask], dim=1)
        inputs["position_ids"] = positions_from(model, skipped, ids.shape[1])
    seen: list[Tensor] = []
    top = len(model.blocks) - 1 if last is None else last
    handles = [watch(model, Site(top, "block_out"), seen.append)]
    if last is not None:
        handles.append(stop_after(model, last))
    cache = DynamicCache(past) if past else DynamicCache()
    with hooks(handles), precision(model, mixed=mixed), stopping():
        # The backbone alone: no logits.
        cast(Any, network.base_model)(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **inputs
        )
    layers = cast(Any, cache).layers
    return [(layer.keys, layer.values) for layer in layers], in_rows(seen[0], len(rows))
