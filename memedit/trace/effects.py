"""Indirect effects of every token and layer: what putting a state back gives of the answer.

Meng et al. 2022 (arXiv 2202.05262, section 2): the total effect is what the noise takes of the
answer's probability, the indirect effect of a state what putting it back to its clean value gives
of that again. Whole layers are put back one at a time; MLPs and attention in windows around a
layer, ten of GPT-2 XL's 48.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memedit.errors import TraceError
from memedit.trace.noise import NoiseSettings
from memedit.trace.prompts import Prompt
from memedit.trace.runs import PARTS, Restoration, Runs

if TYPE_CHECKING:
    from memedit.bake.editable import Editable
    from memedit.bake.reading import Part

KINDS: Mapping[Part, str] = {
    "block_out": "whole layers",
    "mlp_out": "MLPs",
    "attn_out": "attention",
}
Measure = Literal["answer", "token", "meaning"]
Array = npt.NDArray[np.float64]
_WINDOW, _DEPTH = 10, 48  # of GPT-2 XL, as published


@dataclass(frozen=True)
class Trace:
    """What was found about one prompt.

    Attributes:
        prompt: The prompt.
        measure: ``"answer"``, so probabilities are of the whole answer; ``"token"``, so they are
            the geometric mean over its tokens; or ``"meaning"``, so in the place of probabilities
            stands how alike in meaning the model's own continuation is to the clean one.
        window: How many layers' MLPs or attention were put back together.
        clean: The answer's probability.
        corrupted: The same with noise on the subject, a mean over the samples of noise.
        restored: The same with states put back, ``[tokens, layers]`` for each part; NaN for what
            was not tried.
    """

    prompt: Prompt
    measure: Measure
    window: int
    clean: float
    corrupted: float
    restored: Mapping[Part, Array]

    @property
    def total_effect(self) -> float:
        """What the noise takes of the answer's probability."""
        return self.clean - self.corrupted

    def effects(self, part: Part) -> Array:
        """The indirect effects ``[tokens, layers]`` of a part."""
        return self.restored[part] - self.corrupted


def default_window(layers: int) -> int:
    """The published window of ten layers of 48, in a model of so many layers."""
    return max(1, round(layers * _WINDOW / _DEPTH))


def windows(layers: int, width: int) -> list[range]:
    """The layers of the window around each layer; cut off at both ends, as published."""
    return [
        range(max(0, layer - width // 2), min(layers, layer + (width + 1) // 2))
        for layer in range(layers)
    ]


def trace(
    model: Editable,
    prompt: Prompt,
    noise: NoiseSettings,
    *,
    window: int | None = None,
    measure: Measure = "answer",
    parts: Sequence[Part] = PARTS,
    tokens: Sequence[int] | None = None,
    watch: Callable[[int, int], None] | None = None,
    reuse: bool = True,
) -> Trace:
    """Traces one prompt.

    Args:
        model: The model; nobody else may use it meanwhile.
        prompt: The prompt and its answer.
        noise: How its subject is corrupted.
        window: How many layers' MLPs or attention are put back together; None for the published
            share of the model's layers.
        measure: See :class:`Trace`; meaning is for :func:`~memedit.trace.meaning.trace_meaning`.
        parts: What is put back.
        tokens: At which tokens; None for all from the subject on. Those before it are corrupted in
            no run.
        watch: Called with how many tokens are done, and of how many.
        reuse: See :class:`~memedit.trace.runs.Runs`.

    Raises:
        TraceError: The window is not between one and the number of layers.
    """
    layers = len(model.blocks)
    width = checked_window(window, layers)
    runs = Runs(model, prompt, noise.draw(prompt, embedded_width(model)), reuse=reuse)
    each = {part: spans(part, layers, width) for part in parts}
    corrupted = float(probability(runs.corrupted, measure).mean())
    restored = {part: np.full((prompt.begin, layers), np.nan) for part in parts}
    chosen = range(prompt.first, prompt.begin) if tokens is None else tokens
    for part in parts:
        restored[part][: prompt.first] = corrupted
    for done, token in enumerate(chosen, start=1):
        asked = [Restoration(token, some, part) for part in parts for some in each[part]]
        found = probability(runs.restored(asked), measure).mean(dim=1).cpu().numpy()
        for i, part in enumerate(parts):
            restored[part][token] = found[i * layers : (i + 1) * layers]
        if watch is not None:
            watch(done, len(chosen))
    clean = float(probability(runs.clean, measure))
    return Trace(prompt, measure, width, clean, corrupted, restored)


def checked_window(window: int | None, layers: int) -> int:
    """A window's width, or the published one.

    Raises:
        TraceError: It is not between one and the number of layers.
    """
    width = default_window(layers) if window is None else window
    if not 1 <= width <= layers:
        raise TraceError(
            f"window: {width} is not between 1 and the model's {layers} layers.",
            hint="Give a number of layers, or leave it out for the published share of them.",
        )
    return width


def probability(log_probs: Tensor, measure: Measure) -> Tensor:
    """The probability ``[...]`` of an answer whose tokens have ``log_probs [..., tokens]``."""
    exact = log_probs.to(torch.float64)
    return (exact.sum(-1) if measure == "answer" else exact.mean(-1)).exp()


def spans(part: Part, layers: int, width: int) -> list[range]:
    """Which layers of a part are put back together, around each layer."""
    if part == "block_out":
        return [range(layer, layer + 1) for layer in range(layers)]
    return windows(layers, width)


def embedded_width(model: Editable) -> int:
    """How wide the model's embeddings are."""
    weight = model.network.get_input_embeddings().weight
    assert isinstance(weight, Tensor)
    return weight.shape[1]
