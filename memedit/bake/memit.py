"""MEMIT: many edits at once, over several layers (Meng et al. 2023, arXiv 2210.07229).

1. z_i = h_i^L + delta_i for each edit, with delta_i optimised on the output of the last edited
   layer L (equation 16).
2. For each layer l from the lowest (algorithm 1): K from the subjects' last tokens, averaged over
   prefixes; R = (Z - H^L) / (layers that remain);
   Delta = R K^T (lambda C + K K^T)^-1 (equation 14).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field, model_validator
from torch import Tensor

from memedit.bake.behind import with_behind
from memedit.bake.contexts import Prepared, new_delta, prepare
from memedit.bake.delta import Delta
from memedit.bake.memory import within_memory
from memedit.bake.methods import Watch
from memedit.bake.moments import Moments
from memedit.bake.reading import Part
from memedit.bake.solve import least_squares, solve_symmetric, weight_for, with_ridge
from memedit.bake.spread import Goal, Solve, SpreadSettings, check_adds_up, find_goal, write
from memedit.edit import Edit

if TYPE_CHECKING:
    from memedit.bake.editable import Editable


class Settings(SpreadSettings):
    """MEMIT's settings.

    Args:
        moment_weight: lambda, as published; it does not carry over from model to model.
        share: Instead of it, the share of its residual that a lone edit is to get in a layer;
            see :func:`~memedit.bake.solve.weight_for`.
        behind: How much the keys behind the edits' own subjects count in C, beside its one; not the
            papers'. See :func:`~memedit.bake.behind.with_behind`.
    """

    moment_weight: float | None = Field(None, gt=0)
    share: float | None = Field(None, gt=0, lt=1)
    behind: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if (self.moment_weight is None) == (self.share is None):
            raise ValueError("give either moment_weight or share, and not both")
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
    """See :class:`~memedit.bake.methods.Method` and, for figures, :func:`.spread.write`."""
    prepared, goal, found = _find(model, edits, settings, moments, seed, watch)
    return _delta(model, prepared, goal, settings, found, seed, watch)


def compute_each(
    model: Editable,
    edits: Sequence[Edit],
    settings: Settings,
    *,
    moments: Moments,
    seed: int,
    watch: Watch,
) -> list[Delta]:
    """A delta for each edit alone, all on the weights as they are; optimised in batches."""
    alone = settings.target.model_copy(update={"joint": False})
    settings = settings.model_copy(update={"target": alone})
    prepared, goal, found = _find(model, edits, settings, moments, seed, watch)
    return [
        _delta(model, prepared.only(i), goal.only(i), settings, found, seed, watch)
        for i in range(len(edits))
    ]


def _find(
    model: Editable,
    edits: Sequence[Edit],
    settings: Settings,
    moments: Moments,
    seed: int,
    watch: Watch,
) -> tuple[Prepared, Goal, dict[int, Tensor]]:
    prepared = prepare(model, edits, settings.prefixes, seed=seed)
    target = within_memory(model, prepared, settings.layers, settings.target)
    layer = settings.layers[-1]
    check_adds_up(model, prepared.texts[0][0].ids, layer)
    found = moments.of(model, settings.layers, settings.moments, partial(watch, "second moments"))
    goal = find_goal(model, prepared, layer, ["block_out"], target, watch)
    return prepared, goal, found


def closed_form(
    model: Editable,
    prepared: Prepared,
    moments: dict[int, Tensor],
    settings: Settings,
    *,
    part: Part = "mlp_in",
) -> Solve:
    """Equation 14 for each layer, with lambda as the settings say."""
    moments = with_behind(model, prepared, moments, settings.behind, part=part)

    def solve(layer: int, keys: Tensor) -> Tensor:
        moment = with_ridge(moments[layer].to(keys.device), settings.moments.ridge)
        weight = settings.moment_weight
        if weight is None:
            assert settings.share is not None  # the settings have one of the two
            leverages = (keys * solve_symmetric(moment, keys)).sum(0)
            weight = weight_for(settings.share, leverages)
        return least_squares(moment, weight, keys)

    return solve


def _delta(
    model: Editable,
    prepared: Prepared,
    goal: Goal,
    settings: Settings,
    moments: dict[int, Tensor],
    seed: int,
    watch: Watch,
) -> Delta:
    solve = closed_form(model, prepared, moments, settings)
    factors, figures, _ = write(model, prepared, goal, settings.layers, solve, watch=watch)
    return new_delta(model, prepared, "memit", settings, seed, factors, figures)
