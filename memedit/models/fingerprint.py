"""A name for weights that changes with any bit of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def weights_fingerprint(module: nn.Module, salt: str = "") -> str:
    """16 hexadecimal digits over every weight's name, shape, type and bytes.

    Reading the weights themselves, not a file, holds for any way the model was loaded. Weights of
    adapters do not count.

    Args:
        module: The model.
        salt: Settings that count as well.
    """
    import torch

    digest = hashlib.sha256(salt.encode())
    for key, weight in sorted(module.state_dict().items()):
        if ".lora_" in key:
            continue
        digest.update(
            f"{key.replace('.base_layer', '')}{tuple(weight.shape)}{weight.dtype}".encode()
        )
        raw = weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(memoryview(raw.numpy()))
    return digest.hexdigest()[:16]
