"""What each layer adds to the stream when a prompt is about to be answered.

KLFT's recall (Huang et al. 2024, arXiv 2410.23844): the less a layer's output is like its
input, the more it contributes. The paper does not say what input and output are, nor at which
token. Here they are the residual stream before and after a block, its attention or its MLP, at the
prompt's last token, where what is recalled has to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memedit.bake.reading import Site, read_last
from memedit.trace.prompts import Prompt
from memedit.trace.runs import PARTS

if TYPE_CHECKING:
    from memedit.bake.editable import Editable
    from memedit.bake.reading import Part


def recall(model: Editable, prompts: Sequence[Prompt]) -> Mapping[Part, npt.NDArray[np.float64]]:
    """Cosines of the stream before and after each layer's parts.

    Where attention and MLP read the same stream (GPT-J, GPT-NeoX), the MLP's is still the stream
    without and with what it adds.

    Args:
        model: The model; nobody else may use it meanwhile.
        prompts: At least one.

    Returns:
        ``[prompts, layers]`` for the block, the MLP and the attention.
    """
    layers = range(len(model.blocks))
    sites = [Site(layer, part) for layer in layers for part in PARTS]
    with torch.inference_mode():
        states = read_last(model, [prompt.ids[: prompt.begin] for prompt in prompts], sites)
    found: dict[Part, list[Tensor]] = {part: [] for part in PARTS}
    for layer in layers:
        out, mlp, attention = (states[Site(layer, part)] for part in PARTS)
        # The first block's input is what is left of its output without what its parts added.
        before = states[Site(layer - 1, "block_out")] if layer else out - mlp - attention
        between = before + attention
        found["block_out"].append(_alike(before, out))
        found["attn_out"].append(_alike(before, between))
        found["mlp_out"].append(_alike(between, out))
    return {part: torch.stack(some, dim=1).cpu().numpy() for part, some in found.items()}


def _alike(one: Tensor, other: Tensor) -> Tensor:
    return torch.cosine_similarity(one.double(), other.double(), dim=-1)
