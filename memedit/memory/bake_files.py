"""The folder of a store's delta files: one for each live bake, and nothing else for long.

A delta is written before the store knows of its bake, and deleted after the store has forgotten it.
What a kill in between leaves is a file that no live bake names; it is swept when the store is next
opened for writing. A process that is about to name a file holds the lock, so none is swept under
its hands.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from memedit.errors import StoreError, StoreLockedError

_log = logging.getLogger(__name__)

_SUFFIX = ".safetensors"
_LOCK = ".lock"


class BakeFiles:
    """The delta files of one store.

    Args:
        folder: Where they are; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, bake_id: str) -> Path:
        """The delta file of a bake."""
        return self.folder / f"{bake_id}{_SUFFIX}"

    @contextlib.contextmanager
    def locked(self, timeout: float) -> Iterator[None]:
        """Keeps other processes from baking, and from sweeping, meanwhile.

        Raises:
            StoreLockedError: Another process bakes.
            StoreError: The folder cannot be made.
        """
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / _LOCK, timeout=timeout)
            lock.acquire()
        except Timeout:
            raise StoreLockedError(
                f"The bakes in {self.folder} are being changed by another program.",
                hint="Try again when it has finished.",
            ) from None
        except OSError as error:
            raise StoreError(
                f"The folder {self.folder} cannot be made or written ({error.strerror}).",
                hint="Make room, or make the store's folder writable.",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def sweep(self, live: Callable[[], Collection[str]]) -> None:
        """Deletes what belongs to no live bake, unless another process is baking.

        Args:
            live: Ids of the live bakes; asked under the lock.
        """
        if not self.folder.is_dir() or not self._strays(live()):
            return
        try:
            with self.locked(timeout=0):
                for stray in self._strays(live()):
                    stray.unlink(missing_ok=True)
        except StoreLockedError:
            return  # a bake is being made; what is stray then is swept another time
        except (OSError, StoreError) as error:
            _log.warning("%s was not swept (%s)", self.folder, error)

    def _strays(self, live: Collection[str]) -> list[Path]:
        kept = {_LOCK, *(self.path(bake_id).name for bake_id in live)}
        return [path for path in self.folder.iterdir() if path.name not in kept]


def checksum(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
