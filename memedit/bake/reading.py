"""Reading a network's inner values at chosen tokens, running no more of it than needed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from memedit.models.tokens import padded

if TYPE_CHECKING:
    from memedit.bake.editable import Editable

BATCH_TOKENS = 4096

Part = Literal["block_in", "attn_in", "attn_out", "mlp_in", "mlp_out", "block_out"]


class Site(NamedTuple):
    """A place in the network.

    ``mlp_in`` is the down-projection's key and ``mlp_out`` its value; ``attn_in`` and ``attn_out``
    are those of the attention's output projection. Its keys are as wide as all query heads
    together, however many heads share keys and values.
    """

    layer: int
    part: Part


class _Enough(Exception):
    """Raised inside the network where nothing further on is needed."""


def module_at(model: Editable, site: Site) -> nn.Module:
    """The module whose output, or input where the part ends in "in", the site is."""
    if site.part in ("block_in", "block_out"):
        return model.blocks.block(site.layer)
    if site.part in ("attn_in", "attn_out"):
        return model.blocks.attn_out(site.layer)
    return model.blocks.mlp_out(site.layer)


def hidden_of(output: Any) -> Tensor:
    """The hidden states in a module's output, which may be a tuple that begins with them."""
    return cast(Tensor, output[0] if isinstance(output, tuple) else output)


def with_hidden(output: Any, hidden: Tensor) -> Any:
    """A module's output with other hidden states."""
    return (hidden, *output[1:]) if isinstance(output, tuple) else hidden


def in_rows(values: Tensor, rows: int) -> Tensor:
    """Values as ``[rows, tokens, width]``; some blocks (OPT) run their MLP on all tokens in one."""
    return values.view(rows, -1, values.shape[-1]) if values.ndim == 2 else values


@contextlib.contextmanager
def hooks(handles: Iterable[Any]) -> Iterator[None]:
    """Removes these hooks, and no others, when the block ends."""
    kept = list(handles)
    try:
        yield
    finally:
        for handle in kept:
            handle.remove()


@contextlib.contextmanager
def frozen(model: Editable) -> Iterator[None]:
    """No gradients for the weights inside the block."""
    learning = [weight for weight in model.network.parameters() if weight.requires_grad]
    for weight in learning:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in learning:
            weight.requires_grad_(True)


def watch(model: Editable, site: Site, see: Callable[[Tensor], None]) -> Any:
    """Calls ``see`` with the values at a site (see :func:`in_rows`); gives the hook."""
    module = module_at(model, site)
    if site.part.endswith("_in"):
        return module.register_forward_pre_hook(lambda _module, args: see(args[0]))
    return module.register_forward_hook(lambda _module, _args, output: see(hidden_of(output)))


def stop_after(model: Editable, layer: int) -> Any:
    """Ends a forward pass after a block; gives the hook. Run the network in :func:`stopping`."""

    def stop(_module: nn.Module, _args: Any, _output: Any) -> None:
        raise _Enough

    return model.blocks.block(layer).register_forward_hook(stop)


def stopping() -> contextlib.suppress:
    """The block in which a network may stop early."""
    return contextlib.suppress(_Enough)


@torch.no_grad()
def read_last(
    model: Editable, rows: Sequence[Sequence[int]], sites: Sequence[Site]
) -> dict[Site, Tensor]:
    """The values at each row's last token.

    Args:
        model: The model.
        rows: Token ids, at least one a row.
        sites: What to read.

    Returns:
        ``[rows, width]`` for each site, in float32 or, for such a model, float64.
    """
    found: dict[Site, list[Tensor]] = {site: [] for site in sites}
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    top = max(site.layer for site in sites)
    for batch in _batches([len(rows[row]) for row in order]):
        chosen = [rows[order[i]] for i in batch]
        ends = [len(row) - 1 for row in chosen]

        def keep(values: Tensor, site: Site, ends: list[int] = ends) -> None:
            at = in_rows(values, len(ends))[list(range(len(ends))), ends]
            found[site].append(at.to(torch.promote_types(at.dtype, torch.float32)))

        handles = [watch(model, site, partial(keep, site=site)) for site in sites]
        ids, mask = padded(chosen, model.tokens.pad_id, model.network.device, side="right")
        with hooks([*handles, stop_after(model, top)]), stopping():
            cast(Any, model.network)(input_ids=ids, attention_mask=mask, use_cache=False)
    back = torch.tensor(order).argsort()
    return {site: torch.cat(parts)[back.to(parts[0].device)] for site, parts in found.items()}


def read_with(
    model: Editable,
    rows: Sequence[Sequence[int]],
    layer: int,
    vectors: Mapping[Part, Tensor],
    parts: Sequence[Part],
) -> dict[Part, Tensor]:
    """What a layer gives at each row's last token while vectors are added there.

    Args:
        model: The model.
        rows: Token ids, at least one a row.
        layer: The layer.
        vectors: What is added to its parts, ``[rows, width]`` each.
        parts: What to read.

    Returns:
        ``[rows, width]`` for each part, as :func:`read_last`.
    """
    read: dict[Part, list[Tensor]] = {part: [] for part in parts}
    for i, row in enumerate(rows):  # one by one, so that each gets its own vectors

        def add(_module: nn.Module, _args: Any, output: Tensor, vector: Tensor) -> Tensor:
            added = output.clone()
            in_rows(added, 1)[0, -1] += vector.to(added)
            return added

        adding = [
            module_at(model, Site(layer, part)).register_forward_hook(
                partial(add, vector=vectors[part][i])
            )
            for part in vectors
        ]
        with hooks(adding):
            values = read_last(model, [row], [Site(layer, part) for part in parts])
        for part in parts:
            read[part].append(values[Site(layer, part)])
    return {part: torch.cat(values) for part, values in read.items()}


def _batches(lengths: Sequence[int]) -> Iterator[range]:
    """Rows in order of length, as many together as :data:`BATCH_TOKENS` holds with padding."""
    start = 0
    for i, length in enumerate(lengths):
        if i > start and (i + 1 - start) * length > BATCH_TOKENS:
            yield range(start, i)
            start = i
    if start < len(lengths):
        yield range(start, len(lengths))
