"""PMET: two vectors are optimised, one is written (Li et al. 2024, arXiv 2308.08742).

1. At the last edited layer L, a vector on the attention's output and one on the MLP's output are
   optimised together, so that the MLP's need not carry what belongs to the attention. The loss is
   adaptive: see :class:`~memedit.bake.targets.TargetSettings`.
2. Only the MLP is changed, as MEMIT does, but R is what its own output lacks, divided by the
   square root of the number of layers that remain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from memedit.bake.contexts import new_delta, prepare
from memedit.bake.delta import Delta
from memedit.bake.memit import Settings as MemitSettings
from memedit.bake.memit import closed_form
from memedit.bake.memory import within_memory
from memedit.bake.methods import Watch
from memedit.bake.moments import Moments
from memedit.bake.reading import Part
from memedit.bake.spread import find_goal, write
from memedit.edit import Edit

if TYPE_CHECKING:
    from memedit.bake.editable import Editable


class Settings(MemitSettings):
    """PMET's settings: those of MEMIT."""


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
    prepared = prepare(model, edits, settings.prefixes, seed=seed)
    target = within_memory(model, prepared, settings.layers, settings.target)
    found = moments.of(model, settings.layers, settings.moments, partial(watch, "second moments"))
    parts: tuple[Part, ...] = ("attn_out", "mlp_out")
    goal = find_goal(model, prepared, settings.layers[-1], parts, target, watch)
    solve = closed_form(model, prepared, found, settings)
    factors, figures, _ = write(
        model, prepared, goal, settings.layers, solve, divide=math.sqrt, watch=watch
    )
    return new_delta(model, prepared, "pmet", settings, seed, factors, figures)
