"""One prompt, traced as a user asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from memedit.errors import TraceError
from memedit.forms import SLOT
from memedit.trace import NoiseSettings, Trace, embedding_std, place, template_of, trace
from memedit.trace.going_on import first_words

if TYPE_CHECKING:
    from memedit.bake.editable import Editable
    from memedit.trace.effects import Measure


def trace_prompt(
    model: Editable,
    prompt: str,
    subject: str,
    answer: str | None,
    *,
    samples: int,
    times: float,
    window: int | None,
    seed: int,
    measure: Measure = "answer",
    watch: Callable[[int, int], None] | None = None,
) -> tuple[Trace, float]:
    """Traces one prompt.

    Args:
        model: The model; nobody else may use it meanwhile.
        prompt: The prompt, with ``{}`` or its subject in it.
        subject: What is corrupted.
        answer: What is to follow; None for the word the model itself goes on with.
        samples: How many draws of noise.
        times: The noise's width, as a multiple of that of the subject's embeddings.
        window: How many layers' MLPs or attention are put back together; None for the published
            share.
        seed: Of the noise.
        measure: Of an answer of several tokens.
        watch: Called with how many tokens are done, and of how many.

    Returns:
        The trace, and the standard deviation of the subject's embeddings.

    Raises:
        TraceError: The prompt cannot be traced as asked.
    """
    template = template_of(prompt, subject)
    text = template.replace(SLOT, subject)
    expected = answer if answer is not None else first_words(model, text)
    if not expected:
        raise TraceError(
            f"answer: the model has no word of its own to go on with after {text!r}.",
            hint="Give the answer to look for.",
        )
    context = getattr(model.network.config, "max_position_embeddings", None)
    asked = place(model.tokens, template, subject, expected, context=context)
    std = embedding_std(model, [asked])
    noise = NoiseSettings(std, times, samples, seed)
    return trace(model, asked, noise, window=window, measure=measure, watch=watch), std
