"""Where a model keeps what it knows: causal tracing, and what each layer adds to the stream.

This room knows models and where subjects stand in prompts; it knows no store, decides no route,
and averages nothing: intervals over many prompts are the evaluation's.

The interface::

    model = Editable.of(chat_model.engine)            # hold engine.using(None) meanwhile
    prompt = place(model.tokens, "The Space Needle is in the city of", "Space Needle", "Seattle")
    noise = NoiseSettings(std=embedding_std(model, [prompt]))
    found = trace(model, prompt, noise)
    found.clean, found.corrupted                      # probabilities of the whole answer
    found.effects("mlp_out")                          # indirect effects [tokens, layers]
"""

from memedit.trace.effects import KINDS, Trace, default_window, trace
from memedit.trace.groups import GROUPS, by_group, groups_of
from memedit.trace.noise import NoiseSettings, embedding_std
from memedit.trace.prompts import Prompt, place, template_of

__all__ = [
    "GROUPS",
    "KINDS",
    "NoiseSettings",
    "Prompt",
    "Trace",
    "by_group",
    "default_window",
    "embedding_std",
    "groups_of",
    "place",
    "template_of",
    "trace",
]
