"""FT-M: fine-tuning one down-projection on the target's tokens, the honest baseline.

Named and compared by Zhang et al. 2024, arXiv 2401.01286: the mean over edits of the negative
log-likelihood per target token, prompts not counted, by Adam (Kingma & Ba 2015, arXiv 1412.6980);
the other weights stay. It stops once the loss is under 1e-2.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.functional import linear

from memedit.bake.align import Aligned
from memedit.bake.contexts import PrefixSettings, new_delta, prepare
from memedit.bake.delta import LowRank
from memedit.bake.methods import Watch
from memedit.bake.moments import Moments
from memedit.bake.reading import frozen, hooks
from memedit.edit import Edit
from memedit.models.tokens import padded

if TYPE_CHECKING:
    from memedit.bake.delta import Delta
    from memedit.bake.editable import Editable

STOP_LOSS = 1e-2
_BARE = PrefixSettings(begin_with=(), lengths=())


class Settings(BaseModel):
    """FT-M's settings.

    Args:
        layer: The layer whose down-projection learns.
        steps: The most passes over the edits.
        learning_rate: Adam's.
        weight_decay: Adam's.
        at_once: How many edits share a step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layer: int = Field(ge=0)
    steps: int = Field(25, ge=1)
    learning_rate: float = Field(5e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    at_once: int = Field(32, ge=1)


def compute(
    model: Editable,
    edits: Sequence[Edit],
    settings: Settings,
    *,
    moments: Moments,
    seed: int,
    watch: Watch,
) -> Delta:
    """See :class:`~memedit.bake.methods.Method`; figures: ``loss`` of each pass."""
    prepared = prepare(model, edits, _BARE, seed=seed)
    rows = [texts[0] for texts in prepared.texts]
    path = model.blocks.mlp_out_path(settings.layer)
    before = model.weight(path)
    # A copy learns, in float32 or better: steps this small are lost in bfloat16.
    learning = before.to(torch.promote_types(before.dtype, torch.float32), copy=True)
    learning.requires_grad_()
    optimizer = torch.optim.Adam(
        [learning], lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    losses: list[float] = []
    rng = random.Random(seed)
    with frozen(model), _standing_in(model, settings.layer, learning):
        for step in range(settings.steps):
            total = 0.0
            for batch in _batches(rows, settings.at_once, rng):
                optimizer.zero_grad()
                loss = _loss(model, batch)
                total += loss.item() * len(batch) / len(rows)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            losses.append(total)
            watch("passes", step + 1, settings.steps)
            if total < STOP_LOSS:
                break
    change = LowRank.of_dense(learning.detach().double() - before.double())
    return new_delta(model, prepared, "ft-m", settings, seed, {path: change}, {"loss": losses})


def _loss(model: Editable, rows: Sequence[Aligned]) -> Tensor:
    """Mean over the rows of -log P(target | prompt) per token of the target."""
    device = model.network.device
    ids, mask = padded([row.ids for row in rows], model.tokens.pad_id, device, side="right")
    out = cast(Any, model.network)(input_ids=ids, attention_mask=mask, use_cache=False).logits
    losses = []
    for i, row in enumerate(rows):
        logits = out[i, row.target - 1 : len(row.ids) - 1]
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        gold = torch.tensor(row.targets, device=logits.device)
        losses.append(nn.functional.cross_entropy(logits, gold))
    return torch.stack(losses).mean()


@contextlib.contextmanager
def _standing_in(model: Editable, layer: int, weight: Tensor) -> Iterator[None]:
    """The layer's down-projection computes with ``weight``; the model's own is not touched."""
    module = model.blocks.mlp_out(layer)
    bias = getattr(module, "bias", None)

    def compute_anew(_module: nn.Module, args: tuple[Tensor, ...], _output: Tensor) -> Tensor:
        return linear(args[0], weight.to(args[0].dtype), bias)

    with hooks([module.register_forward_hook(compute_anew)]):
        yield


def _batches(rows: Sequence[Aligned], size: int, rng: random.Random) -> Iterator[list[Aligned]]:
    """The rows in a new order, some at a time."""
    order = rng.sample(range(len(rows)), len(rows))
    for start in range(0, len(order), size):
        yield [rows[i] for i in order[start : start + size]]
