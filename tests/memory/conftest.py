"""Fixtures of the memory's tests: a quick deterministic encoder, a memory, a short way to facts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from memedit.edit import Edit
from memedit.memory import EditMemory


class HashEncoder:
    """Unit vectors drawn by a text's hash: equal texts are equal, others nearly orthogonal."""

    def __init__(self, fingerprint: str = "hash", dimension: int = 16) -> None:
        self.fingerprint = fingerprint
        self.dimension = dimension
        self.encoded: list[str] = []

    def encode(self, texts, *, progress=None):
        self.encoded += texts
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            seed = int.from_bytes(
                hashlib.sha256(f"{self.fingerprint} {text}".encode()).digest()[:8]
            )
            vectors[row] = np.random.default_rng(seed).standard_normal(self.dimension)
        if progress:
            progress(len(texts))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def encoder():
    return HashEncoder()


@pytest.fixture(scope="session")
def make_encoder():
    return HashEncoder


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "facts.db"


@pytest.fixture
def memory(path, encoder):
    with EditMemory.open(path, encoder=encoder, actor="ada") as opened:
        yield opened


@pytest.fixture
def fact():
    """Makes facts: ``fact("Messi", "basketball")``, other fields by name."""

    def make(subject: str = "Lionel Messi", target: str = "basketball", **fields) -> Edit:
        fields.setdefault("prompt", "{} plays the sport of")
        return Edit(subject=subject, target_new=target, **fields)

    return make
