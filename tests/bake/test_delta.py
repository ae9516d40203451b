from __future__ import annotations

import pytest
import torch

from memedit.bake import Delta, Editable, LowRank, load_delta, merge, save_delta
from memedit.errors import BakeError, ModelError
from tests.bake.small import KEYS, TOKENS, WIDTH, editable, network


def _delta(model: Editable, seed: int = 0, layers=(1, 2), rank: int = 2, size: float = 0.1):
    generator = torch.Generator().manual_seed(seed)
    factors = {
        model.blocks.mlp_out_path(layer): LowRank(
            torch.randn(rank, KEYS, generator=generator),
            size * torch.randn(WIDTH, rank, generator=generator),
        )
        for layer in layers
    }
    return Delta(
        edits=(f"e{seed}",), method="made", settings={"size": size}, seed=seed, base=model.base,
        factors=factors, figures={"é": 1.5}, state={"keys": torch.randn(KEYS, 1)},
    )  # fmt: skip


def _bits(model: Editable):
    return {
        name: value.clone().contiguous().view(torch.uint8)
        for name, value in model.network.state_dict().items()
        if value.ndim
    }


def _same(before, after):
    return all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_on_and_off_in_any_order_to_the_bit(family, dtype):
    model = editable(family, dtype)
    before = _bits(model)
    deltas = [_delta(model, seed, layers) for seed, layers in ((0, (1, 2)), (1, (2,)), (2, (0, 2)))]
    for delta in deltas:
        model.apply(delta)
    everything = _bits(model)
    assert not _same(before, everything)
    with model.untouched():
        assert _same(before, _bits(model))
    assert _same(everything, _bits(model))
    for i in (1, 0, 2):
        model.revert(deltas[i].id)
    assert _same(before, _bits(model))
    assert model.applied == ()
    again = editable(family, dtype)
    for delta in deltas:
        again.apply(delta)
    assert _same(everything, _bits(again))
    again.revert_all()
    assert _same(before, _bits(again))


def test_what_is_on_does_not_depend_on_what_came_off():
    model, other = editable("llama", torch.bfloat16), editable("llama", torch.bfloat16)
    first, second = _delta(model, 0), _delta(model, 1)
    model.apply(first)
    model.apply(second)
    model.revert(first.id)
    other.apply(second)
    assert _same(_bits(model), _bits(other))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_weight_changes_by_the_product_of_the_factors(family):
    model = editable(family)
    path = model.blocks.mlp_out_path(1)
    before = model.weight(path).clone()
    delta = _delta(model)
    model.apply(delta)
    change = delta.factors[path]
    assert torch.allclose(model.weight(path) - before, change.up.double() @ change.down.double())
    assert change.norm() == pytest.approx(float(change.dense().norm()))


def test_a_merge_changes_what_all_of_them_change():
    model = editable()
    deltas = [_delta(model, seed, rank=9) for seed in range(3)]  # together more than the width
    merged = merge(deltas)
    assert merged.edits == ("e0", "e1", "e2")
    for path, change in merged.factors.items():
        assert change.rank == WIDTH
        total = sum(delta.factors[path].dense() for delta in deltas)
        assert torch.allclose(change.dense(), total, atol=1e-5)
    with pytest.raises(BakeError, match="given twice"):
        merge([deltas[0], deltas[0]])
    with pytest.raises(BakeError, match="none to merge"):
        merge([])
    with pytest.raises(BakeError, match="different bases"):
        merge([deltas[0], _delta(Editable(network(seed=1), TOKENS))])


def test_scaling():
    model = editable()
    delta = _delta(model)
    half = delta.scaled(0.5)
    path = model.blocks.mlp_out_path(1)
    assert half.id != delta.id
    assert torch.allclose(2 * half.factors[path].dense(), delta.factors[path].dense())
    before = _bits(model)
    model.apply(delta.scaled(0))
    assert _same(before, _bits(model))


def test_another_base_is_refused_and_nothing_changes():
    model, other = editable(), Editable(network(seed=1), TOKENS)
    before = _bits(other)
    with pytest.raises(BakeError, match="made for the base"):
        other.apply(_delta(model))
    assert _same(before, _bits(other))
    one_bit = network()
    with torch.no_grad():
        one_bit.model.norm.weight[3] += 1e-12
    with pytest.raises(BakeError, match="made for the base"):
        Editable(one_bit, TOKENS).apply(_delta(model))
    with pytest.raises(BakeError, match="made for the base"):
        editable(dtype=torch.float32).apply(_delta(model))  # rounded: other weights


def test_what_does_not_fit_is_refused():
    model = editable()
    delta = _delta(model)
    model.apply(delta)
    with pytest.raises(BakeError, match="is on the weights already"):
        model.apply(delta)
    with pytest.raises(BakeError, match="is not on the weights"):
        model.revert("nothing")
    wide = LowRank(torch.ones(1, KEYS + 1), torch.ones(WIDTH, 1))
    path = model.blocks.mlp_out_path(0)
    made = {"edits": (), "method": "m", "settings": {}, "seed": 0, "base": model.base}
    with pytest.raises(BakeError, match=f"is {WIDTH} x {KEYS}"):
        model.apply(Delta(factors={path: wide}, **made))
    with pytest.raises(ModelError, match="no layer 'nowhere'"):
        model.apply(Delta(factors={"nowhere": wide}, **made))
    with pytest.raises(BakeError, match="cannot be multiplied"):
        LowRank(torch.ones(2, 3), torch.ones(3, 1))


def test_a_weight_that_others_changed_is_not_overwritten():
    model = editable()
    delta = _delta(model)
    model.apply(delta)
    with torch.no_grad():
        model.network.model.layers[1].mlp.down_proj.weight[0, 0] += 1
    with pytest.raises(BakeError, match="changed by something else"):
        model.revert(delta.id)


def test_a_dense_change_is_kept_exactly():
    for shape in ((3, 5), (5, 3)):
        change = torch.randn(shape)
        assert torch.equal(LowRank.of_dense(change).dense().float(), change)


def test_files_bring_back_the_same_delta(tmp_path):
    model = editable()
    delta = _delta(model)
    path = tmp_path / "a.safetensors"
    save_delta(delta, path)
    found = load_delta(path)
    for name in ("id", "edits", "method", "settings", "seed", "base", "after", "figures", "made"):
        assert getattr(found, name) == getattr(delta, name)
    for name, change in delta.factors.items():
        assert torch.equal(found.factors[name].up, change.up)
        assert torch.equal(found.factors[name].down, change.down)
    assert torch.equal(found.state["keys"], delta.state["keys"])
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save_delta(_delta(editable()), path)
    whole = path.read_bytes()
    later = whole.replace(b'\\"format\\": 1', b'\\"format\\": 2')
    assert later != whole
    for content in (b"", whole[:100], whole[:-1], later):
        path.write_bytes(content)
        with pytest.raises(BakeError):
            load_delta(path)
    with pytest.raises(BakeError, match="cannot be read"):
        load_delta(tmp_path / "none")
