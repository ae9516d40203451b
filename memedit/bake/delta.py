"""What baking leaves behind: low-rank changes of some weights, and where they come from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from memedit.edit import new_id
from memedit.errors import BakeError


@dataclass(frozen=True, eq=False)
class LowRank:
    """The change of one weight, ``up @ down`` (LoRA's B and A).

    Attributes:
        down: float32 ``[rank, in]``.
        up: float32 ``[out, rank]``.
    """

    down: Tensor
    up: Tensor

    def __post_init__(self) -> None:
        if self.down.ndim != 2 or self.up.ndim != 2 or len(self.down) != self.up.shape[1]:
            raise BakeError(
                f"delta: factors of shapes {tuple(self.up.shape)} and {tuple(self.down.shape)} "
                "cannot be multiplied.",
                hint="Give up as [out, rank] and down as [rank, in].",
            )

    @classmethod
    def of(cls, up: Tensor, down: Tensor) -> LowRank:
        """Factors of any floating-point type and place, kept as float32 on the CPU."""
        kept = [part.detach().to("cpu", torch.float32).contiguous() for part in (down, up)]
        return cls(*kept)

    @classmethod
    def of_dense(cls, change: Tensor) -> LowRank:
        """A change ``[out, in]`` of full rank, exactly: one factor is the identity."""
        out, width = change.shape
        if out <= width:
            return cls.of(torch.eye(out), change)
        return cls.of(change, torch.eye(width))

    @property
    def shape(self) -> tuple[int, int]:
        """``(out, in)`` of the weight."""
        return len(self.up), self.down.shape[1]

    @property
    def rank(self) -> int:
        """How many pairs of vectors."""
        return len(self.down)

    def dense(self, device: torch.device | str = "cpu") -> Tensor:
        """The change as float64 ``[out, in]``."""
        return self.up.to(device, torch.float64) @ self.down.to(device, torch.float64)

    def norm(self) -> float:
        """Frobenius norm of the change, from the factors alone."""
        grams = [part.double() @ part.double().T for part in (self.up.T, self.down)]
        return float((grams[0] * grams[1]).sum().clamp_min(0).sqrt())

    def smaller(self) -> LowRank:
        """The same change in no more pairs than the weight has rows or columns."""
        if self.rank <= min(self.shape):
            return self
        # Orthogonal factors of the thin side: nothing is cut off.
        if self.shape[0] <= self.shape[1]:
            return LowRank.of(torch.eye(self.shape[0]), self.dense())
        return LowRank.of(self.dense(), torch.eye(self.shape[1]))


@dataclass(frozen=True, eq=False)
class Delta:
    """A change of weights that writes some edits into one base model.

    Attributes:
        edits: Ids of the edits it was computed for, in the order of the method's rows.
        method: The method's name, such as ``"memit"``.
        settings: Its settings as JSON.
        seed: What everything random was drawn with.
        base: :func:`~memedit.models.fingerprint.weights_fingerprint` of the untouched base.
        after: Ids of the deltas that were on the base when it was computed, in their order.
        factors: The change of each weight, by the path of its module.
        figures: What was measured while computing it, as JSON; see the method.
        state: Tensors the method needs for the next batch, by name.
        id: Unique; made up where not given.
        made: When, in UTC.
    """

    edits: tuple[str, ...]
    method: str
    settings: Mapping[str, Any]
    seed: int
    base: str
    factors: Mapping[str, LowRank]
    after: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Tensor] = field(default_factory=dict)
    id: str = field(default_factory=new_id)
    made: dt.datetime = field(
        default_factory=lambda: dt.datetime.now(dt.UTC).replace(microsecond=0)
    )

    def scaled(self, by: float) -> Delta:
        """A delta of its own that changes the weights ``by`` times as much; 0 changes nothing."""
        factors = {
            path: LowRank(change.down, change.up * by) for path, change in self.factors.items()
        }
        settings = {"scaled": by, "of": self.id, **_provenance(self)}
        return replace(
            self, id=new_id(), factors=factors, settings=settings, method="scale", state={}
        )


def merge(deltas: Sequence[Delta]) -> Delta:
    """One delta that changes the weights as all of ``deltas`` together.

    The order does not matter: changes add up.

    Args:
        deltas: At least one; all made for the same base.

    Raises:
        BakeError: They were made for different bases, or one is there twice.
    """
    if not deltas:
        raise BakeError("deltas: there are none to merge.", hint="Give at least one.")
    bases = list(dict.fromkeys(delta.base for delta in deltas))
    if len(bases) > 1:
        raise BakeError(
            f"deltas: they were made for different bases ({', '.join(bases)}).",
            hint="Merge only deltas of one base.",
        )
    ids = tuple(delta.id for delta in deltas)
    if len(set(ids)) < len(ids):
        raise BakeError(f"deltas: one of {', '.join(ids)} is given twice.", hint="Give each once.")
    paths = dict.fromkeys(path for delta in deltas for path in delta.factors)
    factors = {}
    for path in paths:
        parts = [delta.factors[path] for delta in deltas if path in delta.factors]
        down, up = torch.cat([p.down for p in parts]), torch.cat([p.up for p in parts], dim=1)
        factors[path] = LowRank(down, up).smaller()
    return Delta(
        edits=tuple(dict.fromkeys(edit for delta in deltas for edit in delta.edits)),
        method="merge",
        settings={"of": [_provenance(delta) for delta in deltas]},
        seed=deltas[0].seed,
        base=bases[0],
        after=tuple(i for i in dict.fromkeys(a for d in deltas for a in d.after) if i not in ids),
        factors=factors,
    )


def _provenance(delta: Delta) -> dict[str, Any]:
    return {"id": delta.id, "method": delta.method, "settings": dict(delta.settings)}
