"""The state of a training on disk: written whole or not at all, so that a killed one goes on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from memedit.errors import TrainingError


class Checkpoint:
    """One training's file.

    Args:
        path: The file; its folder exists.
        key: What the training is: model, data and settings. Another training's file is refused.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key

    def restore(
        self, optimizer: Optimizer, weights: Mapping[str, torch.Tensor]
    ) -> dict[str, Any] | None:
        """Puts optimizer and weights back as they were saved.

        Returns:
            The ``progress`` saved with them; None at the beginning, where nothing is changed.

        Raises:
            TrainingError: The file is another training's.
        """
        saved = self._load()
        if saved is None:
            return None
        optimizer.load_state_dict(saved["optimizer"])
        for name, weight in weights.items():
            weight.data.copy_(saved["weights"][name])
        progress: dict[str, Any] = saved["progress"]
        return progress

    def save(
        self,
        *,
        progress: Mapping[str, Any],
        optimizer: Optimizer,
        weights: Mapping[str, torch.Tensor],
    ) -> None:
        """Writes the state in the place of the last one."""
        state = {
            "key": self.key,
            "progress": dict(progress),
            "optimizer": optimizer.state_dict(),
            "weights": {name: weight.detach().cpu() for name, weight in weights.items()},
        }
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def remove(self) -> None:
        """Deletes the file: the training is done."""
        self.path.unlink(missing_ok=True)

    def _load(self) -> dict[str, Any] | None:
        if not self.path.is_file():
            return None
        saved: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        if saved.pop("key") != self.key:
            raise TrainingError(
                f"out: {str(self.path)!r} is of a training with another model, other data or other "
                "settings.",
                hint="Give the settings it was begun with, or delete the file to begin anew.",
            )
        return saved
