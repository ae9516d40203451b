"""The embedded model, loaded once a process however many folders of tests ask for it."""

from __future__ import annotations

import functools

from memedit.models.load import load_local_model
from memedit.models.local import LocalChatModel


@functools.cache
def smollm2() -> LocalChatModel:
    return load_local_model("smollm2", device="cpu", max_tokens=24)
