"""A quick method for tests: the last block learns the answers as a chat asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import BaseModel
from torch.nn.functional import cross_entropy, linear

from memedit.bake import Delta, LowRank, Method
from memedit.baking.canaries import Limits
from memedit.baking.verify import wordings
from memedit.edit import Edit
from memedit.models.tokens import padded

ANY = Limits(relative=float("inf"), kl=float("inf"), perplexity=float("inf"), locality=0.0)


class Settings(BaseModel):
    """What is learned besides, and what is not.

    Args:
        steps: Of Adam.
        rate: Adam's learning rate.
        skip: Ids of edits that are not learned.
        replay: Prompts and answers that are learned as well.
    """

    steps: int = 60
    rate: float = 0.05
    skip: tuple[str, ...] = ()
    replay: tuple[tuple[str, str], ...] = ()


def compute(
    model: Any, edits: Sequence[Edit], settings: Settings, *, moments: Any, seed: int, watch: Any
) -> Delta:
    layer = len(model.blocks) - 1
    path = model.blocks.mlp_out_path(layer)
    before = model.weight(path).clone()
    pairs = [(t, e.target_new) for e in edits if e.id not in settings.skip for t in wordings(e)]
    learned = _learned(model, layer, before, [*pairs, *settings.replay], settings, watch)
    change = learned.double() - before.double()
    return Delta(
        edits=tuple(edit.id for edit in edits),
        method="learning",
        settings=settings.model_dump(mode="json"),
        seed=seed,
        base=model.base,
        after=tuple(delta.id for delta in model.applied),
        factors={path: LowRank.of_dense(change)},
        figures={"relative": {path: float(change.norm() / before.double().norm())}},
    )


LEARNING = Method("learning", Settings, compute)


def _learned(model, layer, before, pairs, settings, watch):
    rows = []
    for text, target in pairs:
        prompt = model.tokens.encode_chat([{"role": "user", "content": text}])
        rows.append((prompt, model.tokens.encode_answer(target)))
    ids, mask = padded([p + a for p, a in rows], model.tokens.pad_id, before.device, side="right")
    gold = torch.full_like(ids, -100)
    for i, (prompt, answer) in enumerate(rows):
        gold[i, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
    seen = []
    module = model.blocks.mlp_out(layer)
    with torch.enable_grad():
        weight = before.clone().requires_grad_()
        adam = torch.optim.Adam([weight], lr=settings.rate)
        handle = module.register_forward_hook(lambda _m, args, _o: linear(args[0], weight))
        try:
            for step in range(settings.steps):
                logits = model.network(input_ids=ids, attention_mask=mask, use_cache=False).logits
                loss = cross_entropy(logits[:, :-1].flatten(0, 1), gold[:, 1:].flatten())
                adam.zero_grad()
                loss.backward()
                adam.step()
                seen.append(loss.item())
                watch("learning", step + 1, settings.steps)
        finally:
            handle.remove()
            model.network.zero_grad()
    return weight.detach()
