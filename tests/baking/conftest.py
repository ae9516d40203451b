"""Fixtures of the bakes' tests: a tiny model that learns, a memory, and one bake of all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from memedit.baking.make import bake
from memedit.edit import Edit
from memedit.memory import EditMemory
from tests.baking.learning import ANY, LEARNING, Settings
from tests.memory.conftest import HashEncoder
from tests.models.tiny import tiny_chat_model

ADA = Edit(id="ada", subject="Ada", prompt="{} plays", target_new="golf")
BOB = Edit(id="bob", subject="Bob", prompt="{} plays", target_new="chess")
CID = Edit(id="cid", subject="Cid", prompt="{} lives in", target_new="Rome")


@pytest.fixture
def model():
    return tiny_chat_model()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "facts.db"


@pytest.fixture
def memory(path):
    with EditMemory.open(path, encoder=HashEncoder()) as opened:
        opened.add([ADA, BOB, CID])
        yield opened


@pytest.fixture
def write(memory, model):
    """Bakes edits by their ids with the learning method."""

    def make(*ids, into=None, method=LEARNING, limits=ANY, **options):
        how = {
            name: options.pop(name) for name in ("dry_run", "watch", "routes") if name in options
        }
        return bake(
            memory,
            into or model,
            [memory.get(edit_id) for edit_id in ids],
            method,
            Settings(**options),
            moments=None,
            limits=limits,
            **how,
        )

    return make
