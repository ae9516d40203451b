"""The benchmark of scope and speed: ``python eval/bench.py DATA_DIR``.

Each section runs in a process of its own, so that its peak memory is its own, and is written to
``eval/results/scope.json`` and ``scope.md`` as soon as it is done, with the machine, the versions
and the checksums of the data. A section that is recorded for the same code, data and setting is not
run again: a run that was stopped goes on with the same command.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import shlex
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import mello
import record
import scope
import scope_chat
import scope_growth
import scope_names
import scope_text
import speed
from product import Setting

from memedit.evaluate.machine import code_version, machine

SECTIONS = {
    "counterfact": scope.counterfact,
    "pokemqa": scope.pokemqa,
    "specificity": scope.specificity,
    "aliases": scope_names.aliases,
    "zsre": scope.zsre,
    "conversations": scope_chat.conversations,
    "scale": scope_growth.scale,
    "free_text": scope_text.free_text,
    "latency": speed.latency,
    "identity": speed.identity,
    "bulk": speed.bulk,
    "mello": mello.throughput,
    "kept_out": scope.kept_out,
}
ON_REQUEST = ("kept_out",)  # about another scope model than the shipped one
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Runs the chosen sections and writes the table; exit code 1 where a bound is missed."""
    args = arguments()
    setting = Setting(
        data=args.data,
        limit=args.limit,
        product=dict(args.set),
        relations=tuple(args.relations),
        distractors=args.distractors,
        **({"cache": args.cache} if args.cache else {}),
    )
    data = record.checksums(sorted(args.data.rglob("*.gz")))
    key = digest(setting, data)
    report = record.read(args.out) | {"machine": machine(), "data": data}
    context = multiprocessing.get_context("spawn")
    for place, name in enumerate(args.only, 1):
        if report["sections"].get(name, {}).get("key") == key and not args.again:
            print(f"[{place}/{len(args.only)}] {name}: recorded for this code, data and setting")
            continue
        print(f"[{place}/{len(args.only)}] {name}", flush=True)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            section = pool.submit(run, name, setting).result()
        report["sections"] |= {name: {"key": key, **section}}
        write(report, args.out)  # a later section may be interrupted
    print(write(report, args.out))
    figures = [f for section in report["sections"].values() for f in section["figures"]]
    raise SystemExit(any(figure["met"] is False for figure in figures))


def arguments() -> argparse.Namespace:
    """The command line's; a run that is not the whole one may not replace the recorded results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    default = [name for name in SECTIONS if name not in ON_REQUEST]
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=default)
    parser.add_argument("--again", action="store_true", help="run what is recorded already too")
    parser.add_argument("--out", type=Path, help="default: eval/results/scope.json")
    parser.add_argument("--limit", type=int, help="at most so many queries a figure")
    parser.add_argument(
        "--set",
        type=option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of EditedModel, such as threshold=0.4; may be repeated",
    )
    parser.add_argument(
        "--relations",
        nargs="+",
        default=[],
        metavar="ID",
        help="for kept_out: relations the scope model was trained without",
    )
    parser.add_argument("--distractors", type=int, default=Setting.distractors)
    parser.add_argument("--cache", type=Path, help="where generated stores are kept")
    args = parser.parse_args()
    if args.limit is not None and args.limit < 1:
        parser.error(f"--limit: {args.limit} queries measure nothing; give at least 1")
    if "kept_out" in args.only and not args.relations:
        parser.error("kept_out: say with --relations what the scope model was trained without")
    whole = args.limit is None and not args.set and args.distractors == Setting.distractors
    if not args.out and not (whole and "kept_out" not in args.only):
        parser.error("--out: give one, so that the recorded results of the whole run stay")
    args.out = args.out or RESULTS / "scope.json"
    return args


def option(text: str) -> tuple[str, Any]:
    """``NAME=VALUE``; the value is JSON, or plain text where it is not."""
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def digest(setting: Setting, data: dict[str, str]) -> str:
    """What a section's figures depend on: the product, this benchmark, the data, the setting."""
    modules = [getattr(module, "__file__", None) for module in sys.modules.values()]
    here = Path(__file__).parent
    own = {Path(file) for file in modules if file and Path(file).parent == here}
    parts = {
        "product": code_version(),
        "benchmark": record.checksums(sorted(own)),
        "data": data,
        "limit": setting.limit,
        "options": setting.product,
        "options_files": record.checksums(files_of(setting)),
        "relations": setting.relations,
        "distractors": setting.distractors,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def files_of(setting: Setting) -> list[Path]:
    """The files that the product's options name: a scope model, say."""
    named = [Path(value) for value in setting.product.values() if isinstance(value, str)]
    return sorted(
        file
        for path in named
        for file in ([path] if path.is_file() else path.rglob("*"))
        if file.is_file()
    )


def run(name: str, setting: Setting) -> dict[str, Any]:
    """One section's figures, in this process."""
    return record.measured(lambda: SECTIONS[name](setting), command(name, setting))


def write(report: dict[str, Any], path: Path) -> str:
    """Writes the report; the Markdown."""
    return record.write(report, path, "Scope and speed", "python eval/bench.py DATA_DIR", SECTIONS)


def command(name: str, setting: Setting) -> str:
    """The command that makes a section again; where data and results lie is the reader's matter."""
    words = ["python", "eval/bench.py", "DATA_DIR", "--only", name]
    if setting.limit is not None:
        words += ["--limit", str(setting.limit)]
    for option_name, value in setting.product.items():
        words += ["--set", f"{option_name}={value}"]
    if setting.relations:
        words += ["--relations", *setting.relations]
    if setting.distractors != Setting.distractors:
        words += ["--distractors", str(setting.distractors)]
    return shlex.join(words)


if __name__ == "__main__":
    main()
