from __future__ import annotations

import warnings

import pytest
import torch
from peft import PeftModel

from memedit.bake import Editable, export_peft
from memedit.errors import BakeError
from tests.bake.small import TOKENS, editable, network
from tests.bake.test_delta import _delta

IDS = torch.tensor([[5, 9, 17, 3, 8, 11]])


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_plain_peft_loads_and_toggles_it(family, tmp_path):
    model = editable(family, torch.float32)
    delta = _delta(model, rank=3)
    with torch.no_grad():
        base = model.network(IDS).logits
        model.apply(delta)
        edited = model.network(IDS).logits
        model.revert(delta.id)
    export_peft(delta, model, tmp_path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)  # PEFT's own
        adapted = PeftModel.from_pretrained(network(family, torch.float32), tmp_path)
    with torch.no_grad():
        assert torch.allclose(adapted(IDS).logits, edited, atol=1e-4)
        assert not torch.allclose(base, edited, atol=1e-2)
        with adapted.disable_adapter():
            assert torch.equal(adapted(IDS).logits, base)
        assert torch.allclose(adapted.merge_and_unload()(IDS).logits, edited, atol=1e-4)


def test_it_is_refused_for_another_base(tmp_path):
    delta = _delta(editable())
    with pytest.raises(BakeError, match="made for the base"):
        export_peft(delta, Editable(network(seed=1), TOKENS), tmp_path / "a")
    assert not (tmp_path / "a").exists()
