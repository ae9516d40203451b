"""Folders that a training has written: weights, and beside them what is known about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memedit.errors import EncoderError


def read_about(folder: Path, config: str, weights: str, *, what: str, train: str) -> dict[str, Any]:
    """What is known about the weights in a folder.

    Args:
        folder: Where they are.
        config: The file that tells.
        weights: Their file.
        what: What they are called in messages.
        train: The command under ``memedit train`` that writes such a folder.

    Raises:
        EncoderError: A file is missing.
    """
    for name in (config, weights):
        if not (folder / name).is_file():
            raise EncoderError(
                f"{what}: {str(folder)!r} has no {name}.",
                hint=f"Give a folder that memedit train {train} has written.",
            )
    about: dict[str, Any] = json.loads((folder / config).read_text(encoding="utf-8"))
    return about


def about_in(folder: Path, config: str) -> dict[str, Any] | None:
    """What is known about the weights in a folder so far; None where nothing is."""
    path = folder / config
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def write_about(folder: Path, config: str, about: Mapping[str, Any]) -> None:
    """Writes what :func:`read_about` reads."""
    text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    (folder / config).write_text(text, encoding="utf-8")
