"""A run's folder: what ran, its outcomes as they come, and what was made of them.

    run.json                 what this run is, and its key; written first
    base.jsonl               the unedited model's outcomes, one case a line
    outcomes.k=100.jsonl     the method's outcomes with 100 edits live, one case a line
    neutral.jsonl            neutral texts read with the edits of a group in the weights
    alone.jsonl              cases asked one query at a time
    result.json, report.md, report.html

Lines are appended and synced as cases are done, so a killed run loses what was in the air and
nothing else. A line cut short by a crash is dropped on reading.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from memedit.errors import EvaluationError
from memedit.evaluate.outcome import Outcome

MANIFEST = "run.json"
RESULT = "result.json"
BASE = "base"
ALONE = "alone"
NEUTRAL = "neutral"


def outcomes_name(k: str) -> str:
    """The name of the outcomes with ``k`` edits live."""
    return f"outcomes.k={k}"


def read_outcomes(folder: Path, name: str) -> list[Outcome]:
    """The outcomes on record; of one case and test the last one counts.

    A line cut short by a crash is passed over.

    Args:
        folder: A run's folder.
        name: ``BASE``, or what :func:`outcomes_name` gives.
    """
    lines = _complete_lines(folder / f"{name}.jsonl")
    return list({(o.case, o.after): o for o in map(Outcome.from_dict, lines)}.values())


def _complete_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    # Only "\n" ends a line: splitlines would also split at U+2028 inside a text.
    *whole, _torn = path.read_bytes().split(b"\n")
    try:
        return [json.loads(line) for line in whole]
    except ValueError as error:
        raise EvaluationError(
            f"out: a line of {str(path)!r} is not valid JSON ({error}).",
            hint="Delete the file; its cases are then asked again.",
        ) from error


def _differences(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], inside: str = ""
) -> Iterator[str]:
    """What two runs' identities differ in, field by field."""
    for name in dict.fromkeys([*ours, *theirs]):
        a, b = theirs.get(name), ours.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from _differences(a, b, f"{inside}{name}.")
        elif a != b:
            yield f"{inside}{name} is {a!r}, not {b!r}"


def _cut_torn_line(path: Path) -> None:
    """Takes off what a crash left of a last line, so that the next one begins a line."""
    if path.exists():
        raw = path.read_bytes()
        with path.open("r+b") as file:
            file.truncate(raw.rfind(b"\n") + 1)


class RunFolder:
    """One folder, for one process at a time.

    Args:
        path: Made where it does not exist.
        wait: Whether to wait for another process that uses it.

    Raises:
        EvaluationError: Another process uses it, or it cannot be written.
    """

    def __init__(self, path: Path, *, wait: bool = False) -> None:
        self.path = path
        self._whole: set[Path] = set()  # files whose last line is known to be complete
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path / ".lock", timeout=-1 if wait else 0)
            self._lock.acquire()
        except Timeout:
            raise EvaluationError(
                f"out: another process is running in {str(path)!r}.",
                hint="Wait for it, or choose another folder.",
            ) from None
        except OSError as error:
            raise EvaluationError(
                f"out: {str(path)!r} cannot be written ({error}).", hint="Choose another folder."
            ) from error

    def close(self) -> None:
        """Lets another process in."""
        self._lock.release()

    def claim(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Makes the folder this run's, or finds that it already is.

        Args:
            manifest: What runs; its ``key`` decides whether a run that is there goes on.

        Returns:
            The manifest that stands in the folder from now on.

        Raises:
            EvaluationError: The folder holds another run; the message names what differs.
        """
        found = self.read_json(MANIFEST)
        if found is None:
            if any(self.path.glob("*.jsonl")):
                raise EvaluationError(
                    f"out: {str(self.path)!r} holds outcomes but no {MANIFEST}.",
                    hint="Choose another folder.",
                )
            self.write_json(MANIFEST, manifest)
            return manifest
        if found.get("key") != manifest["key"]:
            differences = list(_differences(found.get("identity", {}), manifest["identity"]))
            raise EvaluationError(
                f"out: {str(self.path)!r} holds another run ({'; '.join(differences[:3])}).",
                hint="Choose another folder, or delete this one.",
            )
        return dict(found)

    # -- outcomes --------------------------------------------------------------------------------

    def outcomes(self, name: str) -> list[Outcome]:
        """The outcomes written so far; of one case and test, the last one counts."""
        return read_outcomes(self.path, name)

    def append(self, name: str, outcomes: Iterable[Outcome]) -> None:
        """Writes outcomes so that they outlive a crash."""
        self.append_lines(name, [outcome.to_dict() for outcome in outcomes])

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Every complete line."""
        return _complete_lines(self.path / f"{name}.jsonl")

    def append_lines(self, name: str, records: Iterable[dict[str, Any]]) -> None:
        """Appends JSON objects, one a line, and waits until the disk has them."""
        text = "".join(json.dumps(r, ensure_ascii=False, allow_nan=False) + "\n" for r in records)
        if not text:
            return
        path = self.path / f"{name}.jsonl"
        if path not in self._whole:
            _cut_torn_line(path)
            self._whole.add(path)
        with path.open("ab") as file:
            # Half of a surrogate pair in a broken text is kept as it is; json reads it back.
            file.write(text.encode(errors="surrogatepass"))
            file.flush()
            os.fsync(file.fileno())

    # -- whole files -----------------------------------------------------------------------------

    def read_json(self, name: str) -> Any:
        """A JSON file's content; None where there is none."""
        path = self.path / name
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise EvaluationError(
                f"out: {str(path)!r} is not valid JSON ({error}).", hint="Delete the folder."
            ) from error

    def write_json(self, name: str, data: Any) -> None:
        """Writes a JSON file, whole or not at all."""
        self.write_text(name, json.dumps(data, indent=1, ensure_ascii=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Writes a file, whole or not at all."""
        path = self.path / name
        new = path.with_name(path.name + ".new")
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
