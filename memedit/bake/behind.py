"""The tokens behind the subjects: what an edit's answer is spoken over, and is to be left as it is.

C says what a weight is used for in texts at large. Behind the subjects of many edits stand the same
few words (", as a result, PersonX wants to"), and behind these what the model goes on with. In C
they count for next to nothing, so what is written at the subjects reaches them too: each gets what
the edits have in common, and the answers are lost in it. So their keys' second moments are added to
C. The papers, whose answers have a word or two, do not have this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from memedit.bake.contexts import Prepared, go_on
from memedit.bake.moments import ROWS, products
from memedit.bake.reading import Part

if TYPE_CHECKING:
    from memedit.bake.editable import Editable

TOKENS = 16  # that the model goes on with


def with_behind(
    model: Editable,
    prepared: Prepared,
    moments: dict[int, Tensor],
    weight: float,
    *,
    part: Part = "mlp_in",
) -> dict[int, Tensor]:
    """Second moments with those of the keys behind the subjects.

    Read are the edits' prompts alone, without their targets, and what the model as it is goes on
    with, each behind the subject's last token.

    Args:
        model: The model.
        prepared: The edits.
        moments: C by layer, float64 ``[in, in]``.
        weight: What the others' mean is multiplied with; at 0 they are not read.
        part: Whose keys.
    """
    if not weight:
        return moments
    sums = {layer: torch.zeros_like(moment) for layer, moment in moments.items()}
    count = 0
    for rows, starts in _texts(model, prepared):
        for layer, product in products(model, rows, list(moments), part, starts=starts).items():
            sums[layer] += product.to(sums[layer].device)
        count += sum(len(row) - start for row, start in zip(rows, starts, strict=True))
    if not count:
        return moments
    return {layer: moment + weight * sums[layer] / count for layer, moment in moments.items()}


def _texts(
    model: Editable, prepared: Prepared
) -> Iterator[tuple[list[tuple[int, ...]], Sequence[int]]]:
    """Token ids, some rows at a time, and where in each what is behind the subject begins."""
    prompts = [texts[0].ids[: texts[0].target] for texts in prepared.texts]
    rows = [a + b for a, b in zip(prompts, go_on(model, prompts, TOKENS), strict=True)]
    starts = [texts[0].subject + 1 for texts in prepared.texts]
    for at in range(0, len(rows), ROWS):
        yield rows[at : at + ROWS], starts[at : at + ROWS]
