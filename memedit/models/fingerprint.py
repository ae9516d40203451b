"""A name for weights that changes with any bit of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

SAMPLE = 4096  # values read of each weight by base_fingerprint


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


def base_fingerprint(module: nn.Module, *, as_format: torch.dtype | None = None) -> str:
    """16 hexadecimal digits that tell one set of weights from another, in milliseconds.

    An adapter is made for one base; this says whether a loaded model is that base. Unlike
    :func:`weights_fingerprint` it reads a sample of each weight, evenly spaced and rounded to
    bfloat16, so that the same weights in float32 and in bfloat16 have one name.

    Args:
        module: The model, with or without adapters.
        as_format: The number format to read its weights in; None for the one they have.
    """
    import torch

    digest = hashlib.sha256()
    for key, weight in sorted(module.state_dict().items()):
        if ".lora_" in key:
            continue
        digest.update(f"{key.replace('.base_layer', '')}{tuple(weight.shape)}".encode())
        if not weight.is_meta:  # a weight that is kept on disk has a shape alone
            values = _sample(weight).to(as_format or weight.dtype)
            values = values.to(torch.bfloat16).view(torch.uint8)
            digest.update(values.numpy().tobytes())
    return digest.hexdigest()[:16]


def _sample(weight: Tensor) -> Tensor:
    """At most ``SAMPLE`` values of a weight, evenly spaced, on the CPU."""
    flat = weight.detach().reshape(-1)
    return flat[:: max(1, len(flat) // SAMPLE)][:SAMPLE].cpu().contiguous()
