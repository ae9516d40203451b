"""Fixtures of the multi-hop tests: an encoder that counts words, and graphs of a few edits."""

from __future__ import annotations

import datetime as dt
import re
import zlib

import numpy as np
import pytest

from memedit.edit import Edit
from memedit.multihop.walk import FactGraph, Walk
from memedit.multihop.walk.inventory import Inventory
from memedit.multihop.walk.planner import Plan, Planner
from memedit.multihop.walk.ranking import ComposedPaths, ComposedRanker
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
                    vectors[row, 1 + zlib.crc32(word[:4].encode()) % (self.dimension - 1)] += 1
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


RELATIONS = """
author | work > person | Who is the author of {}?; The author of {} is
citizenship | person > country | What is the citizenship of {}?; {} has the citizenship of
monarch | country > person | Who is the monarch of {}?; Who reigns in {}?
capital | country > city | What is the capital of {}?; The capital of {} is
"""


class WordPlanner(Planner):
    """Reads plans by cutting questions at "of": each piece asks for the relation it is like."""

    def __init__(self, encoder, floor=-13.0):
        self.encoder = encoder
        self.inventory = Inventory.read(RELATIONS, encoder)
        self.floor = floor
        self.composed = self._untrained = ComposedPaths(encoder)
        self.vectors = encoder.encode
        self._kinds = {}
        self._encoder = encoder

    def plans(self, questions):
        return [self.plan(question) for question in questions]

    def plan(self, question):
        pieces = [piece for piece in re.split(r" of ", question) if piece.strip(" ?")][-2::-1]
        hops = np.zeros((4, self.encoder.dimension), dtype=np.float32)
        hops[: len(pieces)] = self.encoder.encode(pieces[:4]) if pieces else 0
        lengths = np.full(4, -9.0, dtype=np.float32)
        lengths[max(0, min(4, len(pieces)) - 1)] = 0.0
        return Plan(hops, lengths, self.encoder.encode([question])[0], question, self)

    def logits(self, hop, relations):
        vectors = [self.encoder.encode(list(words)) for words in relations]
        return np.array([10 * (v @ hop).max() for v in vectors], dtype=np.float32)

    def known(self, hops):
        return 10 * self.inventory.nearest(hops @ self.inventory.vectors.T)


class Oracle:
    """A base model that knows a few answers and counts what it is asked."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    def __call__(self, questions):
        self.asked += questions
        return [self.answers.get(question) for question in questions]


@pytest.fixture
def planner(encoder):
    return WordPlanner(encoder)


def fact(subject: str, relation: str, target: str, **fields) -> Edit:
    """An edit whose prompt is "The RELATION of SUBJECT is"."""
    fields.setdefault("prompt", f"The {relation} of {{}} is")
    return Edit(subject=subject, relation=relation, target_new=target, **fields)
