"""Settings that were tried on the embedded model, around those in ``hparams/``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

# Method, name, and what is other than in hparams/METHOD/smollm2-135m.toml.
TRIED: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("rome", "as shipped", {}),
    ("rome", "layer 2", {"layer": 2}),
    ("rome", "layer 5", {"layer": 5}),
    ("rome", "layer 8", {"layer": 8}),
    ("rome", "6 steps of 2", {"target": {"steps": 6, "learning_rate": 2.0}}),
    ("memit", "as shipped", {}),
    ("memit", "share 0.5", {"share": 0.5}),
    ("memit", "share 0.9", {"share": 0.9}),
    ("memit", "layers 3 to 6, share 0.9", {"layers": (3, 4, 5, 6), "share": 0.9}),
    ("memit", "layers 4 to 8", {"layers": (4, 5, 6, 7, 8)}),
)

# AlphaEdit's, in sequence: name, and what is other than in hparams/alphaedit/smollm2-135m.toml.
IN_SEQUENCE: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("as shipped", {}),
    ("share 0.5", {"share": 0.5}),
    ("share 0.3", {"share": 0.3}),
    ("share 0.5, 8 steps", {"share": 0.5, "target": {"steps": 8}}),
    ("share 0.5, null_energy 0.2", {"share": 0.5, "null_energy": 0.2}),
    ("share 0.5, null_energy 0.8", {"share": 0.5, "null_energy": 0.8}),
    ("share 0.5, layers 3 to 8", {"share": 0.5, "layers": (3, 4, 5, 6, 7, 8)}),
)


def changed(settings: BaseModel, update: Mapping[str, Any]) -> BaseModel:
    """The settings with other values; those of a group are changed one by one."""
    values = settings.model_dump()
    for name, value in update.items():
        values[name] = values[name] | value if isinstance(value, Mapping) else value
    return type(settings).model_validate(values)
