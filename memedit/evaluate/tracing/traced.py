"""A trace as it is kept: one JSON object a prompt, small enough to read by eye."""

from __future__ import annotations

from math import isnan
from typing import Any

import numpy as np

from memedit.trace.effects import KINDS, Array, Trace
from memedit.trace.prompts import Prompt

_DIGITS = 7


def to_dict(trace: Trace) -> dict[str, Any]:
    """A trace as JSON: probabilities, not differences."""
    asked = trace.prompt
    return {
        "prompt": asked.text,
        "subject": asked.subject,
        "answer": asked.answer,
        "tokens": list(asked.tokens),
        "ids": list(asked.ids),
        "first": asked.first,
        "last": asked.last,
        "measure": trace.measure,
        "window": trace.window,
        "clean": trace.clean,
        "corrupted": trace.corrupted,
        "restored": {part: _numbers(values) for part, values in trace.restored.items()},
    }


def from_dict(data: dict[str, Any]) -> Trace:
    """The trace that :func:`to_dict` wrote."""
    asked = Prompt(
        text=data["prompt"],
        subject=data["subject"],
        answer=data["answer"],
        ids=tuple(data["ids"]),
        first=data["first"],
        last=data["last"],
        begin=len(data["tokens"]),
        tokens=tuple(data["tokens"]),
    )
    restored = {
        part: np.array(data["restored"][part]) for part in KINDS if part in data["restored"]
    }
    return Trace(asked, data["measure"], data["window"], data["clean"], data["corrupted"], restored)


def _numbers(values: Array) -> list[list[float | None]]:
    rounded = np.round(values, _DIGITS).tolist()
    return [[None if isnan(value) else value for value in row] for row in rounded]
