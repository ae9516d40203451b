"""Where things are kept when nothing else is said; every place can be set in the environment."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_MODEL = "smollm2"


def home() -> Path:
    """The folder of converted models: ``$MEMEDIT_HOME``, else ``~/.cache/memedit``."""
    return Path(os.environ.get("MEMEDIT_HOME") or "~/.cache/memedit").expanduser()


def default_store() -> Path:
    """The store used where none is named.

    ``$MEMEDIT_STORE``; else ``stores/memory.db`` where the current folder has a ``stores``
    folder, as a checkout does; else ``memory.db`` in ``$MEMEDIT_HOME`` or, since edits must
    outlive a cleared cache, in the user's data folder.
    """
    chosen = os.environ.get("MEMEDIT_STORE")
    if chosen:
        return Path(chosen).expanduser()
    local = Path("stores")
    if local.is_dir():
        return local / "memory.db"
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    folder = os.environ.get("MEMEDIT_HOME") or f"{data}/memedit"
    return Path(folder).expanduser() / "memory.db"
