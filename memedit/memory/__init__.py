"""The edit memory: every edit, its history and its vectors in one SQLite file."""

from __future__ import annotations

from memedit.memory.memory import EditMemory
from memedit.memory.records import (
    BakeRecord,
    Changes,
    Conflict,
    EditRecord,
    Event,
    SearchHit,
    Stats,
    Status,
)
from memedit.memory.validity import winners

__all__ = [
    "BakeRecord",
    "Changes",
    "Conflict",
    "EditMemory",
    "EditRecord",
    "Event",
    "SearchHit",
    "Stats",
    "Status",
    "winners",
]
