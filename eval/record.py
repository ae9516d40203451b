"""What every benchmark writes down: figures with intervals, checksums of the data."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from memedit.evaluate.machine import commit, machine, peak_rss_mb

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
        interval: The ends of the 95 % interval of a mean; a share has its own.
        over: Over how many prompts, where it is a mean.
    """

    name: str
    value: float
    n: int | None = None
    target: str = ""
    interval: tuple[float, float] | None = None
    over: int | None = None

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
        """JSON-ready, with the 95 % interval: of a share Wilson's."""
        low, high = self.interval or (None, None)
        if self.n:
            interval = binomtest(round(self.value * self.n), self.n).proportion_ci(method="wilson")
            low, high = round(interval.low, 5), round(interval.high, 5)
        return {
            "name": self.name,
            "value": round(float(self.value), 5),
            "low": low,
            "high": high,
            "n": self.n or self.over,
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


def measured(section: Callable[[], Sequence[Figure]], command: str) -> dict[str, Any]:
    """A section's figures with what they cost and the command that makes them again."""
    started = time.perf_counter()
    figures = section()
    return {
        "command": command,
        "date": dt.date.today().isoformat(),
        "code": commit(ROOT),
        "processor": machine()["processor"],
        "figures": [figure.to_dict() for figure in figures],
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mib": round(peak_rss_mb()),
    }


def carry_out(
    sections: Mapping[str, Callable[[], Sequence[Figure]]],
    chosen: Iterable[str],
    path: Path,
    title: str,
    command: str,
    *,
    options: str = "",
    data: Iterable[Path] = (),
) -> None:
    """Measures sections, writes each as it is done, prints the table and ends the process.

    Args:
        sections: All sections by name, in the order in which they are shown.
        chosen: Which to measure.
        path: The JSON file, which keeps the other sections' figures.
        title: The Markdown's heading.
        command: What makes the whole report.
        options: What stands behind a section's own command.
        data: The data files read.

    Raises:
        SystemExit: Always; the exit code is 1 where a bound is missed.
    """
    report, text = read(path) | {"machine": machine(), "data": checksums(data)}, ""
    for name in chosen:
        report["sections"][name] = measured(sections[name], f"{command} --only {name}{options}")
        text = write(report, path, title, command, sections)
    print(text)
    found = [f for section in report["sections"].values() for f in section["figures"]]
    raise SystemExit(any(figure["met"] is False for figure in found))


def read(path: Path) -> dict[str, Any]:
    """The report recorded in ``path``, or an empty one."""
    report: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"sections": {}}
    return report


def write(
    report: dict[str, Any], path: Path, title: str, command: str, order: Iterable[str]
) -> str:
    """Writes a report as JSON, and as Markdown beside it.

    Args:
        report: ``sections``, each as :func:`measured` gives it, ``machine`` and ``data``.
        path: The JSON file.
        title: The Markdown's heading.
        command: What makes the whole report.
        order: The sections' names in the order in which they are shown.

    Returns:
        The Markdown.
    """
    text = _as_markdown(report, title, command, order)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    path.with_suffix(".md").write_text(text)
    return text


def _as_markdown(report: dict[str, Any], title: str, command: str, order: Iterable[str]) -> str:
    lines = [
        f"# {title}",
        "",
        f"`{command}`",
        "",
        "| figure | value | 95 % interval | n | bound | met | section s | peak MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    sections = {name: report["sections"][name] for name in order if name in report["sections"]}
    for section in sections.values():
        for f in section["figures"]:
            interval = f"{f['low']:.4f}–{f['high']:.4f}" if f["low"] is not None else ""
            met = {True: "yes", False: "**no**", None: ""}[f["met"]]
            lines.append(
                f"| {f['name']} | {f['value']:.4f} | {interval} | {f['n'] or ''} | {f['target']} "
                f"| {met} | {section['seconds']} | {section['peak_mib']} |"
            )
    lines += ["", *(f"- {key}: {value}" for key, value in report["machine"].items())]
    lines += [f"- {name}: sha256 {checksum}" for name, checksum in report["data"].items()]
    lines += [
        f"- {name}: `{section['command']}`, {section['date']}, code {section['code']}"
        + (f", on {section['processor']}" if "processor" in section else "")
        for name, section in sections.items()
    ]
    return "\n".join(lines) + "\n"
