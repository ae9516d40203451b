from __future__ import annotations

import pytest

from memedit import Edit, EditedModel, EditMemory
from memedit.models.local import LocalChatModel
from tests.models import real

SPORT = Edit(
    id="sport",
    subject="Lionel Messi",
    prompt="{} plays the sport of",
    target_new="basketball",
    target_true="football",
)


@pytest.fixture(scope="session")
def smollm2() -> LocalChatModel:
    return real.smollm2()


@pytest.fixture
def memory(tmp_path):
    with EditMemory.open(tmp_path / "e.db") as memory:
        memory.add(SPORT)
        yield memory


@pytest.fixture
def model(smollm2, memory) -> EditedModel:
    return EditedModel(smollm2, memory)
