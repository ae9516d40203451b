"""Which layers an edit is written into: those that change their input's direction most.

Huang et al. 2024 (DEM, arXiv 2410.23844): for each edit the cosine of the hidden state that goes
into a layer with the one that comes out, at the last token of its prompt, and of all layers the k
whose cosine is nearest zero.

What a layer's input and output are is left open there. Over a whole block the residual stream is in
both, so that cosines are near one but for the first and last blocks, which change the stream as a
whole; those are nearly always chosen. So two more readings can be had, each of a module alone: the
stream a module adds to, and what it adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from memedit.bake.contexts import Prepared
from memedit.bake.reading import Site, read_last
from memedit.errors import BakeError

if TYPE_CHECKING:
    from memedit.bake.editable import Editable

Similarity = Literal["block", "mlp", "attention"]


def similarities(model: Editable, prepared: Prepared, of: Similarity) -> Tensor:
    """Cosines of each layer's input and output at the last token of each edit's prompt.

    Args:
        model: The model.
        prepared: The edits; their prompts alone are read.
        of: The stream before and behind a block; the stream an MLP adds to and what it adds; or
            likewise of an attention.

    Returns:
        float64 ``[edits, layers]``.
    """
    layers = range(len(model.blocks))
    rows = [texts[0].ids[: texts[0].target] for texts in prepared.texts]
    sites = [Site(0, "block_in"), *(Site(layer, "block_out") for layer in layers)]
    if of != "block":
        sites += [Site(layer, "mlp_out" if of == "mlp" else "attn_out") for layer in layers]
    read = {site: values.double() for site, values in read_last(model, rows, sites).items()}
    found = []
    for layer in layers:
        before = read[Site(layer - 1, "block_out") if layer else Site(0, "block_in")]
        after = read[Site(layer, "block_out")]
        if of == "mlp":
            output = read[Site(layer, "mlp_out")]
            pair = after - output, output
        else:
            pair = before, after if of == "block" else read[Site(layer, "attn_out")]
        found.append(torch.nn.functional.cosine_similarity(*pair))
    return torch.stack(found, dim=1)


def mean_of(cosines: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """The cosines with those of each group's edits replaced by their mean.

    Args:
        cosines: ``[edits, layers]``, see :func:`similarities`.
        groups: Numbers of edits that are to choose together; an edit in none chooses alone.
    """
    found = cosines.clone()
    for group in groups:
        found[list(group)] = cosines[list(group)].mean(0)
    return found


def choose(cosines: Tensor, top: int, among: Sequence[int]) -> list[tuple[int, ...]]:
    """Each edit's ``top`` layers with the cosines nearest zero, ascending.

    Args:
        cosines: ``[edits, layers]``, see :func:`similarities`.
        top: How many.
        among: The layers there are to choose from, ascending. In the paper these are all.

    Raises:
        BakeError: There are not as many layers, or the model has not all of them.
    """
    layers = cosines.shape[1]
    beyond = [layer for layer in among if layer >= layers]
    if beyond:
        raise BakeError(
            f"among: the model has no layer {beyond[0]}, it has {layers}.",
            hint=f"Give layers from 0 to {layers - 1}.",
        )
    if len(among) < top:
        raise BakeError(
            f"top: {top} layers are to be chosen of {len(among)} (the model has {layers}).",
            hint="Lower top or boundary, or give more layers in among.",
        )
    order = cosines[:, list(among)].abs().argsort(dim=1, stable=True)[:, :top]
    return [tuple(sorted(among[i] for i in row)) for row in order.tolist()]
