from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from memedit.bake import targets
from memedit.bake.contexts import prepare
from memedit.bake.reading import Site
from memedit.bake.targets import Objective, _adam, optimise
from memedit.edit import Edit
from tests.bake.small import EDITS, PREFIXES, TARGET, WIDTH, editable

PARTS = {"rome": ["mlp_out"], "memit": ["block_out"], "pmet": ["attn_out", "mlp_out"]}


def _wanted(model, parts, layer=1):
    prepared = prepare(model, EDITS, PREFIXES, seed=0)
    sites = [Site(layer, part) for part in parts]
    read = prepared.read_bare(model, sites)
    sizes = torch.stack([read[site].norm(dim=1) for site in sites], dim=1)
    return prepared.wanted(sizes.tolist())


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_together_is_what_each_is_alone_and_as_published(family, parts):
    model = editable(family)
    wanted = _wanted(model, parts)
    settings = TARGET.model_copy(update={"adaptive": len(parts) == 2, "at_once": 3})
    told: list[int] = []
    together = optimise(model, wanted, 1, parts, settings, told.append)
    assert told == sorted(told) and told[-1] == len(wanted)
    published = settings.model_copy(update={"at_once": 1, "reuse": False})
    alone = optimise(model, wanted, 1, parts, published)
    for part in parts:
        assert together.vectors[part].norm(dim=1).min() > 0
        assert torch.allclose(together.vectors[part], alone.vectors[part], atol=1e-8)
    assert together.losses == pytest.approx(alone.losses, abs=1e-8)
    assert together.steps == alone.steps


@pytest.mark.parametrize("reuse", [True, False])
def test_mixed_precision_changes_little_and_nothing_but_float32(reuse):
    mixed = TARGET.model_copy(update={"mixed": True, "reuse": reuse})
    model = editable("llama", torch.float32)
    wanted = _wanted(model, ["block_out"])
    exact, rough = (optimise(model, wanted, 1, ["block_out"], s) for s in (TARGET, mixed))
    vectors, others = exact.vectors["block_out"], rough.vectors["block_out"]
    assert others.dtype == torch.float32
    assert not torch.equal(vectors, others)
    assert torch.cosine_similarity(vectors, others).min() > 0.99
    assert rough.losses == pytest.approx(exact.losses, abs=0.05)
    double = editable("llama")
    exact, same = (
        optimise(double, _wanted(double, ["block_out"]), 1, ["block_out"], s)
        for s in (TARGET.model_copy(update={"reuse": reuse}), mixed)
    )
    assert torch.equal(exact.vectors["block_out"], same.vectors["block_out"])


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_gradients_are_those_of_finite_differences(parts):
    model = editable("gpt2")  # Llama's norms compute in float32 whatever the model's format
    objective = Objective(model, _wanted(model, parts), 1, parts, TARGET)
    zeros = {part: torch.zeros(3, WIDTH, dtype=torch.float64) for part in parts}
    objective.terms(zeros)  # where the model is itself
    generator = torch.Generator().manual_seed(1)

    def loss(*vectors):
        return objective.terms(dict(zip(parts, vectors, strict=True))).loss

    at = [torch.randn(3, WIDTH, generator=generator, dtype=torch.float64) for _ in parts]
    assert torch.autograd.gradcheck(loss, [v.requires_grad_() for v in at], fast_mode=True)


def test_the_loss_is_the_formula():
    model = editable("gpt2")
    wanted = _wanted(model, ["block_out"])
    objective = Objective(model, wanted, 1, ["block_out"], TARGET)
    zero = torch.zeros(3, WIDTH, dtype=torch.float64)
    terms = objective.terms({"block_out": zero})
    for i, edit in enumerate(wanted):
        nlls = []
        for text in edit.texts[0]:
            with torch.no_grad():
                logits = model.network(torch.tensor([text.ids])).logits[0]
            logs = logits.log_softmax(-1)[text.target - 1 : -1]
            nlls.append(-sum(logs[n, t] for n, t in enumerate(text.targets)) / len(text.targets))
        assert terms.nll[i].item() == pytest.approx(float(sum(nlls) / len(nlls)), abs=1e-10)
    assert terms.divergence.abs().max() < 1e-12
    delta = torch.randn(3, WIDTH, dtype=torch.float64)
    terms = objective.terms({"block_out": delta})
    decay = delta.norm(dim=1) / torch.tensor([e.sizes[0] for e in wanted]) ** 2
    assert torch.allclose(terms.loss, terms.nll + terms.divergence + TARGET.weight_decay * decay)
    assert (terms.divergence > 0).all()


SISTERS = [
    EDITS[0],
    Edit(id="eats", subject="Lionel Messi", prompt="{} eats", target_new="an apple"),
    EDITS[1],
    Edit(id="lives", subject="Lionel Messi", prompt="{} lives in", target_new="Oslo"),
]


@pytest.mark.parametrize("at_once", [1, 8])
def test_edits_at_one_key_share_a_vector(at_once):
    model = editable()
    wanted = prepare(model, SISTERS, PREFIXES, seed=0).wanted([[2.0]] * 4)
    told: list[int] = []
    free = TARGET.model_copy(update={"weight_decay": 0.0, "steps": 30})
    settings = free.model_copy(update={"joint": True, "at_once": at_once})
    joint = optimise(model, wanted, 1, ["block_out"], settings, told.append)
    assert told == sorted(told) and told[-1] == len(SISTERS)
    messi, eats, greece, lives = joint.vectors["block_out"]
    assert torch.equal(messi, eats) and torch.equal(messi, lives)
    assert joint.losses[0] == joint.losses[1] == joint.losses[3]
    # Who has a key alone is as without; who shares one does better than with a mean of three.
    apart = optimise(model, wanted, 1, ["block_out"], free)
    assert torch.allclose(greece, apart.vectors["block_out"][2], atol=1e-8)
    mean = apart.vectors["block_out"][[0, 1, 3]].mean(0)
    assert _nlls(model, wanted, messi) < _nlls(model, wanted, mean)


def _nlls(model, wanted, vector):
    """Summed over the edits of one key, each by an objective of its own."""
    found = 0.0
    for i in (0, 1, 3):
        objective = Objective(model, [wanted[i]], 1, ["block_out"], TARGET)
        found += objective.terms({"block_out": vector[None].double()}).nll.item()
    return found


def test_the_loss_of_a_shared_vector_is_the_mean_of_its_edits():
    model = editable("gpt2")
    own = prepare(model, [SISTERS[0], SISTERS[1]], PREFIXES, seed=0).wanted([[2.0]] * 2)
    shared = replace(own[0], texts=own[0].texts + own[1].texts)
    settings = TARGET.model_copy(update={"kl_on": "answer"})
    vector = torch.linspace(-1, 1, WIDTH, dtype=torch.float64)[None]
    losses = []
    for want in (own[0], own[1], shared):
        objective = Objective(model, [want], 1, ["block_out"], settings)
        objective.terms({"block_out": torch.zeros_like(vector)})
        losses.append(objective.terms({"block_out": vector}).loss.item())
    assert losses[2] == pytest.approx((losses[0] + losses[1]) / 2, abs=1e-10)


def test_adam_is_adam():
    value = torch.randn(3, 5, dtype=torch.float64)
    state = torch.stack([value, torch.zeros_like(value), torch.zeros_like(value)])
    parameter = value.clone().requires_grad_()
    optimizer = torch.optim.Adam([parameter], lr=0.1)
    for step in range(1, 6):
        grad = torch.randn(3, 5, dtype=torch.float64)
        _adam(state, grad, step, 0.1)
        parameter.grad = grad
        optimizer.step()
    assert torch.allclose(state[0], parameter.detach(), atol=1e-12)


def test_an_edit_that_is_done_stops_and_the_others_go_on(monkeypatch):
    model = editable("llama")
    wanted = _wanted(model, ["block_out"])
    # At half of the way between the first losses, some edits are done at once.
    first = optimise(model, wanted, 1, ["block_out"], TARGET.model_copy(update={"steps": 1}))
    low, high = min(first.losses), max(first.losses)
    monkeypatch.setattr(targets, "STOP_LOSS", (low + high) / 2)
    settings = TARGET.model_copy(update={"at_once": 3})
    found = optimise(model, wanted, 1, ["block_out"], settings)
    assert min(found.steps) == 1 < max(found.steps)
    for i, steps in enumerate(found.steps):
        assert bool(found.vectors["block_out"][i].any()) == (steps > 1)


def test_vectors_are_no_longer_than_allowed():
    model = editable("llama")
    wanted = _wanted(model, ["block_out"])
    settings = TARGET.model_copy(update={"clamp": 0.05, "steps": 4})
    found = optimise(model, wanted, 1, ["block_out"], settings)
    sizes = torch.tensor([edit.sizes[0] for edit in wanted], dtype=torch.float64)
    assert torch.allclose(found.vectors["block_out"].norm(dim=1), 0.05 * sizes, rtol=1e-6)


def test_weights_get_no_gradients_and_keep_asking_for_them():
    model = editable("llama")
    optimise(model, _wanted(model, ["block_out"]), 1, ["block_out"], TARGET)
    assert all(w.requires_grad and w.grad is None for w in model.network.parameters())
