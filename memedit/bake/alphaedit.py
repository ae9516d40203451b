"""AlphaEdit: MEMIT within the null space of what the weights are used for.

Fang et al. 2025, arXiv 2410.02355. Target vectors and spreading are MEMIT's. In each layer P
projects on the directions in which C has next to nothing, and

    Delta P = R K^T P (K_p K_p^T P + K K^T P + weight * I)^-1

where K_p are the keys of earlier batches, which their deltas keep. What the base's keys, C, lead to
stays; what earlier batches wrote is protected by the second term. With ``penalty`` set to
``moment`` the last term is ``weight * P C P``: a null space that is wide enough to write into has
some of C's energy, and the identity does not tell where. That is a deviation from the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from memedit.bake.contexts import Prepared, new_delta, prepare
from memedit.bake.delta import Delta
from memedit.bake.memory import within_memory
from memedit.bake.methods import Watch
from memedit.bake.moments import Moments
from memedit.bake.solve import free_leverages, null_space, weight_for, with_ridge
from memedit.bake.spread import Goal, SpreadSettings, check_adds_up, find_goal, write
from memedit.edit import Edit

if TYPE_CHECKING:
    from memedit.bake.editable import Editable

_KEYS = "keys:"


class Settings(SpreadSettings):
    """AlphaEdit's settings.

    Args:
        null_below: A direction belongs to the null space where C's eigenvalue is less, as
            published; it depends on how large a model's activations are.
        null_energy: Instead of it, the share of C's trace that the null space may hold.
        penalty: What the last term is of: the change's own ``size``, as published, or what it does
            to the values of the keys behind C, its ``moment``.
        weight: The last term's.
        share: Instead of it, the share of its residual that a lone edit is to get in a layer.
    """

    null_below: float | None = Field(None, gt=0)
    null_energy: float | None = Field(None, gt=0, lt=1)
    penalty: Literal["size", "moment"] = "size"
    weight: float | None = Field(None, gt=0)
    share: float | None = Field(None, gt=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if (self.null_below is None) == (self.null_energy is None):
            raise ValueError("give either null_below or null_energy, and not both")
        if (self.weight is None) == (self.share is None):
            raise ValueError("give either weight or share, and not both")
        return self


def compute(
    model: Editable,
    edits: Sequence[Edit],
    settings: Settings,
    *,
    moments: Moments,
    seed: int,
    watch: Watch,
) -> Delta:
    """See :class:`~memedit.bake.methods.Method`.

    Figures as of :func:`~memedit.bake.spread.write`, and ``null_space``, the share of directions
    that belong to it, by layer.
    """
    prepared = prepare(model, edits, settings.prefixes, seed=seed)
    target = within_memory(model, prepared, settings.layers, settings.target, matrices=2)
    layer = settings.layers[-1]
    check_adds_up(model, prepared.texts[0][0].ids, layer)
    _null_bases(model, settings, moments, watch)  # before the vectors, which take longest
    goal = find_goal(model, prepared, layer, ["block_out"], target, watch)
    return compute_from(goal, model, prepared, settings, moments=moments, seed=seed, watch=watch)


def compute_from(
    goal: Goal,
    model: Editable,
    prepared: Prepared,
    settings: Settings,
    *,
    moments: Moments,
    seed: int,
    watch: Watch,
) -> Delta:
    """:func:`compute` with target vectors that are there.

    Args:
        goal: What to reach at the last of the settings' layers.
        model: The model, earlier batches on it.
        prepared: The edits.
        settings: Those but for the vectors.
        moments: Second moments.
        seed: What the edits were prepared with.
        watch: Told of progress.
    """
    bases = _null_bases(model, settings, moments, watch)
    moment = moments.of(model, settings.layers, settings.moments)

    def solve(layer: int, keys: Tensor) -> Tensor:
        basis = bases[layer].to(keys.device)
        penalised = None
        if settings.penalty == "moment":
            penalised = with_ridge(moment[layer].to(keys.device), settings.moments.ridge)
        weight = settings.weight
        if weight is None:
            assert settings.share is not None  # the settings have one of the two
            weight = weight_for(settings.share, free_leverages(basis, keys, penalised))
        earlier = _earlier(model, model.blocks.mlp_out_path(layer), keys)
        return null_space(basis, weight, keys, earlier, penalised)

    factors, figures, keys = write(model, prepared, goal, settings.layers, solve, watch=watch)
    sizes = {str(n): basis.shape[1] / len(basis) for n, basis in bases.items()}
    state = {
        f"{_KEYS}{model.blocks.mlp_out_path(n)}": found.to("cpu", torch.float32)
        for n, found in keys.items()
    }
    return new_delta(
        model,
        prepared,
        "alphaedit",
        settings,
        seed,
        factors,
        {**figures, "null_space": sizes},
        state,
    )


def _null_bases(
    model: Editable, settings: Settings, moments: Moments, watch: Watch
) -> dict[int, Tensor]:
    return moments.null_bases(
        model,
        settings.layers,
        settings.moments,
        below=settings.null_below,
        energy=settings.null_energy or 0.0,
        progress=partial(watch, "second moments"),
    )


def _earlier(model: Editable, path: str, like: Tensor) -> Tensor:
    """K_p K_p^T of the batches that are on the model."""
    total = torch.zeros(len(like), len(like), dtype=like.dtype, device=like.device)
    for delta in model.applied:
        if (keys := delta.state.get(f"{_KEYS}{path}")) is not None:
            keys = keys.to(like)
            total += keys @ keys.T
    return total
