"""memedit: knowledge editing that leaves a language model's weights alone until asked.

Edits live in a memory; each question is routed: in scope of an edit the counterfactual model
answers from it, out of scope the base model answers byte for byte as before.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memedit.edit import Edit
    from memedit.importers import load_edits
    from memedit.memory import EditMemory
    from memedit.models.load import load_model
    from memedit.pipeline import Answer, Decision, EditedModel

__all__ = ["Answer", "Decision", "Edit", "EditMemory", "EditedModel", "load_edits", "load_model"]

_HOMES = {
    "Answer": "memedit.pipeline",
    "Decision": "memedit.pipeline",
    "Edit": "memedit.edit",
    "EditMemory": "memedit.memory",
    "EditedModel": "memedit.pipeline",
    "load_edits": "memedit.importers",
    "load_model": "memedit.models.load",
}


def __getattr__(name: str) -> Any:
    """Loads a public name on first use, so that importing memedit imports no model library."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
