"""What every reader of a data set is, and the records it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from memedit.evaluate.cases import Case, Dropped, Malformed


@dataclass(frozen=True)
class Record:
    """One record as it stands in its file.

    Attributes:
        place: Its number (JSON list) or line (JSONL, TSV), counted from 1.
        data: The parsed JSON value, or for a text file the line.
        broken: Why the file gives no value here; empty where it does. ``data`` is None then.
    """

    place: int
    data: Any
    broken: str = ""


Read = Callable[[Iterable[Record], Dropped], Iterator[Case | Malformed]]


@dataclass(frozen=True)
class Reader:
    """How one data set's files become cases.

    Attributes:
        name: What it is called, as in ``memedit eval``'s suites (``"counterfact"``).
        files: Patterns (``fnmatch``, on the file's name) of its files in a folder of data, the
            first that matches wins.
        read: Records to cases, one at a time, in order; counts what it leaves out.
        source: The paper or repository that defines it.
        hub: Where a hub has it: ``"owner/name:path/in/the/data/set"``; None where none does.
    """

    name: str
    files: tuple[str, ...]
    read: Read
    source: str
    hub: str | None = None
