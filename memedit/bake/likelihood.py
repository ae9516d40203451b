"""What logits say of the tokens that are wanted, with a gradient that is written in one go.

A vocabulary is wide: of a batch's logits every pass over them counts. Written with PyTorch's own
functions, the terms of a loss make and fill a gradient as large as the logits each.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor


class Told(NamedTuple):
    """What logits say.

    Attributes:
        nll: ``-log P`` of each wanted token, ``[reads]``, in nats.
        divergence: ``KL(P || P0)`` where it is measured, ``[measured]``, in nats.
        first: Whether the wanted token is the likeliest, ``[reads]``.
        logs: ``log P`` of all tokens where the divergence is measured, ``[measured, vocabulary]``.
    """

    nll: Tensor
    divergence: Tensor
    first: Tensor
    logs: Tensor


def tell(logits: Tensor, wanted: Tensor, measured: Tensor, clean: Tensor | None) -> Told:
    """Reads logits; gradients flow from ``nll`` and ``divergence``, but not from ``logs``.

    Args:
        logits: ``[reads, vocabulary]``, of any floating-point format.
        wanted: Token ids, int64 ``[reads]``.
        measured: Where the divergence is measured, int64, places in ``reads``.
        clean: The ``logs`` of P0 there; None for those of the logits themselves.
    """
    return Told(*cast(Any, _Tell).apply(logits, wanted, measured, clean))


class _Tell(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, wanted: Tensor, measured: Tensor, clean: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        fine = torch.promote_types(logits.dtype, torch.float32)
        logs = logits.log_softmax(-1, dtype=fine)
        told = logs[measured]
        apart = told - (told if clean is None else clean)
        divergence = (told.exp() * apart).sum(-1)
        nll = -logs.gather(1, wanted[:, None])[:, 0]
        first = logs.argmax(-1) == wanted
        ctx.save_for_backward(logs, wanted, measured, apart, divergence)
        ctx.dtype = logits.dtype
        ctx.mark_non_differentiable(first, told)
        return nll, divergence, first, told

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        nll, divergence = grads[:2]
        logs, wanted, measured, apart, diverged = ctx.saved_tensors
        # d nll / d logits = P - 1[wanted]; d KL / d logits = P (log P - log P0 - KL).
        grad = logs.exp()
        told = grad[measured] * (apart - diverged[:, None]) * divergence[:, None]
        grad *= nll[:, None]
        reads = torch.arange(len(wanted), device=wanted.device)
        grad[reads, wanted] -= nll
        grad.index_add_(0, measured, told)
        return grad.to(ctx.dtype), None, None, None
