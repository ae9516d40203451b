"""What every method must do, and what each is said to compute, on tiny models in float64."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from peft import LoraConfig

from memedit.bake import (
    Editable,
    Moments,
    get_method,
    load_delta,
    method_names,
    refusals,
    save_delta,
)
from memedit.bake import memory as memory_module
from memedit.bake.alphaedit import Settings as AlphaEdit
from memedit.bake.contexts import draw_prefixes, prepare
from memedit.bake.dem import Settings as Dem
from memedit.bake.ftm import Settings as FtM
from memedit.bake.memit import Settings as Memit
from memedit.bake.pmet import Settings as Pmet
from memedit.bake.reading import Site, read_last
from memedit.bake.rome import Settings as Rome
from memedit.bake.solve import with_ridge
from memedit.bake.targets import optimise
from memedit.edit import Edit
from memedit.errors import BakeError
from tests.bake.small import EDITS, MOMENTS, PREFIXES, TARGET, TOKENS, editable, network
from tests.bake.test_delta import _bits, _same

COMMON = {"target": TARGET, "prefixes": PREFIXES, "moments": MOMENTS}
LAYERS = (1, 2)
SETTINGS = {
    "alphaedit": AlphaEdit(layers=LAYERS, null_energy=0.3, weight=0.1, **COMMON),
    "dem": Dem(layers=LAYERS, top=2, share=0.8, **COMMON),
    "ft-m": FtM(layer=2, steps=4, learning_rate=1e-2),
    "memit": Memit(layers=LAYERS, moment_weight=0.5, **COMMON),
    "pmet": Pmet(layers=LAYERS, share=0.8, **COMMON),
    "rome": Rome(layer=1, **COMMON),
}
MADE = Moments()  # read once for all tests; the base is the same


def _compute(model, name, edits=EDITS, **changes):
    settings = SETTINGS[name].model_copy(update=changes)
    return get_method(name).compute(model, edits, settings, moments=MADE)


def _nll(model, edit):
    ids, begin = model.tokens.joined(edit.cloze, f" {edit.target_new}")
    with torch.no_grad():
        logs = model.network(torch.tensor([ids])).logits[0].log_softmax(-1)
    return -sum(float(logs[i - 1, ids[i]]) for i in range(begin, len(ids))) / (len(ids) - begin)


def test_every_method_has_settings_here():
    assert sorted(SETTINGS) == method_names()


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("family", ["llama_tied", "gpt2", "gptj"])
def test_contract(name, family, tmp_path):
    model = editable(family)
    before = _bits(model)
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.network.modules())
    delta = _compute(model, name)
    assert _same(before, _bits(model))
    assert hooks == sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.network.modules()
    )
    assert delta.edits == tuple(edit.id for edit in EDITS)
    assert delta.method == name
    assert type(SETTINGS[name]).model_validate(delta.settings) == SETTINGS[name]
    assert all(0 < size < math.inf for size in delta.figures["relative"].values())
    was = [_nll(model, edit) for edit in EDITS]
    model.apply(delta)
    now = [_nll(model, edit) for edit in EDITS]
    assert sum(now) < sum(was)  # random weights: the targets become likelier
    model.revert(delta.id)
    assert _same(before, _bits(model))
    save_delta(delta, tmp_path / "d")
    assert load_delta(tmp_path / "d").figures == delta.figures


@pytest.mark.parametrize("name", SETTINGS)
def test_the_same_seed_gives_the_same_delta_also_on_top_of_others(name):
    model, other = editable(), editable()
    first = _compute(model, name, EDITS[:1])
    again = _compute(other, name, EDITS[:1])
    for path, change in first.factors.items():
        assert torch.equal(change.dense(), again.factors[path].dense())
    model.apply(first)
    before = _bits(model)
    second = _compute(model, name, EDITS[1:])
    assert second.after == (first.id,)
    assert _same(before, _bits(model))


@pytest.mark.parametrize("name", SETTINGS)
def test_each_alone_is_what_it_is_alone(name):
    model = editable()
    settings = SETTINGS[name]
    each = get_method(name).compute_each(model, EDITS, settings, moments=MADE)
    for edit, delta in zip(EDITS, each, strict=True):
        alone = _compute(model, name, [edit])
        assert delta.edits == (edit.id,)
        for path, change in alone.factors.items():
            assert torch.allclose(delta.factors[path].dense(), change.dense(), atol=1e-5)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_failure_leaves_every_weight(name, monkeypatch):
    model = editable()
    before = _bits(model)

    def fail(*_args):
        if _args[1:2] != (0,) and _args[0] != "second moments":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get_method(name).compute(model, EDITS, SETTINGS[name], moments=MADE, watch=fail)
    assert _same(before, _bits(model))


@pytest.mark.parametrize("name", SETTINGS)
def test_what_cannot_be_written_is_refused(name):
    model = editable()
    method, long = (
        get_method(name),
        Edit(id="long", subject="Greece", prompt="The capital of {} is", target_new="x" * 300),
    )
    text = Edit(id="text", kind="free_text", statement="Rain is wet.", target_new="wet")
    assert sorted(refusals(model, [*EDITS, long, text], SETTINGS[name])) == ["long", "text"]
    for edits, message in (
        ([], "none to bake"),
        ([EDITS[0], EDITS[0]], "'messi' is given twice"),
        ([EDITS[0], long], "'long': it takes"),
        ([text], "'text': it is free text"),
    ):
        with pytest.raises(BakeError, match=message):
            method.compute(model, edits, SETTINGS[name], moments=MADE)
    other = SETTINGS["rome" if name != "rome" else "memit"]
    with pytest.raises(BakeError, match=f"settings: {name} takes its own"):
        method.compute(model, EDITS, other, moments=MADE)
    deep = {"layer": 9} if hasattr(SETTINGS[name], "layer") else {"layers": (1, 9)}
    with pytest.raises(BakeError, match="there is no layer 9"):
        _compute(model, name, **deep)


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - {"ft-m"}))
def test_too_little_memory_is_said_beforehand(name, monkeypatch):
    model = editable()
    monkeypatch.setattr(memory_module, "free_bytes", lambda _device: 1000)
    with pytest.raises(BakeError, match=r"GiB are needed on cpu, 0\.0 GiB are free"):
        _compute(model, name)


# -- what each is said to compute ----------------------------------------------------------------


@pytest.mark.parametrize("family", ["llama", "gpt2", "gptj"])
def test_rome_gives_the_key_its_value(family):
    model = editable(family)
    prepared = prepare(model, EDITS[:1], PREFIXES, seed=0)
    key, value = Site(1, "mlp_in"), Site(1, "mlp_out")
    before = prepared.read(model, [key, value])
    delta = _compute(model, "rome", EDITS[:1])
    size = float(before[value].norm())
    found = optimise(model, prepared.wanted([[size]]), 1, ["mlp_out"], TARGET)
    wanted = before[value] + found.vectors["mlp_out"]
    model.apply(delta)
    after = prepared.read(model, [key, value])
    assert torch.equal(after[key], before[key])
    # The delta is kept in float32; in float64 the rank-one update is exact to 1e-8.
    assert torch.allclose(after[value], wanted, rtol=1e-5, atol=1e-6)
    update = delta.factors[model.blocks.mlp_out_path(1)]
    u = update.down[0].double()
    moment = with_ridge(MADE.of(model, [1], MOMENTS)[1], MOMENTS.ridge)
    direction = torch.linalg.solve(moment, before[key][0])
    assert torch.allclose(u, direction / direction.norm(), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "site", "divide"),
    [
        ("memit", "block_out", float),
        ("pmet", "mlp_out", math.sqrt),
        ("alphaedit", "block_out", float),
    ],
)
def test_spreading_is_algorithm_one(name, site, divide):
    """The first layer's change from Z, H and K, read apart; and what the last layer reaches."""
    model = editable()
    prepared = prepare(model, EDITS, PREFIXES, seed=0)
    parts = ["attn_out", "mlp_out"] if name == "pmet" else [site]
    sites = [Site(2, part) for part in parts]
    now = prepared.read_bare(model, sites)
    sizes = torch.stack([now[s].norm(dim=1) for s in sites], dim=1)
    found = optimise(model, prepared.wanted(sizes.tolist()), 2, parts, TARGET)
    residual = found.vectors[site].T / divide(2)
    keys = prepared.read(model, [Site(1, "mlp_in")])[Site(1, "mlp_in")].T
    moment = MADE.of(model, [1], MOMENTS)[1]
    if name == "alphaedit":
        values, vectors = torch.linalg.eigh(moment)
        free = vectors[:, values.cumsum(0) <= 0.3 * values.sum()]
        projection = free @ free.T
        system = projection @ keys @ keys.T + 0.1 * torch.eye(len(keys))
        expected = residual @ torch.linalg.solve(system, projection @ keys).T
    else:
        moment = with_ridge(moment, MOMENTS.ridge)
        weight = 0.5
        if name == "pmet":
            leverage = (keys * torch.linalg.solve(moment, keys)).sum(0).median()
            weight = float(leverage) * 0.25  # (1 - 0.8) / 0.8
        inverse = torch.linalg.inv(weight * moment + keys @ keys.T)
        expected = residual @ keys.T @ inverse
    delta = _compute(model, name)
    change = delta.factors[model.blocks.mlp_out_path(1)].dense()
    assert torch.allclose(change, expected, rtol=1e-5, atol=1e-6)
    assert list(delta.factors) == [model.blocks.mlp_out_path(layer) for layer in LAYERS]
    reached = [figures["reached"] for figures in delta.figures["edits"].values()]
    model.apply(delta)
    after = prepared.read_bare(model, [Site(2, site)])[Site(2, site)]
    goal = now[Site(2, site)] + found.vectors[site]
    missing = (goal - after).norm(dim=1) / found.vectors[site].norm(dim=1)
    assert reached == pytest.approx((1 - missing).tolist(), abs=1e-5)


def test_alphaedit_spares_second_moments_where_it_is_told_to():
    model = editable()
    path = model.blocks.mlp_out_path(1)
    moment = MADE.of(model, [1], MOMENTS)[1]
    shares = {"weight": None, "share": 0.5, "null_energy": 0.5}
    size, spared = (
        _compute(model, "alphaedit", EDITS[:1], penalty=penalty, **shares).factors[path].dense()
        for penalty in ("size", "moment")
    )
    assert float((spared @ moment * spared).sum()) < 0.95 * float((size @ moment * size).sum())


def test_alphaedit_protects_earlier_batches():
    model = editable()
    first = _compute(model, "alphaedit", EDITS[:1], weight=1e-6)
    model.apply(first)
    kept = _compute(model, "alphaedit", EDITS[1:], weight=1e-6)
    model.revert(first.id)
    free = _compute(model, "alphaedit", EDITS[1:], weight=1e-6)
    path = model.blocks.mlp_out_path(1)
    key = first.state[f"keys:{path}"].double()
    moved = [float((d.factors[path].dense() @ key).norm()) for d in (kept, free)]
    assert moved[0] < 0.05 * moved[1]


def test_ft_m_reports_its_losses_and_learns():
    model = editable()
    delta = _compute(model, "ft-m", steps=8)
    losses = delta.figures["loss"]
    assert losses[-1] < losses[0]
    assert losses[0] == pytest.approx(sum(_nll(model, edit) for edit in EDITS) / 3, rel=1e-6)


def test_a_block_that_scales_its_mlp_is_refused_where_the_stream_is_solved_for():
    model = editable()
    layer = model.network.model.layers[2].mlp
    forward = layer.forward
    layer.forward = lambda x: 0.2 * forward(x)
    for name in ("memit", "alphaedit"):
        with pytest.raises(BakeError, match="does not add its MLP's output"):
            _compute(model, name)


def test_a_model_with_a_switched_off_adapter_is_its_base():
    plain, wrapped = network(), network()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)  # PEFT's own
        wrapped.add_adapter(LoraConfig(target_modules="all-linear", init_lora_weights=False))
        wrapped.disable_adapters()
    models = [Editable(plain, TOKENS), Editable(wrapped, TOKENS)]
    deltas = [_compute(model, "rome", EDITS[:1]) for model in models]
    path = models[0].blocks.mlp_out_path(1)
    assert models[0].base == models[1].base
    assert torch.equal(deltas[0].factors[path].dense(), deltas[1].factors[path].dense())
    models[1].apply(deltas[0])
    models[1].revert(deltas[0].id)


def test_prefixes_are_drawn_alike_and_begin_as_asked():
    model = editable()
    texts = draw_prefixes(model, PREFIXES, seed=3)
    assert texts == draw_prefixes(model, PREFIXES, seed=3)
    assert texts != draw_prefixes(model, PREFIXES, seed=4)
    assert len(texts) == 4
    assert all(text.endswith(". ") for text in texts)
    assert texts[1].startswith("The")


def test_turns_of_a_chat_stand_beside_the_prefixed_texts():
    model, site = editable(), Site(1, "mlp_in")
    settings = PREFIXES.model_copy(update={"chat": True})
    prepared = prepare(model, EDITS, settings, seed=0)
    assert [len(texts) for texts in prepared.texts] == [1 + 4 + 2] * 3
    assert prepared.shares == pytest.approx((0.9, *[0.1 / 6] * 6))
    keys = read_last(model, [text.upto_subject for text in prepared.texts[1]], [site])[site]
    mean = (keys * torch.tensor(prepared.shares, dtype=keys.dtype)[:, None]).sum(0)
    assert torch.allclose(prepared.read(model, [site])[site][1], mean, atol=1e-10)
    turn = prepared.texts[1][-1]
    assert TOKENS.decode(turn.targets).strip() == "Oslo"
    assert turn.ids[: turn.target] == tuple(
        TOKENS.encode_chat([{"role": "user", "content": EDITS[1].asked}])
    )


def test_what_is_too_long_for_a_turn_of_a_chat_alone_is_refused_where_one_is_wanted():
    model, plain = editable(), SETTINGS["memit"]
    context = model.network.config.max_position_embeddings
    prompt, target = "The capital of {} is", "x" * 300
    while refusals(
        model, [edit := EDITS[0].model_copy(update={"prompt": prompt, "target_new": target})], plain
    ):
        target = target[1:]
    chat = plain.model_copy(update={"prefixes": PREFIXES.model_copy(update={"chat": True})})
    [error] = refusals(model, [edit], chat).values()
    assert f"the model reads {context}" in error.message
