"""What layers contribute when facts or commonsense are recalled, over many prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memedit.evaluate.metrics.statistics import percentile_interval, ratio, resampled_sums
from memedit.evaluate.tracing.averages import RESAMPLES, Array, Curve, Mean, curve_of, mean_of
from memedit.trace import Prompt
from memedit.trace.recall import recall

if TYPE_CHECKING:
    from memedit.bake.editable import Editable
    from memedit.bake.reading import Part

THIRDS = ("lower third", "middle third", "upper third")


@dataclass(frozen=True)
class Recalled:
    """Contributions of layers, one minus the cosine of the stream before and after.

    Attributes:
        prompts: By prompt, ``[prompts, layers]`` for each part.
        curves: Their means with intervals.
        thirds: Means over the lower, middle and upper third of the layers.
    """

    prompts: Mapping[Part, Array]
    curves: Mapping[Part, Curve]
    thirds: Mapping[Part, tuple[Mean, ...]]


def recalled(model: Editable, prompts: Sequence[Prompt], seed: int = 0) -> Recalled:
    """What layers contribute at the last tokens of prompts; see :mod:`memedit.trace.recall`.

    Args:
        model: The model; nobody else may use it meanwhile.
        prompts: At least one.
        seed: Of the intervals.
    """
    found = {part: 1.0 - cosines for part, cosines in recall(model, prompts).items()}
    return Recalled(
        prompts=found,
        curves={part: curve_of(rows, seed) for part, rows in found.items()},
        thirds={
            part: tuple(mean_of(rows[:, some].mean(axis=1), seed) for some in _thirds(rows))
            for part, rows in found.items()
        },
    )


def difference(one: Array, other: Array, seed: int = 0) -> Mean:
    """The difference of two means over different prompts, with its bootstrap interval.

    Args:
        one: A value a prompt; NaN where it has none.
        other: Likewise, of other prompts.
        seed: Of the interval.
    """
    first, second = _draws(one, seed), _draws(other, seed + 1)
    low, high = percentile_interval(first - second)
    value = float(np.nanmean(one) - np.nanmean(other))
    return Mean(value, low, high, int((~np.isnan(one)).sum() + (~np.isnan(other)).sum()))


def thirds_of(rows: Array) -> list[Array]:
    """Means over the lower, middle and upper third of the layers, ``[prompts]`` each."""
    return [rows[:, some].mean(axis=1) for some in _thirds(rows)]


def _draws(values: Array, seed: int) -> Array:
    known = values[~np.isnan(values)]
    sums = resampled_sums(np.stack([known, np.ones_like(known)], axis=1), RESAMPLES, seed)
    return ratio(sums[:, 0], sums[:, 1])


def _thirds(rows: Array) -> list[Array]:
    return np.array_split(np.arange(rows.shape[1]), 3)
