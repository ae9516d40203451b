"""The benchmark of the untrained floor: ``python eval/bench.py DATA_DIR``.

Measures scope on three data sets, byte identity off scope, and speed, each in a process of its own
so that its peak memory is its own, and writes ``eval/results/floor.json`` and ``floor.md`` with the
machine, the versions and the checksums of the data.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import record
import scope_floor
import speed

from memedit.evaluate.machine import commit, machine, peak_rss_mb

SECTIONS = {
    "counterfact": scope_floor.counterfact,
    "pokemqa": scope_floor.pokemqa,
    "knowedit": scope_floor.knowedit,
    "identity": speed.identity,
    "routing": speed.routing,
    "bulk": speed.bulk,
}
RESULTS = Path(__file__).parent / "results"
COMMAND = "python eval/bench.py DATA_DIR"


def main() -> None:
    """Runs the chosen sections and writes the table; exit code 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=list(SECTIONS))
    parser.add_argument("--out", type=Path, default=RESULTS / "floor.json")
    args = parser.parse_args()
    report = json.loads(args.out.read_text()) if args.out.exists() else {"sections": {}}
    report |= {
        "command": COMMAND,
        "date": dt.date.today().isoformat(),
        "machine": machine(),
        "data": record.checksums(args.data / name for name in scope_floor.FILES),
    }
    context = multiprocessing.get_context("spawn")
    for name in args.only:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            report["sections"][name] = pool.submit(run, name, args.data).result()
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(
            json.dumps(report, indent=1) + "\n"
        )  # a later section may be interrupted
    table = as_markdown(report)
    args.out.with_suffix(".md").write_text(table)
    print(table)
    figures = [f for section in report["sections"].values() for f in section["figures"]]
    raise SystemExit(any(figure["met"] is False for figure in figures))


def run(name: str, data: Path) -> dict[str, Any]:
    """One section's figures, in this process."""
    started = time.perf_counter()
    figures = SECTIONS[name](data)
    return {
        "code": commit(record.ROOT),
        "figures": [figure.to_dict() for figure in figures],
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mib": round(peak_rss_mb()),
    }


def as_markdown(report: dict[str, Any]) -> str:
    """The report as a table for a reader."""
    lines = [
        f"# The untrained floor, measured {report['date']}",
        "",
        f"`{report['command']}`",
        "",
        "| figure | value | 95 % interval | n | bound | met | section s | peak MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for section in report["sections"].values():
        for f in section["figures"]:
            interval = f"{f['low']:.4f}–{f['high']:.4f}" if f["low"] is not None else ""
            met = {True: "yes", False: "**no**", None: ""}[f["met"]]
            lines.append(
                f"| {f['name']} | {f['value']:.4f} | {interval} | {f['n'] or ''} | {f['target']} "
                f"| {met} | {section['seconds']} | {section['peak_mib']} |"
            )
    lines += ["", *(f"- {key}: {value}" for key, value in report["machine"].items())]
    lines += [f"- {name}: sha256 {digest}" for name, digest in report["data"].items()]
    lines += [
        f"- code of {name}: {section['code']}" for name, section in report["sections"].items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
