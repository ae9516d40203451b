"""One edited model for the standard suites: real memory, encoder and language model."""

from __future__ import annotations

import functools

from memedit import Edit, EditedModel, EditMemory
from tests.models import real


@functools.cache
def edited_model() -> EditedModel:
    memory = EditMemory.open(":memory:")
    memory.add(Edit(subject="Messi", prompt="{} plays the sport of", target_new="basketball"))
    return EditedModel(real.smollm2(), memory)
