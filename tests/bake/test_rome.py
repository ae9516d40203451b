from __future__ import annotations

import pytest
import torch

from memedit.bake import Moments, get_method
from memedit.bake.contexts import prepare
from memedit.bake.reading import Site
from memedit.bake.rome import Settings
from tests.bake.small import EDITS, MOMENTS, PREFIXES, TARGET, editable

SETTINGS = Settings(layer=1, target=TARGET, prefixes=PREFIXES, moments=MOMENTS)
KEY, VALUE = Site(1, "mlp_in"), Site(1, "mlp_out")


@pytest.mark.parametrize("family", ["llama", "gpt2", "gptj"])
def test_the_averaged_key_gets_exactly_the_target_value(family):
    model = editable(family)
    prepared = prepare(model, EDITS[:1], PREFIXES, seed=0)
    before = prepared.read(model, [VALUE])[VALUE]
    delta = get_method("rome").compute(model, EDITS[:1], SETTINGS, moments=Moments())
    assert torch.equal(prepared.read(model, [VALUE])[VALUE], before)  # the weights are untouched
    model.apply(delta)
    after = prepared.read(model, [KEY, VALUE])
    [figures] = delta.figures["edits"].values()
    assert float((after[VALUE] - before).norm()) == pytest.approx(
        figures["relative"] * float(before.norm()), rel=1e-6
    )
