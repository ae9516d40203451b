"""Average indirect effects over many prompts, with intervals, and what the published shape asks.

Meng et al. 2022 (arXiv 2202.05262, section 2.2, figure 2 and appendix B): effects are averaged over
prompts for each group of tokens. A prompt with several tokens of a group counts once, with their
mean. Intervals resample prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from memedit.evaluate.metrics.statistics import percentile_interval, ratio, resampled_sums
from memedit.trace.effects import KINDS, Trace
from memedit.trace.groups import GROUPS, Group, by_group

if TYPE_CHECKING:
    from memedit.bake.reading import Part

RESAMPLES = 2000
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """A mean over prompts with its 95 % interval.

    Attributes:
        value: The mean.
        low: The interval's lower end.
        high: Its upper end.
        n: Over how many prompts.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Curve:
    """Means by layer, each with its 95 % interval, over ``n`` prompts."""

    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int

    @property
    def peak(self) -> int:
        """The layer of the largest mean."""
        return int(np.nanargmax(self.values))


@dataclass(frozen=True)
class Averages:
    """What many traces come to.

    Attributes:
        n: How many prompts.
        clean: The answer's probability.
        corrupted: With noise on the subject.
        total_effect: What the noise takes.
        effects: Average indirect effects by part and group of tokens; a group that no prompt has
            is missing.
        contrasts: What the published shape claims, each as a difference that is above zero where
            the claim holds.
    """

    n: int
    clean: Mean
    corrupted: Mean
    total_effect: Mean
    effects: Mapping[Part, Mapping[Group, Curve]]
    contrasts: Mapping[str, Mean]


def averages(traces: Sequence[Trace], seed: int = 0) -> Averages:
    """Averages over traces of one model, of all parts.

    Args:
        traces: At least one.
        seed: Of the intervals.
    """
    grouped = [{part: by_group(t.prompt, t.effects(part)) for part in t.restored} for t in traces]
    layers = next(iter(traces[0].restored.values())).shape[1]
    stacked: dict[tuple[Part, Group], Array] = {
        (part, group): np.array(
            [one[part].get(group, np.full(layers, np.nan)) for one in grouped], dtype=np.float64
        )
        for part in KINDS
        for group in GROUPS
        if any(group in one.get(part, {}) for one in grouped)
    }
    return Averages(
        n=len(traces),
        clean=mean_of([t.clean for t in traces], seed),
        corrupted=mean_of([t.corrupted for t in traces], seed),
        total_effect=mean_of([t.total_effect for t in traces], seed),
        effects={
            part: {
                group: curve_of(stacked[part, group], seed)
                for group in GROUPS
                if (part, group) in stacked
            }
            for part in KINDS
            if any(kind == part for kind, _ in stacked)
        },
        contrasts=_contrasts(stacked, layers, seed),
    )


def curve_of(rows: Array, seed: int = 0) -> Curve:
    """Means by layer of ``[prompts, layers]``; rows of NaN are prompts without a value."""
    means, draws = _bootstrap(rows, seed)
    ends = [percentile_interval(draws[:, layer]) for layer in range(rows.shape[1])]
    known = int((~np.isnan(rows[:, 0])).sum())
    low, high = zip(*ends, strict=True)
    return Curve(tuple(means.tolist()), low, high, known)


def mean_of(values: Sequence[float] | Array, seed: int = 0) -> Mean:
    """The mean of one value a prompt; NaN where a prompt has none."""
    curve = curve_of(np.asarray(values, dtype=np.float64)[:, None], seed)
    return Mean(curve.values[0], curve.low[0], curve.high[0], curve.n)


def _bootstrap(rows: Array, seed: int) -> tuple[Array, Array]:
    """Column means ``[columns]`` and their bootstrap draws ``[resamples, columns]``."""
    there = ~np.isnan(rows)
    columns = np.concatenate([np.where(there, rows, 0.0), there.astype(np.float64)], axis=1)
    count = rows.shape[1]
    sums, draws = columns.sum(axis=0), resampled_sums(columns, RESAMPLES, seed)
    return ratio(sums[:count], sums[count:]), ratio(draws[:, :count], draws[:, count:])


def _contrasts(
    stacked: Mapping[tuple[Part, Group], Array], layers: int, seed: int
) -> dict[str, Mean]:
    """The claims of the published figure, over fixed parts of the depth: nothing is picked out.

    The early site is at the last subject token, in MLPs of the lower two thirds of the layers; the
    late site at the last token, in attention of the upper two thirds.
    """
    thirds = np.array_split(np.arange(layers), 3)
    lower, upper = np.concatenate(thirds[:2]), np.concatenate(thirds[1:])
    early: Group = "last subject token"
    late: Group = "last token"

    def over(part: Part, group: Group, chosen: npt.NDArray[np.int64]) -> Array | None:
        rows = stacked.get((part, group))
        if rows is None:
            return None
        tried = [n for n in chosen if not np.isnan(rows[:, n]).all()]
        means: Array = rows[:, tried].mean(axis=1) if tried else np.full(len(rows), np.nan)
        return means

    claims = {
        "early site: MLPs of the lower two thirds, last subject token": (
            over("mlp_out", early, lower), None),
        "early site: the same less attention there": (
            over("mlp_out", early, lower), over("attn_out", early, lower)),
        "early site: the same less MLPs at the first subject token": (
            over("mlp_out", early, lower), over("mlp_out", "first subject token", lower)),
        "early site: the same less MLPs at further tokens": (
            over("mlp_out", early, lower), over("mlp_out", "further tokens", lower)),
        "early site: MLPs of the middle third less those of the upper third": (
            over("mlp_out", early, thirds[1]), over("mlp_out", early, thirds[2])),
        "late site: attention of the upper two thirds, last token": (
            over("attn_out", late, upper), None),
        "late site: the same less MLPs there": (
            over("attn_out", late, upper), over("mlp_out", late, upper)),
        "whole layers at the last subject token: lower third less upper third": (
            over("block_out", early, thirds[0]), over("block_out", early, thirds[2])),
        "whole layers at the last token: upper third less lower third": (
            over("block_out", late, thirds[2]), over("block_out", late, thirds[0])),
    }  # fmt: skip
    found = {}
    for name, (one, other) in claims.items():
        if one is None or ("less" in name and other is None):
            continue
        values = one if other is None else one - other
        if np.isnan(values).all():
            continue  # no prompt has both
        found[name] = mean_of(values, seed)
    return found
