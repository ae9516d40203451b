"""Settings that were tried on the embedded model, around those in ``hparams/``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

# Method, name, and what is other than in hparams/METHOD/smollm2-135m.toml.
TRIED: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("rome", "as shipped", {}),
    ("memit", "as shipped", {}),
)


def changed(settings: BaseModel, update: Mapping[str, Any]) -> BaseModel:
    """The settings with other values; ``target`` is changed value by value."""
    values = settings.model_dump() | {k: v for k, v in update.items() if k != "target"}
    values["target"] |= update.get("target", {})
    return type(settings).model_validate(values)
