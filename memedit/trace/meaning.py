"""Restoration judged by what the model then says, for answers that are sentences.

KLFT's location (Huang et al. 2024, arXiv 2410.23844) asks hosted models whether an answer
means the same. Here an encoder compares the greedy continuation with the clean run's: the same
question, put so that it has one answer on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from memedit.trace.effects import Array, Trace, checked_window, embedded_width, spans
from memedit.trace.going_on import goes_on, restored_continuations
from memedit.trace.noise import NoiseSettings
from memedit.trace.prompts import Prompt
from memedit.trace.runs import PARTS, Restoration, Runs

if TYPE_CHECKING:
    from memedit.bake.editable import Editable
    from memedit.bake.reading import Part

Similarity = Callable[[str, Sequence[str]], Array]
MOST_TOKENS = 16
_TOGETHER = 24  # restorations


def trace_meaning(
    model: Editable,
    prompt: Prompt,
    noise: NoiseSettings,
    similarity: Similarity,
    *,
    window: int | None = None,
    parts: Sequence[Part] = PARTS,
    tokens: Sequence[int] | None = None,
    every: int = 1,
    most: int = MOST_TOKENS,
) -> Trace:
    """Traces one prompt by the meaning of what the model says.

    Args:
        model: The model; nobody else may use it meanwhile.
        prompt: The prompt; its answer is not looked for.
        noise: How its subject is corrupted.
        similarity: How alike a text is to each of others, at most 1.
        window: As for :func:`~memedit.trace.effects.trace`.
        parts: What is put back.
        tokens: At which tokens; None for the subject's last one and the last one.
        every: Put back around every so many layers only: each is a text to be written.
        most: The most tokens of a continuation.

    Returns:
        A trace whose answer is what the model says by itself, and ``clean`` 1.

    Raises:
        TraceError: The window does not fit the model.
    """
    layers = len(model.blocks)
    width = checked_window(window, layers)
    drawn = noise.draw(prompt, embedded_width(model))
    clean = Runs(model, prompt, drawn[:0]).clean_states()
    said = goes_on(model, prompt.text, most)
    chosen = dict.fromkeys((prompt.last, prompt.begin - 1) if tokens is None else tokens)
    restored = {part: np.full((prompt.begin, layers), np.nan) for part in parts}
    asked = [
        (part, token, layer)
        for part in parts
        for token in chosen
        for layer in range(0, layers, every)
    ]
    tried = [None, *(Restoration(t, spans(p, layers, width)[at], p) for p, t, at in asked)]
    found: list[float] = []
    for start in range(0, len(tried), _TOGETHER):
        some = tried[start : start + _TOGETHER]
        texts = restored_continuations(model, prompt, drawn, clean, some, most)
        found += [float(similarity(said, each).mean()) for each in texts]
    for (part, token, layer), value in zip(asked, found[1:], strict=True):
        restored[part][token, layer] = value
    return Trace(replace(prompt, answer=said), "meaning", width, 1.0, found[0], restored)
