from __future__ import annotations

import pytest
import torch

from memedit.bake import targets
from memedit.bake.contexts import prepare
from memedit.bake.reading import Site
from memedit.bake.targets import Objective, _adam, optimise
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
        for text in edit.texts:
            with torch.no_grad():
                logits = model.network(torch.tensor([text.ids])).logits[0]
            logs = logits.log_softmax(-1)[text.target - 1 : -1]
            nlls.append(-sum(logs[n, t] for n, t in enumerate(text.targets)) / len(text.targets))
        assert terms.nll[i].item() == pytest.approx(float(sum(nlls) / len(nlls)), abs=1e-10)
    assert terms.divergence.abs().max() < 1e-12
    delta = torch.randn(3, WIDTH, dtype=torch.float64)
    terms = objective.terms({"block_out": delta})
    decay = delta.norm(dim=1) / torch.tensor([e.sizes[0] for e in wanted]) ** 2
    assert torch.allclose(
        terms.loss, terms.nll + TARGET.kl * terms.divergence + TARGET.weight_decay * decay
    )
    assert (terms.divergence > 0).all()


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
