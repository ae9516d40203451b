"""Weights in bfloat16 where the processor multiplies it."""

from __future__ import annotations

import pytest
import torch

from memedit.scope import native


@pytest.mark.parametrize(("able", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_weights_are_narrowed_only_where_that_is_quick(monkeypatch, able, kind):
    monkeypatch.setattr(native, "_multiplies_bfloat16", lambda: able)
    assert native.quick(torch.nn.Linear(2, 2)).weight.dtype == kind


def test_a_torch_without_the_checks_keeps_float32(monkeypatch):
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert native._multiplies_bfloat16.__wrapped__() is False
