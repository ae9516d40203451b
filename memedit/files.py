"""Writing a file so that a reader finds the old one or the new one, never half of either."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def write_atomically(path: Path, chunks: Iterable[bytes]) -> None:
    """Writes ``chunks`` to a temporary file beside ``path``, then renames it.

    The file and the folder are flushed to the disk, so that the new file survives a power cut.

    Raises:
        OSError: It cannot be written; ``path`` is as it was.
    """
    temporary = path.with_name(temporary_prefix(path) + secrets.token_hex(4))
    try:
        with temporary.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _flush_folder(path.parent)


def temporary_prefix(path: Path) -> str:
    """How the names of the temporary files of ``path`` begin."""
    return f".{path.name}."


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
