"""Which part of a prompt a token belongs to, as averages over many prompts need it.

The parts are those of Meng et al. 2022 (arXiv 2202.05262, figure 1 and appendix B). Every token
from the subject on is in exactly one; tokens before the subject are in none, since nothing that is
corrupted reaches them.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from memedit.trace.prompts import Prompt

Group = Literal[
    "first subject token",
    "middle subject tokens",
    "last subject token",
    "first subsequent token",
    "further tokens",
    "last token",
]
GROUPS: tuple[Group, ...] = get_args(Group)


def groups_of(prompt: Prompt) -> tuple[Group | None, ...]:
    """Each token's group; None before the subject.

    A subject of one token is a last subject token only. A prompt that ends in its subject has no
    last token, one that goes on for a single token has that as its last token only.
    """
    return tuple(_group(prompt, token) for token in range(prompt.begin))


def by_group(prompt: Prompt, values: npt.NDArray[np.float64]) -> dict[Group, npt.NDArray[Any]]:
    """Means over the tokens of each group that the prompt has.

    Args:
        prompt: The prompt.
        values: ``[tokens, ...]``, one row for each token of the prompt; NaN where a token was not
            tried. A group of such tokens is left out.

    Returns:
        ``[...]`` for each group, in the order of :data:`GROUPS`.
    """
    tried = [not np.isnan(row).all() for row in values]
    places: dict[Group, list[int]] = {}
    for token, group in enumerate(groups_of(prompt)):
        if group is not None and tried[token]:
            places.setdefault(group, []).append(token)
    return {group: values[places[group]].mean(axis=0) for group in GROUPS if group in places}


def _group(prompt: Prompt, token: int) -> Group | None:
    if token < prompt.first:
        return None
    if token == prompt.last:
        return "last subject token"
    if token < prompt.last:
        return "first subject token" if token == prompt.first else "middle subject tokens"
    if token == prompt.begin - 1:
        return "last token"
    return "first subsequent token" if token == prompt.last + 1 else "further tokens"
