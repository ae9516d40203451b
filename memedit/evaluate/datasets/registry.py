"""Data sets by name: which there are, where their file is, and reading it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from memedit.evaluate.cases import Case, Dropped, Malformed
from memedit.evaluate.datasets import (
    commonsense,
    conflict,
    counterfact,
    knowedit,
    known,
    mquake,
    multilingual,
    ripple,
    scope_pairs,
    zsre,
)
from memedit.evaluate.datasets.checks import RECORD
from memedit.evaluate.datasets.reader import Reader
from memedit.evaluate.datasets.source import DataSetError, checksum, read_records

HUB = "hub"
HUB_PREFIX = "hf://datasets/"
_ALL: tuple[tuple[Reader, ...], ...] = (
    commonsense.READERS,
    conflict.READERS,
    counterfact.READERS,
    knowedit.READERS,
    known.READERS,
    mquake.READERS,
    multilingual.READERS,
    ripple.READERS,
    scope_pairs.READERS,
    zsre.READERS,
)
_READERS = {reader.name: reader for readers in _ALL for reader in readers}


class DataSet:
    """One file of cases. Iterating reads it, and can be done again from the start.

    Attributes:
        name: The data set's name.
        path: The file read.
        checksum: SHA-256 of the file's bytes, hexadecimal.
        dropped: What the last iteration, or the current one so far, left out on purpose.
        source: The paper or repository that defines the data set.
    """

    def __init__(self, reader: Reader, path: Path) -> None:
        self.name = reader.name
        self.source = reader.source
        self.path = path
        self.checksum = checksum(path)
        self.dropped = Dropped()
        self._read = reader.read

    def __iter__(self) -> Iterator[Case | Malformed]:
        """Each record's case, or what is wrong with it, in the file's order."""
        self.dropped = Dropped()
        return self._read(read_records(self.path), self.dropped)

    @property
    def records_dropped(self) -> int:
        """How many records (not queries) the last iteration left out on purpose."""
        counts = self.dropped.reasons.items()
        return sum(count for reason, count in counts if reason.startswith(RECORD))


def load_dataset(name: str, data: str | Path | None = None) -> DataSet:
    """A data set by its name.

    Args:
        name: One of :func:`names`.
        data: Its file; or a folder that holds it at any depth, under one of the names it is
            published by; or a file on the Hugging Face hub,
            ``"hf://datasets/OWNER/NAME/PATH"``; or None or ``"hub"`` for the place on the hub
            that the data set is known to have.

    Returns:
        The data set; iterate over it for its cases.

    Raises:
        DataSetError: There is no such data set; there is no file, or several fit; the file
            cannot be read or holds no record; or the hub does not have it or is out of reach.
    """
    known = reader(name)
    path = _path(known, HUB if data is None else data)
    next(read_records(path))  # a file without records is refused here, not in mid-run
    return DataSet(known, path)


def names() -> list[str]:
    """The names of all data sets, sorted."""
    return sorted(_READERS)


def reader(name: str) -> Reader:
    """The reader of a data set.

    Raises:
        DataSetError: There is no data set of this name; the hint names those nearest to it.
    """
    if name in _READERS:
        return _READERS[name]
    near = difflib.get_close_matches(name, _READERS, n=3, cutoff=0.5)
    raise DataSetError(
        f"There is no data set {name!r}.",
        hint=f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {names()}.",
    )


def _path(known: Reader, data: str | Path) -> Path:
    if str(data).startswith(HUB_PREFIX):
        owner, name, path = (*str(data).removeprefix(HUB_PREFIX).split("/", 2), "", "")[:3]
        return _from_hub(known, f"{owner}/{name}:{path}")
    if data == HUB:
        return _from_hub(known, known.hub)
    return _located(known, Path(data))


def _located(known: Reader, data: Path) -> Path:
    """``data`` itself, or the one file in the folder that has a name of this data set's."""
    if not data.is_dir():
        return data
    files = sorted(path for path in data.rglob("*") if path.is_file())
    for pattern in known.files:
        found = [path for path in files if fnmatchcase(path.name, pattern)]
        if len(found) > 1:
            listed = ", ".join(str(path.relative_to(data)) for path in found)
            raise DataSetError(
                f"Several files of {known.name} are in {str(data)!r}: {listed}.",
                hint="Give one of them as the data.",
            )
        if found:
            return found[0]
    raise DataSetError(
        f"No file of {known.name} is in {str(data)!r}.",
        hint=f"Its file is called like one of {', '.join(known.files)}; or give the file itself.",
    )


def _from_hub(known: Reader, place: str | None) -> Path:
    """The file at ``"owner/name:path"`` on the hub, from the cache where it is there."""
    if place is None:
        raise DataSetError(
            f"{known.name} has no known place on the hub.",
            hint=f"Get it from {known.source} and give the file, the folder it is in, or "
            f"{HUB_PREFIX}OWNER/NAME/PATH.",
        )
    from huggingface_hub import hf_hub_download  # seconds to import, and needed only here
    from huggingface_hub.errors import EntryNotFoundError

    repository, _, path = place.partition(":")
    try:
        return Path(hf_hub_download(repository, path, repo_type="dataset"))
    except (OSError, EntryNotFoundError, ValueError) as error:
        raise DataSetError(
            f"{known.name} cannot be fetched from the hub ({place}): {_first_line(error)}.",
            hint="Go online, or give a file that you have as the data.",
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
