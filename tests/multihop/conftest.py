"""Fixtures of the multi-hop tests: an encoder that counts words, and graphs of a few edits."""

from __future__ import annotations

import datetime as dt
import re
import zlib

import numpy as np
import pytest

from memedit.edit import Edit
from memedit.multihop.walk import FactGraph, Walk
from memedit.multihop.walk.ranking import ComposedRanker
from memedit.scope.names import NameIndex

DAY = dt.date(2024, 6, 1)
EMPTY = frozenset("the of is a an it its in was by what which who where does do did to".split())


class WordEncoder:
    """Unit vectors of the words a text is made of: texts with the same content words are near."""

    fingerprint = "words"
    dimension = 512

    def encode(self, texts, *, progress=None):
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row, 0] = 0.1
            for word in re.findall(r"\w+", text.lower()):
                if word not in EMPTY:
                    vectors[row, 1 + zlib.crc32(word[:5].encode()) % (self.dimension - 1)] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def encoder():
    return WordEncoder()


@pytest.fixture
def graph_of():
    """Makes a graph of edits, the later the newer."""

    def make(*edits: Edit) -> FactGraph:
        names = NameIndex()
        graph = FactGraph(names)
        for edit in edits:
            names.add(edit.id, edit.names)
        graph.put((edit, rank) for rank, edit in enumerate(edits))
        return graph

    return make


@pytest.fixture
def walk_over(graph_of, encoder):
    """Makes a walk over edits, on a day."""

    def make(*edits: Edit, day: dt.date = DAY) -> Walk:
        return Walk(graph_of(*edits), ComposedRanker(encoder, encoder.encode), day=day)

    return make


def fact(subject: str, relation: str, target: str, **fields) -> Edit:
    """An edit whose prompt is "The RELATION of SUBJECT is"."""
    fields.setdefault("prompt", f"The {relation} of {{}} is")
    return Edit(subject=subject, relation=relation, target_new=target, **fields)
