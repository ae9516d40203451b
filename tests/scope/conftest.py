from __future__ import annotations

import pytest

from memedit import Edit
from memedit.scope.classifier import ScopeClassifier
from memedit.scope.encoder import SentenceEncoder, load_encoder


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    """The real encoder; loaded once a process."""
    return load_encoder()


@pytest.fixture(scope="session")
def classify(encoder):
    """Makes a classifier over the given edits, with brute-force retrieval for ``nearest``."""

    def make(*edits: Edit, **options):
        classifier = ScopeClassifier(encoder, **options)
        classifier.put([(edit, rank) for rank, edit in enumerate(edits)], encoder.encode)
        vectors = encoder.encode([edit.stated for edit in edits])

        def nearest(vector, k):
            order = (vectors @ vector).argsort()[::-1][:k]
            return [(edits[i].id, float(vectors[i] @ vector)) for i in order]

        return lambda query, **how: classifier.decide(query, **{"nearest": nearest, **how})

    return make
