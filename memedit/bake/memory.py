"""How much memory a method needs, said before it starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from memedit.bake.align import by_key
from memedit.bake.contexts import Prepared
from memedit.bake.targets import TargetSettings
from memedit.errors import BakeError

if TYPE_CHECKING:
    from memedit.bake.editable import Editable

# `memedit bake` shows what is said here without being asked to be verbose.
log = logging.getLogger(__name__)

# Values of the residual stream's width, and of the keys', that a block keeps for the gradient.
_KEPT_WIDE, _KEPT_KEYS = 12, 4
_SOLVING = 4  # matrices as large as C that solving takes


def within_memory(
    model: Editable,
    prepared: Prepared,
    layers: Sequence[int],
    target: TargetSettings,
    *,
    matrices: int = 1,
    at: int | None = None,
) -> TargetSettings:
    """The settings, with as many edits at once as there is memory for.

    How many share a batch changes nothing but the time it takes.

    Args:
        model: The model.
        prepared: The edits.
        layers: The layers that will be changed.
        target: How vectors are to be optimised.
        matrices: How many matrices as large as C are held for each layer.
        at: The layer at which vectors are added; the last of ``layers`` where None.

    Raises:
        BakeError: Not even one edit at a time fits; the message says how much is needed.
    """
    device = model.network.device
    solving = (len(layers) * matrices + _SOLVING) * model.blocks.key_width**2 * 8
    at_once = min(target.at_once, len(prepared.edits))
    while True:
        chosen = target.model_copy(update={"at_once": at_once})
        batch = batch_bytes(model, prepared, layers[-1] if at is None else at, chosen)
        needs = {device: solving + batch}
        if device.type != "cpu":  # second moments wait in the computer's own memory
            needs = {device: _SOLVING * model.blocks.key_width**2 * 8 + batch}
            needs[torch.device("cpu")] = solving
        short = {place: need for place, need in needs.items() if need > free_bytes(place)}
        if not short:
            break
        if at_once == 1:
            place, need = next(iter(short.items()))
            raise BakeError(
                f"memory: {need / 2**30:.1f} GiB are needed on {place}, "
                f"{free_bytes(place) / 2**30:.1f} GiB are free.",
                hint="Edit fewer layers, or free memory.",
            )
        at_once = (at_once + 1) // 2
    log.info(
        "Needs about %s; %d edits at once.",
        ", ".join(
            f"{need / 2**30:.1f} GiB on {place} ({free_bytes(place) / 2**30:.1f} are free)"
            for place, need in needs.items()
        ),
        at_once,
    )
    return chosen


def batch_bytes(model: Editable, prepared: Prepared, layer: int, target: TargetSettings) -> int:
    """About the most that optimising one batch of vectors holds, in bytes."""
    sizes = []  # of each edit: tokens read once, tokens run at every step, logits
    for texts, essence in zip(prepared.texts, prepared.essences, strict=True):
        whole = sum(len(text.ids) for text in texts) + (essence.subject + 1 if essence else 0)
        live = sum(len(text.ids) - text.subject for text in texts) + 1
        golds = sum(len(text.targets) for text in texts) + 1
        sizes.append((whole, live, golds) if target.reuse else (whole, whole, whole))
    most = sorted(sizes, reverse=True)[: target.at_once]
    if target.joint:  # edits with one vector are not parted
        largest = max(by_key(prepared.texts), key=len)
        most = max(most, [sizes[i] for i in largest], key=len)
    whole, live, golds = (sum(column) for column in zip(*most, strict=True))
    blocks, size = model.blocks, torch.finfo(model.network.dtype).bits // 8
    above = len(blocks) - (layer if target.reuse else 0)
    wide, keys = blocks.width, blocks.key_width
    kept = live * above * (_KEPT_WIDE * wide + _KEPT_KEYS * keys) + whole * above * 2 * wide
    vocabulary = model.network.config.get_text_config(decoder=True).vocab_size
    return int(kept * size + golds * vocabulary * (size + 3 * 4))


def free_bytes(device: torch.device) -> float:
    """Memory that can be had now; infinite where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return float("inf")
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            found = dict(line.split(":", 1) for line in lines)
        return int(found["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        try:
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError):
            return float("inf")
