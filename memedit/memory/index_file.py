"""The file a vector index is kept in between runs: a checked header, then the index.

The first line is the format's name and the SHA-256 of all that follows; the second is the header
as JSON; the rest is the index as FAISS serialises it. A file that is not sound is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from memedit.files import temporary_prefix, write_atomically

_log = logging.getLogger(__name__)

_FORMAT = b"memedit-index-1"
_LOCK_SECONDS = 5.0


class IndexFile:
    """The index file of one namespace.

    Args:
        folder: The store's folder of index files; made when the first is written.
        namespace: Whose index. The name is hashed, since it may hold any characters.
    """

    def __init__(self, folder: Path, namespace: str) -> None:
        name = hashlib.sha256(namespace.encode()).hexdigest()[:16]
        self.path = folder / f"{name}.faiss"

    def read(self) -> tuple[dict[str, Any], Any] | None:
        """The header and the FAISS index, or None where there is no sound file."""
        import faiss

        try:
            first, _, rest = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("%s cannot be read (%s); the index is built anew", self.path, error)
            return None
        if first != _first_line(rest):
            _log.warning("%s is damaged; the index is built anew", self.path)
            return None
        header, _, body = rest.partition(b"\n")
        try:
            return json.loads(header), faiss.deserialize_index(np.frombuffer(body, dtype=np.uint8))
        except RuntimeError as error:
            _log.warning("%s is of another FAISS (%s); the index is built anew", self.path, error)
            return None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from writing or deleting the file meanwhile.

        Raises:
            OSError: The folder cannot be made, or another process held the lock for too long.
        """
        from filelock import FileLock

        self.path.parent.mkdir(exist_ok=True)
        with FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
            yield

    def write(self, header: dict[str, Any], index: Any) -> None:
        """Writes the file whole or, with an OSError, not at all; call it under the lock."""
        import faiss

        self._delete_torn()
        rest = json.dumps(header).encode() + b"\n" + faiss.serialize_index(index).tobytes()
        write_atomically(self.path, [_first_line(rest), b"\n", rest])

    def delete(self) -> None:
        """Deletes the file, if there is one; call it under the lock."""
        self._delete_torn()
        self.path.unlink(missing_ok=True)

    def _delete_torn(self) -> None:
        """Deletes what processes left that were killed while they wrote."""
        for torn in self.path.parent.glob(f"{temporary_prefix(self.path)}*"):
            torn.unlink(missing_ok=True)


def _first_line(rest: bytes) -> bytes:
    return _FORMAT + b" " + hashlib.sha256(rest).hexdigest().encode()
