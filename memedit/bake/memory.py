"""How much memory a method needs, said before it starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from memedit.bake.contexts import Prepared
from memedit.bake.targets import TargetSettings
from memedit.errors import BakeError

if TYPE_CHECKING:
    from memedit.bake.editable import Editable

# Values of the residual stream's width, and of the keys', that a block keeps for the gradient.
_KEPT_WIDE, _KEPT_KEYS = 12, 4
_SOLVING = 4  # matrices as large as C that solving takes


def check_memory(
    model: Editable,
    prepared: Prepared,
    layers: Sequence[int],
    target: TargetSettings,
    *,
    matrices: int = 1,
) -> None:
    """Refuses what will not fit.

    Args:
        model: The model.
        prepared: The edits.
        layers: The layers that will be changed.
        target: How vectors are optimised.
        matrices: How many matrices as large as C are held for each layer.

    Raises:
        BakeError: It needs more than is free; the message says how much and what to lower.
    """
    solving = (len(layers) * matrices + _SOLVING) * model.blocks.key_width**2 * 8
    batch = batch_bytes(model, prepared, layers[-1], target)
    device = model.network.device
    needs = {"cpu": solving} if device.type != "cpu" else {"cpu": solving + batch}
    if device.type != "cpu":
        needs[str(device)] = batch + _SOLVING * model.blocks.key_width**2 * 8
    for place, need in needs.items():
        free = free_bytes(torch.device(place))
        if free is not None and need > free:
            raise BakeError(
                f"memory: {need / 2**30:.1f} GiB are needed on {place}, {free / 2**30:.1f} GiB are "
                f"free ({solving / 2**30:.1f} GiB for second moments and solving, "
                f"{batch / 2**30:.1f} GiB for {target.at_once} edits at once).",
                hint="Lower target.at_once, edit fewer layers, or free memory.",
            )


def batch_bytes(model: Editable, prepared: Prepared, layer: int, target: TargetSettings) -> int:
    """About the most that optimising one batch of vectors holds, in bytes."""
    rows = sum(
        sorted((sum(len(text.ids) for text in texts) for texts in prepared.texts), reverse=True)[
            : target.at_once
        ]
    )
    golds = max(len(texts[0].targets) for texts in prepared.texts) + 1
    reads = min(target.at_once, len(prepared.edits)) * len(prepared.prefixes) * golds
    blocks, size = model.blocks, torch.finfo(model.network.dtype).bits // 8
    above = len(blocks) - (layer if target.reuse else 0)
    kept = rows * above * (_KEPT_WIDE * blocks.width + _KEPT_KEYS * blocks.key_width) * size
    vocabulary = model.network.config.get_text_config(decoder=True).vocab_size
    logits = (reads if target.reuse else rows) * vocabulary * (size + 3 * 4)
    return int(kept + logits)


def free_bytes(device: torch.device) -> int | None:
    """Memory that can be had now; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            found = dict(line.split(":", 1) for line in lines)
        return int(found["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        try:
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError):
            return None
