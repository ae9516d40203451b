"""Deltas as files: one safetensors file each, with everything known about it beside the tensors."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from memedit.bake.delta import Delta, LowRank
from memedit.bake.tensor_file import read_tensors, write_tensors
from memedit.errors import BakeError

FORMAT = 1
_DOWN, _UP, _STATE = "down:", "up:", "state:"
_FIELDS = ("id", "edits", "method", "settings", "seed", "base", "after", "figures")


def save_delta(delta: Delta, path: Path) -> None:
    """Writes a delta, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    tensors = {f"{_STATE}{name}": tensor for name, tensor in delta.state.items()}
    for name, change in delta.factors.items():
        tensors |= {f"{_DOWN}{name}": change.down, f"{_UP}{name}": change.up}
    meta: dict[str, Any] = {field: getattr(delta, field) for field in _FIELDS}
    write_tensors(path, tensors, {**meta, "made": delta.made.isoformat(), "format": FORMAT})


def load_delta(path: Path) -> Delta:
    """The delta in a file, equal to the one that was saved.

    Raises:
        BakeError: The file is damaged, of another kind, or of a later format.
    """
    tensors, meta = read_tensors(path)
    if meta.get("format") != FORMAT:
        raise BakeError(
            f"delta: {str(path)!r} has the format {meta.get('format')!r}; this version reads "
            f"{FORMAT}.",
            hint="Read it with the version of memedit that wrote it.",
        )
    try:
        names = [name.removeprefix(_DOWN) for name in tensors if name.startswith(_DOWN)]
        return Delta(
            **{
                **{field: meta[field] for field in _FIELDS},
                "edits": tuple(meta["edits"]),
                "after": tuple(meta["after"]),
                "made": dt.datetime.fromisoformat(meta["made"]),
            },
            factors={
                name: LowRank(tensors[f"{_DOWN}{name}"], tensors[f"{_UP}{name}"]) for name in names
            },
            state={
                name.removeprefix(_STATE): tensor
                for name, tensor in tensors.items()
                if name.startswith(_STATE)
            },
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BakeError(
            f"delta: {str(path)!r} is not whole ({error}).", hint="Bake its edits again."
        ) from error
