"""Reusing what the vectors do not change gives what running everything gives."""

from __future__ import annotations

import pytest
import torch

from memedit.bake import live as live_module
from memedit.bake import past as past_module
from memedit.bake import tail_attention
from memedit.bake.live import LivePass, Row
from memedit.bake.past import can_reuse, shared_heads
from memedit.errors import ModelError
from tests.bake.small import CONFIGS, WIDTH, editable, network

# Of different lengths; one is read at its first token, one in the middle and at its end.
ROWS = [
    Row((5, 9, 17, 3, 8, 11), at=2, owner=0, read=(3, 4, 5)),
    Row((7, 2, 4), at=0, owner=1, read=(1, 2)),
    Row((1, 2, 3, 4, 5, 6, 7, 8), at=5, owner=2, read=(5,)),
    Row((6, 6, 1, 9), at=3, owner=0, read=(3,)),
]


def _in_order(live, vectors):
    # Logits are given up to a constant of each.
    return torch.cat(live.logits(vectors))[live.order.argsort()].log_softmax(-1)


def _run(live, seed, parts):
    generator = torch.Generator().manual_seed(seed)
    vectors = {
        part: torch.randn(3, WIDTH, dtype=torch.float64, generator=generator).requires_grad_()
        for part in parts
    }
    logits = _in_order(live, vectors)
    logits.square().sum().backward()
    return logits.detach(), [vectors[part].grad for part in parts]


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize(
    ("layer", "parts"),
    [(0, ["mlp_out"]), (2, ["block_out"]), (1, ["attn_out", "mlp_out"]), (3, ["block_out"])],
)
def test_reuse_changes_nothing(family, layer, parts):
    model = editable(family)
    reused = LivePass(model, ROWS, layer, parts)
    assert reused.reuse
    whole = LivePass(model, ROWS, layer, parts, reuse=False)
    for seed in (0, 1):  # nothing of the first run is left in the second
        (logits, grads), (expected, expected_grads) = (
            _run(live, seed, parts) for live in (reused, whole)
        )
        assert torch.allclose(logits, expected, atol=1e-10)
        for grad, other in zip(grads, expected_grads, strict=True):
            assert torch.allclose(grad, other, rtol=1e-8, atol=1e-10)


@pytest.fixture(params=[1, 24], ids=["groups", "one group"])
def rows_of_a_group(request, monkeypatch):
    monkeypatch.setattr(past_module, "LEAST_TOKENS", request.param)
    return request.param


# Two that begin alike up to one's vector, two that begin alike beyond both, and one by itself.
ALIKE = [
    Row((5, 9, 17, 3, 8, 11), at=2, owner=0, read=(3, 4, 5)),
    Row((5, 9, 17, 4, 4), at=4, owner=1, read=(4,)),
    Row((2, 6, 6, 1, 9, 9), at=1, owner=2, read=(1, 5)),
    Row((2, 6, 6, 1, 7), at=3, owner=1, read=(3, 4)),
    Row((8, 3), at=0, owner=2, read=(1,)),
]


def test_what_rows_begin_with_alike_is_found():
    rows = [row.ids for row in ALIKE]
    assert shared_heads(rows, [9] * 5) == [3, 3, 4, 4, 0]
    assert shared_heads(rows, [row.at for row in ALIKE]) == [2, 3, 1, 3, 0]


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize(("layer", "parts"), [(1, ["mlp_out"]), (2, ["block_out"])])
def test_what_rows_begin_with_alike_is_run_once(family, layer, parts, monkeypatch):
    model = editable(family)
    expected, grads = _run(LivePass(model, ALIKE, layer, parts, reuse=False), 0, parts)
    for once in (True, False):
        if not once:
            monkeypatch.setattr(past_module, "shared_heads", lambda rows, _most: [0] * len(rows))
        logits, found = _run(LivePass(model, ALIKE, layer, parts), 0, parts)
        assert torch.allclose(logits, expected, atol=1e-10)
        assert torch.allclose(found[0], grads[0], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("family", CONFIGS)
def test_attention_that_cannot_be_replaced_gets_a_cache(family, monkeypatch):
    model, parts = editable(family), ["mlp_out"]
    replaced = LivePass(model, ROWS, 1, parts)
    expected, grads = _run(replaced, 0, parts)
    monkeypatch.setattr(live_module, "can_attend", lambda _model: False)
    cached = LivePass(model, ROWS, 1, parts)
    assert all(group._tails is None for group in cached._groups)
    logits, found = _run(cached, 0, parts)
    assert torch.allclose(logits, expected, atol=1e-10)
    assert torch.allclose(found[0], grads[0], rtol=1e-8, atol=1e-10)
    cached.keep(torch.tensor([0, 2]))
    vectors = torch.zeros(2, WIDTH, dtype=torch.float64)
    assert sum(len(part) for part in cached.logits({"mlp_out": vectors})) == 5


def test_what_came_before_is_attended_to_where_it_stands():
    groups = LivePass(editable("llama"), ROWS, 1, ["mlp_out"])._groups
    assert all(group._tails is not None for group in groups)


def test_layers_that_do_not_come_by_are_noticed(monkeypatch):
    model = editable("llama")
    live = LivePass(model, ROWS, 1, ["mlp_out"])
    monkeypatch.setattr(tail_attention, "NAME", "sdpa")  # its own attention goes on
    with pytest.raises(ModelError, match="eager"):
        live.logits({"mlp_out": torch.zeros(3, WIDTH, dtype=torch.float64)})
    assert model.network.config._attn_implementation == "sdpa"


def test_groups_change_nothing(monkeypatch):
    model, parts = editable("llama"), ["mlp_out"]
    together = _run(LivePass(model, ROWS, 1, parts), 0, parts)
    monkeypatch.setattr(past_module, "LEAST_TOKENS", 1)
    assert past_module.alike([8, 3, 4, 1, 9]) == [[3], [1, 2], [0, 4]]
    apart = LivePass(model, ROWS, 1, parts)
    assert len(apart._groups) > 1
    logits, grads = _run(apart, 0, parts)
    assert torch.allclose(logits, together[0], atol=1e-12)
    assert torch.allclose(grads[0], together[1][0], atol=1e-10)


@pytest.mark.parametrize("reuse", [True, False])
def test_rows_can_be_dropped(reuse, rows_of_a_group):
    model = editable("llama")
    live = LivePass(model, ROWS, 1, ["block_out"], reuse=reuse)
    vectors = torch.randn(3, WIDTH, dtype=torch.float64)
    everything = torch.cat(live.logits({"block_out": vectors}))
    kept = torch.tensor([0, 2])
    expected = everything[torch.isin(live.read_owners, kept)]
    live.keep(kept)
    assert sorted(live.read_owners.tolist()) == [0, 0, 0, 0, 1]
    found = torch.cat(live.logits({"block_out": vectors[kept]}))
    assert torch.allclose(found, expected, atol=1e-12)


def test_the_model_is_as_before(tmp_path):
    model = editable("llama")
    before = [dict(vars(block)) for block in model.network.model.layers]
    live = LivePass(model, ROWS, 2, ["block_out"])
    live.logits({"block_out": torch.zeros(3, WIDTH, dtype=torch.float64)})
    for block, state in zip(model.network.model.layers, before, strict=True):
        assert vars(block).keys() == state.keys()
        assert not block._forward_hooks
    assert not model.network.lm_head._forward_pre_hooks


def test_a_model_that_takes_no_positions_is_run_whole():
    assert can_reuse(network("gpt2"))
    model = network("llama")
    model.forward = lambda input_ids, attention_mask: None
    assert not can_reuse(model)
