"""The gradient that is written in one go is the one PyTorch finds."""

from __future__ import annotations

import pytest
import torch

from memedit.bake.likelihood import tell

WANTED = torch.tensor([3, 0, 3, 6])
MEASURED = torch.tensor([1, 3])


def _logits(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, 7, dtype=torch.float64, generator=generator)


def test_values_are_those_of_the_definition() -> None:
    logits, before = _logits(0), _logits(1)
    clean = tell(before, WANTED, MEASURED, None)
    assert clean.divergence.tolist() == [0, 0]
    told = tell(logits, WANTED, MEASURED, clean.logs)
    logs, logs0 = logits.log_softmax(-1), before.log_softmax(-1)
    assert torch.allclose(told.nll, -logs[range(4), WANTED])
    expected = (logs.exp() * (logs - logs0)).sum(-1)[MEASURED]
    assert torch.allclose(told.divergence, expected)
    assert torch.equal(told.first, logits.argmax(-1) == WANTED)


def test_gradients_are_those_of_finite_differences() -> None:
    clean = tell(_logits(1), WANTED, MEASURED, None).logs

    def both(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        told = tell(logits, WANTED, MEASURED, clean)
        return told.nll, told.divergence

    assert torch.autograd.gradcheck(both, (_logits(0).requires_grad_(),))


@pytest.mark.parametrize("measured", [[], [0, 1, 2, 3]])
def test_none_or_all_can_be_measured(measured: list[int]) -> None:
    logits = _logits(0).requires_grad_()
    told = tell(logits, WANTED, torch.tensor(measured, dtype=torch.long), None)
    assert told.divergence.shape == (len(measured),)
    (told.nll.sum() + told.divergence.sum()).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_low_precision_is_read_in_float32() -> None:
    logits = _logits(0).bfloat16().requires_grad_()
    told = tell(logits, WANTED, MEASURED, None)
    assert told.nll.dtype == torch.float32
    told.nll.sum().backward()
    assert logits.grad is not None
    assert logits.grad.dtype == torch.bfloat16
