"""Writing target vectors into several layers, one after the other (MEMIT, PMET, AlphaEdit).

Meng et al. 2023, arXiv 2210.07229, algorithm 1: from the lowest layer up, the keys are read anew,
since the layers below have changed; so is what the last layer gives; what is still missing is
divided among the layers that remain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor

from memedit.bake.contexts import PrefixSettings, Prepared
from memedit.bake.delta import LowRank
from memedit.bake.moments import MomentSettings
from memedit.bake.reading import Part, Site, hooks, module_at, read_last
from memedit.bake.targets import Found, TargetSettings, optimise
from memedit.errors import BakeError

if TYPE_CHECKING:
    from memedit.bake.editable import Editable
    from memedit.bake.methods import Watch

# Gives ``[edits, in]`` for a layer and its keys ``[in, edits]``; a weight's change is the residuals
# ``[out, edits]`` times it.
Solve = Callable[[int, Tensor], Tensor]


class SpreadSettings(BaseModel):
    """What the methods that spread have in common.

    Args:
        layers: The layers whose down-projections are changed, ascending.
        target: How the vectors are optimised.
        prefixes: What the keys are averaged over.
        moments: How C is read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: tuple[int, ...] = Field(min_length=1)
    target: TargetSettings
    prefixes: PrefixSettings
    moments: MomentSettings = MomentSettings()

    @field_validator("layers")
    @classmethod
    def _ascend(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if list(layers) != sorted(set(layers)) or layers[0] < 0:
            raise ValueError(f"{list(layers)} must be ascending numbers from 0 on")
        return layers


@dataclass(frozen=True)
class Goal:
    """What a layer is to give at the subjects' last tokens.

    Attributes:
        site: Which output of the layer.
        values: float64 ``[edits, width]``.
        found: The vectors that were added to what it gives now.
        sizes: ``|v0|`` at the site, ``[edits]``.
    """

    site: Site
    values: Tensor
    found: Found
    sizes: Tensor

    def only(self, *numbers: int) -> Goal:
        """That of some of the edits, in the order of ``numbers``."""
        some = list(numbers)
        return Goal(self.site, self.values[some], self.found.only(some), self.sizes[some])


def find_goal(
    model: Editable,
    prepared: Prepared,
    layer: int,
    parts: Sequence[Part],
    settings: TargetSettings,
    watch: Watch,
) -> Goal:
    """The values with which the model says the targets.

    Args:
        model: The model.
        prepared: The edits.
        layer: The last layer that will be changed.
        parts: Where vectors are added while they are optimised; the goal is that of the last part.
        settings: How they are optimised.
        watch: Told of progress.
    """
    sites = [Site(layer, part) for part in parts]
    now = prepared.read_bare(model, sites)
    sizes = torch.stack([now[site].norm(dim=1) for site in sites], dim=1)
    total = len(prepared.edits)
    found = optimise(
        model,
        prepared.wanted(sizes.tolist()),
        layer,
        parts,
        settings,
        lambda done: watch("target vectors", done, total),
    )
    values = now[sites[-1]] + found.vectors[parts[-1]].to(now[sites[-1]])
    return Goal(sites[-1], values, found, sizes[:, -1])


def write(
    model: Editable,
    prepared: Prepared,
    goal: Goal,
    layers: Sequence[int],
    solve: Solve,
    divide: Callable[[int], float] = float,
    watch: Watch | None = None,
) -> tuple[dict[str, LowRank], dict[str, Any], dict[int, Tensor]]:
    """The change of each layer's down-projection.

    Args:
        model: The model; its weights are as they were afterwards.
        prepared: The edits.
        goal: What to reach.
        layers: The layers to change, ascending; the last one is the goal's.
        solve: The method's closed form.
        divide: What the residual is divided by, of the number of layers that remain.
        watch: Told of progress.

    Returns:
        The changes by path; figures of each edit: ``loss``, ``target_nll`` and ``steps`` of its
        vector, ``relative`` (its length by ``|v0|``) and ``reached`` (the share of it that the
        changed weights bring about); and each layer's keys ``[in, edits]``.
    """
    factors: dict[str, LowRank] = {}
    keys: dict[int, Tensor] = {}
    missing = torch.zeros(0)
    with model.scratch():
        for i, layer in enumerate(layers):
            missing = goal.values - prepared.read_bare(model, [goal.site])[goal.site]
            if i == 0:
                whole = missing.norm(dim=1)
            path = model.blocks.mlp_out_path(layer)
            device = model.weight(path).device
            site = Site(layer, "mlp_in")
            keys[layer] = prepared.read(model, [site])[site].T.to(device)
            residuals = missing.T.to(device) / divide(len(layers) - i)
            factors[path] = LowRank.of(residuals, solve(layer, keys[layer])).smaller()
            model.try_on(path, factors[path])
            if watch:
                watch("layers", i + 1, len(layers))
        missing = goal.values - prepared.read_bare(model, [goal.site])[goal.site]
    reached = 1 - missing.norm(dim=1) / whole.clamp_min(1e-30)
    vectors = goal.found.vectors[goal.site.part]
    figures = {
        edit.id: {
            "loss": goal.found.losses[i],
            "target_nll": goal.found.target_nll[i],
            "steps": goal.found.steps[i],
            "relative": float(vectors[i].norm()) / float(goal.sizes[i]),
            "reached": float(reached[i]),
        }
        for i, edit in enumerate(prepared.edits)
    }
    return factors, {"edits": figures}, keys


def check_adds_up(model: Editable, row: Sequence[int], layer: int) -> None:
    """Makes sure that a block adds what its MLP gives to the residual stream as it is.

    MEMIT and AlphaEdit solve for a change of the stream; a block that normalises or scales its
    MLP's output (Gemma 2, OLMo 2, Granite) would make something else of it.

    Args:
        model: The model.
        row: Token ids to try it on.
        layer: The block.

    Raises:
        BakeError: It does not add up.
    """
    site = Site(layer, "block_out")
    before = read_last(model, [row], [site])[site]
    step = torch.linspace(-1, 1, before.shape[1]).to(before)
    step *= before.norm() / step.norm()

    def add(_module: torch.nn.Module, _args: Any, output: Tensor) -> Tensor:
        return output.add(step.to(output.dtype))

    with hooks([module_at(model, Site(layer, "mlp_out")).register_forward_hook(add)]):
        after = read_last(model, [row], [site])[site]
    if float((after - before - step).norm()) > 0.05 * float(step.norm()):
        raise BakeError(
            f"model: a block of {type(model.network).__name__} does not add its MLP's output to "
            "the residual stream as it is.",
            hint="Use rome, pmet or ft-m with this model.",
        )
