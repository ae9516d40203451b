"""ROME: one rank-one update for each edit (Meng et al. 2022, arXiv 2202.05262).

For an edit with subject s, at one layer's down-projection W:

1. k* is the mean of W's inputs at the subject's last token over prefixed prompts (equation 3).
2. v* = v0 + delta, with delta found by optimising the target's likelihood (equation 4).
3. W' = W + Lambda (C^-1 k*)^T, with Lambda = (v* - W k*) / ((C^-1 k*)^T k*) (equation 2).

The published code averages k in step 1 and for the direction of step 3, but takes the bare prompt's
k and v0 for Lambda. Where the two keys differ, the divisor can come close to zero and the update
explodes (Gupta et al. 2024, arXiv 2403.07175). Here the averages stand everywhere, so that
v* - W k* is delta itself. Several edits are written one after the other, each on the weights that
the ones before it left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from memedit.bake.contexts import PrefixSettings, Prepared, new_delta, prepare
from memedit.bake.delta import Delta, LowRank
from memedit.bake.memory import within_memory
from memedit.bake.methods import Watch
from memedit.bake.moments import Moments, MomentSettings
from memedit.bake.reading import Site
from memedit.bake.solve import directions, with_ridge
from memedit.bake.targets import TargetSettings, optimise
from memedit.edit import Edit
from memedit.errors import BakeError

if TYPE_CHECKING:
    from memedit.bake.editable import Editable


class Settings(BaseModel):
    """ROME's settings.

    Args:
        layer: The layer whose down-projection is changed.
        target: How delta is optimised.
        prefixes: What the keys are averaged over.
        moments: How C is read.
        least_cosine: The least cosine of k* and C^-1 k*; below it an edit is refused, since
            Lambda would explode.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layer: int = Field(ge=0)
    target: TargetSettings
    prefixes: PrefixSettings
    moments: MomentSettings = MomentSettings()
    least_cosine: float = Field(1e-3, ge=0)


def compute(
    model: Editable,
    edits: Sequence[Edit],
    settings: Settings,
    *,
    moments: Moments,
    seed: int,
    watch: Watch,
) -> Delta:
    """See :class:`~memedit.bake.methods.Method`; the figures are those of :class:`Update`."""
    prepared = prepare(model, edits, settings.prefixes, seed=seed)
    target = within_memory(model, prepared, [settings.layer], settings.target)
    path = model.blocks.mlp_out_path(settings.layer)
    moment = _moment(model, settings, moments, watch)
    updates: list[Update] = []
    with model.scratch():
        for i in range(len(edits)):
            one = prepared.only(i)
            updates += _updates(model, one, settings, target, moment)
            model.try_on(path, _joined(updates))
            watch("edits", i + 1, len(edits))
    return _delta(model, prepared, settings, seed, updates)


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
    prepared = prepare(model, edits, settings.prefixes, seed=seed)
    target = within_memory(model, prepared, [settings.layer], settings.target)
    moment = _moment(model, settings, moments, watch)
    updates = _updates(model, prepared, settings, target, moment, watch)
    return [
        _delta(model, prepared.only(i), settings, seed, [update])
        for i, update in enumerate(updates)
    ]


@dataclass(frozen=True)
class Update:
    """One edit's rank-one update and its figures.

    Attributes:
        change: Lambda and u.
        loss: The optimisation's last loss.
        target_nll: Of the target with delta added, in nats per token.
        steps: Evaluations of the loss.
        along: k*^T u, which Lambda is divided by.
        cosine: The cosine of k* and u.
        relative: |delta| / |v0|.
    """

    change: LowRank
    loss: float
    target_nll: float
    steps: int
    along: float
    cosine: float
    relative: float


def _updates(
    model: Editable,
    prepared: Prepared,
    settings: Settings,
    target: TargetSettings,
    moment: Tensor,
    watch: Watch | None = None,
) -> list[Update]:
    """The update of each edit alone, on the weights as they are."""
    layer, total = settings.layer, len(prepared.edits)
    key_site, value_site = Site(layer, "mlp_in"), Site(layer, "mlp_out")
    read = prepared.read(model, [key_site, value_site])
    keys, sizes = read[key_site], read[value_site].norm(dim=1)
    units, along = directions(moment, keys.T)
    cosines = along / keys.norm(dim=1)
    for edit, cosine in zip(prepared.edits, cosines.tolist(), strict=True):
        _check_cosine(edit, cosine, settings.least_cosine)
    found = optimise(
        model,
        prepared.wanted([[size] for size in sizes.tolist()]),
        layer,
        ["mlp_out"],
        target.model_copy(update={"joint": False}),
        (lambda done: watch("target vectors", done, total)) if watch else None,
    )
    updates = []
    for i, delta in enumerate(found.vectors["mlp_out"].double()):
        left = delta / along[i]  # Lambda
        updates.append(
            Update(
                change=LowRank.of(left[:, None], units[:, i][None]),
                loss=found.losses[i],
                target_nll=found.target_nll[i],
                steps=found.steps[i],
                along=float(along[i]),
                cosine=float(cosines[i]),
                relative=float(delta.norm()) / float(sizes[i]),
            )
        )
    return updates


def _check_cosine(edit: Edit, cosine: float, least: float) -> None:
    if not cosine >= least:
        raise BakeError(
            f"edit {edit.id!r}: its key has a cosine of {cosine:.2g} with the update's direction, "
            f"less than {least:g}; the update would explode.",
            hint="Keep the edit in memory, or write it with another method.",
        )


def _moment(model: Editable, settings: Settings, moments: Moments, watch: Watch) -> Tensor:
    layer = settings.layer
    found = moments.of(model, [layer], settings.moments, partial(watch, "second moments"))
    device = model.weight(model.blocks.mlp_out_path(layer)).device
    return with_ridge(found[layer].to(device), settings.moments.ridge)


def _joined(updates: Sequence[Update]) -> LowRank:
    return LowRank(
        torch.cat([update.change.down for update in updates]),
        torch.cat([update.change.up for update in updates], dim=1),
    )


def _delta(
    model: Editable, prepared: Prepared, settings: Settings, seed: int, updates: Sequence[Update]
) -> Delta:
    path = model.blocks.mlp_out_path(settings.layer)
    figures = {}
    for edit, update in zip(prepared.edits, updates, strict=True):
        figures[edit.id] = {k: v for k, v in vars(update).items() if k != "change"}
    factors = {path: _joined(updates).smaller()}
    return new_delta(model, prepared, "rome", settings, seed, factors, {"edits": figures})
