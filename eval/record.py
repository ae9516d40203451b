"""What every benchmark writes down: figures with intervals, checksums of the data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        name: What was measured.
        value: A share (0…1), a ratio or seconds.
        n: On how many queries, where it is a share.
        target: The bounds it has to meet, such as ``">= 0.9"`` or ``">= 0.003 <= 0.015"``; empty
            where it is only recorded.
    """

    name: str
    value: float
    n: int | None = None
    target: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bounds are met; None without one."""
        if not self.target:
            return None
        parts = self.target.split()
        bounds = zip(parts[::2], map(float, parts[1::2]), strict=True)
        return all(
            bool(self.value >= bound if sign == ">=" else self.value <= bound)
            for sign, bound in bounds
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with the 95 % Wilson interval of a share."""
        low = high = None
        if self.n:
            interval = binomtest(round(self.value * self.n), self.n).proportion_ci(method="wilson")
            low, high = round(interval.low, 5), round(interval.high, 5)
        return {
            "name": self.name,
            "value": round(float(self.value), 5),
            "low": low,
            "high": high,
            "n": self.n,
            "target": self.target,
            "met": self.met,
        }


def share(name: str, hits: Sequence[bool], target: str = "") -> Figure:
    """The share of true values.

    Raises:
        ValueError: There are none, so that nothing was measured.
    """
    if not hits:
        raise ValueError(f"{name}: nothing was asked")
    return Figure(name, sum(hits) / len(hits), len(hits), target)


def checksums(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of the data files read."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
