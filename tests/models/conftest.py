from __future__ import annotations

import pytest

from memedit.models.local import LocalChatModel
from tests.models import real
from tests.models.tiny import tiny_chat_model


@pytest.fixture
def tiny() -> LocalChatModel:
    """A random model of two layers, made anew for each test."""
    return tiny_chat_model(max_tokens=12)


@pytest.fixture(scope="session")
def smollm2() -> LocalChatModel:
    return real.smollm2()
