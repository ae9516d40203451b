"""What edits in the weights do to text that is about none of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel

from memedit.baking.canaries import Reading, read_canaries
from memedit.evaluate.cases import Case
from memedit.evaluate.methods.contract import Method
from memedit.evaluate.metrics import Figure, mean_figure
from memedit.models.local import LocalChatModel

# What is no number, or larger, is recorded as this: weights can be destroyed.
MOST_PERPLEXITY = 1e9
MOST_KL = 100.0


@dataclass(frozen=True)
class Neutral:
    """The shipped neutral texts (:mod:`memedit.baking.canaries`) read with a group's edits live.

    Attributes:
        k: The group's k.
        group: The id of its first case.
        perplexity: With the edits.
        before: Perplexity of the unedited model.
        kl: Mean KL divergence of the next token, unedited from edited, in nats.
    """

    k: str
    group: str
    perplexity: float
    before: float
    kl: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def read_unedited(method: Method, model: BaseChatModel) -> Reading | None:
    """The neutral texts under the weights as they are; None where a method cannot change them."""
    if method.detached or not isinstance(model, LocalChatModel):
        return None
    return read_canaries(model.engine)


def read_edited(model: BaseChatModel, before: Reading, k: str, group: Sequence[Case]) -> Neutral:
    """The neutral texts with the edits of ``group`` in the weights."""
    assert isinstance(model, LocalChatModel)
    after = read_canaries(model.engine)
    return Neutral(
        k=k,
        group=group[0].id,
        perplexity=_at_most(MOST_PERPLEXITY, after.perplexity),
        before=before.perplexity,
        kl=_at_most(MOST_KL, before.kl(after)),
    )


def _at_most(most: float, value: float) -> float:
    return min(value, most) if math.isfinite(value) else most


def neutral_figures(lines: Iterable[dict[str, Any]], k: str) -> dict[str, Figure]:
    """``neutral.perplexity`` and ``neutral.kl``, means over the groups of one k."""
    read = {line["group"]: Neutral(**line) for line in lines if line["k"] == k}
    if not read:
        return {}
    found = list(read.values())
    base = sum(one.before for one in found) / len(found)
    return {
        "neutral.perplexity": mean_figure([one.perplexity for one in found], base),
        "neutral.kl": mean_figure([one.kl for one in found], 0.0),
    }
