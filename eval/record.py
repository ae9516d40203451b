"""What every benchmark writes down: figures with intervals, the machine, versions, checksums."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

PACKAGES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "faiss-cpu",
    "numpy",
    "sqlite-utils",
    "langchain-core",
    "peft",
)
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        name: What was measured.
        value: A share (0…1), a ratio or seconds.
        n: On how many queries, where it is a share.
        target: The bound it has to meet, such as ``">= 0.9"``; empty where it is only recorded.
    """

    name: str
    value: float
    n: int | None = None
    target: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bound is met; None without one."""
        if not self.target:
            return None
        sign, bound = self.target.split()
        return bool(self.value >= float(bound) if sign == ">=" else self.value <= float(bound))

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
    """The share of true values."""
    return Figure(name, sum(hits) / len(hits), len(hits), target)


def machine() -> dict[str, Any]:
    """Processor, cores, memory and the versions that matter."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1] for line in info.read_text().splitlines() if "model name" in line
        ]
        model = names[0].strip() if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = {name: metadata.version(name) for name in PACKAGES}
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        **versions,
    }


def code_version() -> str:
    """The commit measured, marked where the tree differs from it."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
    )
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", "memedit", "eval/*.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    return commit.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def checksums(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of the data files read."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def peak_mib() -> float:
    """The most memory this process has held at once, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
