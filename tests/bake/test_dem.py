"""DEM: which layers an edit chooses, what is written into them, and edits in free text."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from memedit.bake import Editable, LowRank, export_peft, get_method, refusals, weights_of
from memedit.bake.chosen import choose, mean_of, similarities
from memedit.bake.contexts import prepare
from memedit.bake.dem import Settings
from memedit.bake.placeholders import named
from memedit.bake.reading import Site
from memedit.bake.solve import with_ridge
from memedit.bake.targets import Objective, optimise
from memedit.edit import Edit
from memedit.errors import BakeError
from tests.bake.small import EDITS, LAYERS, MOMENTS, PREFIXES, TARGET, TOKENS, WIDTH, editable
from tests.bake.test_delta import _bits, _same
from tests.bake.test_methods import MADE, SETTINGS

COMMON = {"target": TARGET, "prefixes": PREFIXES, "moments": MOMENTS}
DEM = Settings(layers=(1, 2), top=2, moment_weight=0.5, **COMMON)
FREE = [
    Edit(id="x", kind="free_text", subject="PersonX mends ___ for PersonY",
         prompt="{}, as a result, others want to", target_new="say thanks"),
    Edit(id="bare", kind="free_text", prompt="Wenn es regnet, wird die Straße", target_new="nass"),
    Edit(id="long", kind="free_text", prompt="A dog that barks", target_new="wants " * 25 + "in"),
    Edit(id="han", kind="free_text", prompt="下雨的时候，路会", target_new="变湿"),
]  # fmt: skip


def _compute(model, edits=EDITS, **changes):
    settings = Settings.model_validate({**DEM.model_dump(), **changes})
    return get_method("dem").compute(model, edits, settings, moments=MADE)


# -- the choice of layers ------------------------------------------------------------------------


def test_the_layers_nearest_zero_are_chosen():
    cosines = torch.tensor([[0.0, 0.9, -0.2, 0.5, 0.1], [0.9, 0.8, -0.9, 0.1, 0.2]])
    assert choose(cosines, 3, range(5)) == [(0, 2, 4), (1, 3, 4)]
    assert choose(cosines, 2, [1, 2, 3]) == [(2, 3), (1, 3)]
    with pytest.raises(BakeError, match="top: 4 layers are to be chosen of 3"):
        choose(cosines, 4, [1, 2, 3])
    with pytest.raises(BakeError, match="among: the model has no layer 7"):
        choose(cosines, 1, [1, 7])


def test_edits_that_share_a_vector_choose_together():
    edits = [
        Edit(id=f"messi-{i}", subject="Lionel Messi", prompt=prompt, target_new="golf")
        for i, prompt in enumerate(("{} plays", "{} was born in the town of", "{} never"))
    ] + EDITS[1:]
    cosines = torch.tensor([[0.1, 0.9, 0.5], [0.9, 0.1, 0.4], [0.5, 0.5, 0.0]])
    mean = [[0.5, 0.5, 0.45]] * 2 + [[0.5, 0.5, 0.0]]
    assert torch.allclose(mean_of(cosines, [[0, 1]]), torch.tensor(mean))
    apart = _compute(editable(), edits, token="subject", top=1, among=(0, 1, 2))
    model, target = editable(), TARGET.model_copy(update={"joint": True})
    joint = _compute(model, edits, token="subject", top=1, among=(0, 1, 2), target=target)
    chosen = [
        [tuple(delta.figures["edits"][edit.id]["layers"]) for edit in edits]
        for delta in (apart, joint)
    ]
    assert len(set(chosen[0][:3])) > 1 and len(set(chosen[1][:3])) == 1
    assert chosen[0][3:] == chosen[1][3:]
    lengths = [joint.figures["edits"][edit.id]["relative"] for edit in edits[:3]]
    assert lengths[0] == lengths[1] == lengths[2]


def test_layers_are_chosen_among_those_that_are_given_or_behind_the_boundary():
    assert list(DEM.open_layers(5)) == [0, 1, 2, 3, 4]
    assert list(Settings(**DEM.model_dump() | {"boundary": 2}).open_layers(5)) == [2]
    some = Settings(**DEM.model_dump() | {"boundary": 2, "among": (0, 1)})
    assert list(some.open_layers(5)) == [0, 1]
    delta = _compute(editable("llama"), among=(0, 1))
    chosen = {layer for edit in delta.figures["edits"].values() for layer in edit["layers"]}
    assert chosen == {0, 1}


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("of", ["block", "mlp", "attention"])
def test_similarities_are_cosines_of_the_stream_at_the_prompts_last_token(family, of):
    model = editable(family)
    prepared = prepare(model, EDITS[:1], PREFIXES, seed=0)
    text = prepared.texts[0][0]
    ids = torch.tensor([text.ids[: text.target]])
    seen = []
    blocks = model.blocks
    module = {"block": blocks.block, "mlp": blocks.mlp_out, "attention": blocks.attn_out}[of]
    handle = module(2).register_forward_hook(
        lambda _m, _a, out: seen.append((out[0] if isinstance(out, tuple) else out)[0, -1])
    )
    with torch.no_grad():
        states = model.network(ids, output_hidden_states=True).hidden_states
    handle.remove()
    before = states[2][0, -1]
    if of == "mlp":  # the stream behind the attention
        before = states[3][0, -1] - seen[0]
    expected = torch.nn.functional.cosine_similarity(before, seen[0], dim=0)
    found = similarities(model, prepared, of)
    assert found.shape == (1, LAYERS)
    assert float(found[0, 2]) == pytest.approx(float(expected), abs=1e-10)


def test_edits_with_other_layers_share_those_in_common(monkeypatch):
    model = editable()
    own = {"messi": (0, 2), "greece": (1, 2), "first": (0, 1)}
    monkeypatch.setattr("memedit.bake.dem.choose", lambda *_: [own[edit.id] for edit in EDITS])
    delta = _compute(model)
    assert {i: tuple(f["layers"]) for i, f in delta.figures["edits"].items()} == own
    ranks = {path: change.rank for path, change in delta.factors.items()}
    for layer, edits in ((0, 2), (1, 2), (2, 2)):
        for path in (model.blocks.attn_out_path(layer), model.blocks.mlp_out_path(layer)):
            assert ranks.pop(path) == edits
    assert not ranks


def test_edits_that_did_not_choose_a_layer_are_held_there(monkeypatch):
    model = editable()
    own = {"messi": (0, 1), "greece": (0, 2), "first": (1, 2)}
    monkeypatch.setattr("memedit.bake.dem.choose", lambda *_: [own[edit.id] for edit in EDITS])
    path, site = model.blocks.attn_out_path(0), Site(0, "attn_in")
    keys = prepare(model, EDITS, PREFIXES, seed=0).at_last().read(model, [site])[site]
    moved = {}
    for hold in (False, True):
        change = _compute(model, hold=hold, moment_weight=1e-4).factors[path]
        assert change.rank == 2
        moved[hold] = (change.dense().double() @ keys.T).norm(dim=0)
    assert moved[True][2] < 0.05 * moved[False][2]  # "first" did not choose layer 0
    assert torch.allclose(moved[True][:2], moved[False][:2], rtol=0.1)


def test_attentions_may_get_a_share_of_their_own():
    model = editable()
    norms = {}
    for share in (None, 1e-3):
        delta = _compute(model, dynamic=False, moment_weight=None, share=0.5, attention_share=share)
        attention = model.blocks.attn_out_path(1), model.blocks.mlp_out_path(1)
        norms[share] = [delta.factors[path].norm() for path in attention]
    assert norms[1e-3][0] < 0.05 * norms[None][0]
    assert norms[1e-3][1] > norms[None][1]  # what it leaves is the MLP's to bring about


# -- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize(
    ("residual", "divide", "by"),
    [("module", "root", math.sqrt(2)), ("module", "count", 2), ("stream", "count", 4)],
)
def test_the_first_change_is_the_closed_form(family, residual, divide, by, monkeypatch):
    """R K^T (lambda C + K K^T)^-1 of the lowest layer's attention, each part read apart."""
    model = editable(family)
    written = []
    of = LowRank.of

    def kept(up, down):  # before it is rounded to float32
        written.append(up @ down)
        return of(up, down)

    monkeypatch.setattr(LowRank, "of", kept)
    delta = _compute(model, dynamic=False, residual=residual, divide=divide)
    prepared = prepare(model, EDITS, PREFIXES, seed=0).at_last()
    parts = ["attn_out", "mlp_out"]
    sites = [Site(2, part) for part in parts]
    now = prepared.read_bare(model, [*sites, Site(2, "block_out")])
    sizes = torch.stack([now[site].norm(dim=1) for site in sites], dim=1)
    found = optimise(model, prepared.wanted(sizes.tolist()), 2, parts, TARGET)
    missing = found.vectors["attn_out"]
    if residual == "stream":
        missing = _stream_with(model, prepared, found) - now[Site(2, "block_out")]
    keys = prepared.read(model, [Site(1, "attn_in")])[Site(1, "attn_in")].T
    moment = with_ridge(MADE.of(model, [1], MOMENTS, part="attn_in")[1], MOMENTS.ridge)
    inverse = torch.linalg.inv(0.5 * moment + keys @ keys.T)
    expected = missing.T / by @ keys.T @ inverse
    assert torch.allclose(written[0], expected, rtol=0, atol=1e-8)
    assert list(delta.factors) == [
        path(layer)
        for layer in (1, 2)
        for path in (model.blocks.attn_out_path, model.blocks.mlp_out_path)
    ]


def _stream_with(model, prepared, found):
    """What block 2 gives at each prompt's last token with both vectors added."""
    rows = []
    for i, texts in enumerate(prepared.texts):
        handles = []
        modules = {"attn_out": model.blocks.attn_out(2), "mlp_out": model.blocks.mlp_out(2)}
        for part, module in modules.items():
            vector = found.vectors[part][i]

            def add(_module, _args, out, vector=vector):
                out = out.clone()
                out.view(-1, WIDTH)[-1] += vector
                return out

            handles.append(module.register_forward_hook(add))
        ids = torch.tensor([texts[0].upto_subject])
        with torch.no_grad():
            states = model.network(ids, output_hidden_states=True).hidden_states
        rows.append(states[3][0, -1])
        for handle in handles:
            handle.remove()
    return torch.stack(rows)


def test_query_heads_may_be_wider_than_the_stream(tmp_path):
    config = LlamaConfig(
        vocab_size=len(TOKENS.tokenizer), hidden_size=WIDTH, intermediate_size=24,
        num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        max_position_embeddings=256, initializer_range=0.3,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AutoModelForCausalLM.from_config(config).to(torch.float64).eval()
    model = Editable(network, TOKENS)
    before = _bits(model)
    delta = get_method("dem").compute(model, EDITS, DEM, moments=type(MADE)())
    shapes = {change.shape for change in delta.factors.values()}
    assert shapes == {(WIDTH, 32), (WIDTH, 24)}
    model.apply(delta)
    assert not _same(before, _bits(model))
    export_peft(delta, model, tmp_path / "adapter")
    model.revert(delta.id)
    assert _same(before, _bits(model))


@pytest.mark.parametrize(("off", "left"), [("mlp", "attn_out"), ("attention", "mlp_out")])
def test_a_module_can_be_left_out(off, left):
    model = editable()
    delta = _compute(model, **{off: False})
    assert set(delta.factors) <= set(
        weights_of(Settings.model_validate(delta.settings), model.blocks)
    )
    assert all(set(f["relative"]) == {left} for f in delta.figures["edits"].values())
    kept = model.blocks.facts.mlp_out if off == "mlp" else model.blocks.facts.attn_out
    assert not any(path.endswith(kept) for path in delta.factors)
    with pytest.raises(ValueError, match="one of mlp and attention must be on"):
        Settings.model_validate({**DEM.model_dump(), "mlp": False, "attention": False})


def test_vectors_that_reach_nothing_are_refused():
    with pytest.raises(BakeError, match=r"'messi': its layers end in the last one, 3.*"):
        _compute(editable(), dynamic=False, layers=(2, 3), token="subject")


def test_the_divergence_on_the_answer_is_the_formula():
    model = editable("gpt2")
    prepared = prepare(model, EDITS[:1], PREFIXES, seed=0).at_last()
    wanted = prepared.wanted([[1.0]])
    settings = TARGET.model_copy(update={"kl_on": "answer", "reuse": False})
    objective = Objective(model, wanted, 1, ["mlp_out"], settings)
    zero = torch.zeros(1, WIDTH, dtype=torch.float64)
    assert objective.terms({"mlp_out": zero}).divergence.detach().item() == 0
    vector = torch.linspace(-2, 2, WIDTH, dtype=torch.float64)[None]
    found = objective.terms({"mlp_out": vector}).divergence.detach()
    text = prepared.texts[0][0]
    ids = torch.tensor([text.ids])

    def add(_module, _args, out):
        out = out.clone()
        out[0, text.target - 1] += vector[0]
        return out

    with torch.no_grad():
        clean = model.network(ids).logits.log_softmax(-1)[0, text.target - 1 : -1]
        handle = model.blocks.mlp_out(1).register_forward_hook(add)
        edited = model.network(ids).logits.log_softmax(-1)[0, text.target - 1 : -1]
        handle.remove()
    expected = TARGET.kl * (edited.exp() * (edited - clean)).sum(-1).mean()
    assert float(found) == pytest.approx(float(expected), abs=1e-10)


# -- placeholders --------------------------------------------------------------------------------


def test_names_stand_in_for_people_in_subject_prompt_and_target():
    edit = FREE[0].changed(prompt="{}, so person y thanks PersonX", target_new="PersonZ's friend")
    other = named(edit, ("Tom", "Maria", "Paul"), id="o")
    assert other is not None and (other.id, other.kind) == ("o", "free_text")
    assert other.subject == "Tom mends ___ for Maria"
    assert other.prompt == "{}, so Maria thanks Tom"
    assert other.target_new == "Paul's friend"
    assert named(EDITS[0], ("Tom", "Maria", "Paul"), id="o") is None
    assert named(FREE[1], ("Tom", "Maria", "Paul"), id="o") is None


def test_an_edit_is_written_for_names_as_well():
    edits = [FREE[0], *EDITS]
    names = ("Tom", "Maria", "Paul")
    changes = {"token": "subject", "residual": "stream", "divide": "count", "dynamic": False,
               "moment_weight": 1e-6}  # fmt: skip
    site, model = Site(2, "block_out"), editable()
    person = prepare(model, edits[:1], PREFIXES, seed=0)
    tom = prepare(model, [named(edits[0], names, id="o")], PREFIXES, seed=0)

    def read():
        return [p.read_bare(model, [site])[site][0] for p in (person, tom)]

    before = read()
    moved = []
    for given in ((), (names,)):
        delta = _compute(model, edits, names=given, **changes)
        assert set(delta.figures["edits"]) == {edit.id for edit in edits} == set(delta.edits)
        model.apply(delta)
        moved.append([after - earlier for after, earlier in zip(read(), before, strict=True)])
        model.revert(delta.id)
    without, having = (torch.cosine_similarity(*both, dim=0) for both in moved)
    assert without < 0.9 and having > 0.99  # Tom's changes as PersonX's does


# -- free text -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dem", "memit"])
def test_free_text_is_written_at_its_subject_or_its_prompts_end(name):
    model = editable()
    settings = DEM if name == "dem" else SETTINGS[name]
    assert refusals(model, FREE, settings) == {}
    prepared = prepare(model, FREE, PREFIXES, seed=0)
    for edit, texts, essence in zip(FREE, prepared.texts, prepared.essences, strict=True):
        said = TOKENS.decode(texts[0].targets).strip()
        assert said.replace(" ", "") == edit.target_new.replace(" ", "")
        assert (essence is None) == (not edit.subject)
        assert (texts[0].subject == texts[0].target - 1) == (not edit.subject)
    delta = get_method(name).compute(model, FREE[:2], settings, moments=MADE)
    assert delta.edits == ("x", "bare")


def test_free_text_without_a_prompt_is_refused_with_a_remedy():
    model = editable()
    said = Edit(id="said", kind="free_text", statement="Rain is wet.", target_new="wet")
    error = refusals(model, [said], DEM)["said"]
    assert "'said': it is free text without a prompt" in error.message
    assert "Give it a prompt" in error.hint
    turns = PREFIXES.model_copy(update={"chat": True})
    with pytest.raises(BakeError, match="without a subject, which turns of a chat need"):
        prepare(model, FREE[1:2], turns, seed=0)
