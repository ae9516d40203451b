"""Ranking trails: how well a chain of relations fits what a question asks."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from memedit.scope.encoder import Encoder, Vectors

MAX_HOPS = 4
CACHED = 65_536  # vectors of composed paths kept in memory, 96 MiB at most
LIKELY = 0.45  # cosine from which a composed path may be what a question asks

Words = tuple[str, ...]  # one relation in its wordings, the entity masked
VectorsOf = Callable[[Sequence[str]], Vectors]


class Embeds(Protocol):
    """Embeds texts."""

    @property
    def dimension(self) -> int:
        """Width of the vectors."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of ``texts``: float32, ``[len(texts), d]``."""


class Asked(Protocol):
    """A question that has been read, its entity masked."""

    def steps(self, relations: Sequence[Words], place: int) -> Vectors:
        """How well each relation fits as the hop at ``place`` (from 0), ``[n]``; higher is better.

        The sum over a path's hops prunes; it need not rank paths of different lengths.
        """


class Ranker(Protocol):
    """Reads questions and ranks whole paths."""

    @property
    def floor(self) -> float:
        """The least score of a path that may be what a question asks."""

    @property
    def noise(self) -> float:
        """How far a score may move with what is encoded beside a question."""

    @property
    def misfit(self) -> float:
        """What it costs a path to end at another kind of thing than the question asks for."""

    def unfit(self, path: Sequence[Words]) -> float:
        """What it costs a path that relations follow each other in it which cannot."""

    def sureness(self, score: float) -> float:
        """A path's score as something from 0 to 1."""

    def read(self, questions: Sequence[str]) -> list[Asked]:
        """Reads masked questions, encoded together."""

    def rank(
        self, asked: Sequence[Asked], paths: Sequence[Sequence[tuple[Words, ...]]]
    ) -> list[Vectors]:
        """The score of every path of every question, comparable over lengths and questions."""

    def wording(
        self, asked: Sequence[Asked], paths: Sequence[Sequence[tuple[Words, ...]]]
    ) -> list[Vectors]:
        """The cosine of every path, as a text, with its question."""


@dataclass(frozen=True)
class _Composed:
    """A question as :class:`ComposedRanker` reads it: its unit vector, ``[d]``."""

    vector: Vectors
    vectors_of: VectorsOf

    def steps(self, relations: Sequence[Words], place: int) -> Vectors:
        """The cosine of the question with each relation's nearest wording, at any place."""
        texts = list(dict.fromkeys(itertools.chain.from_iterable(relations)))
        cosines = dict(zip(texts, self.vectors_of(texts) @ self.vector, strict=True))
        return np.array([max(cosines[t] for t in words) for words in relations], dtype=np.float32)


class ComposedPaths:
    """Paths as texts, their relations' prompts in a row, encoded once and kept.

    Args:
        encoder: Encodes them.
    """

    def __init__(self, encoder: Embeds) -> None:
        self._encoder = encoder
        self._kept: OrderedDict[str, Vectors] = OrderedDict()

    def vectors(self, paths: Sequence[Sequence[tuple[Words, ...]]]) -> list[Vectors]:
        """Unit vectors of several questions' paths, ``[n, d]`` for each question."""
        texts = [[composed(path) for path in some] for some in paths]
        unique = dict.fromkeys(itertools.chain.from_iterable(texts))
        missing = [text for text in unique if text not in self._kept]
        if missing:
            self._kept.update(zip(missing, self._encoder.encode(missing), strict=True))
        for text in unique:
            self._kept.move_to_end(text)
        found = [self._stacked(some) for some in texts]
        while len(self._kept) > CACHED:
            self._kept.popitem(last=False)
        return found

    def _stacked(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._encoder.dimension), dtype=np.float32)
        return np.stack([self._kept[text] for text in texts])


class ComposedRanker:
    """Ranks a path by the cosine of its relations' prompts in a row with the masked question.

    Needs no training, and so serves with any encoder.

    Args:
        encoder: Encodes questions and paths.
        vectors_of: Unit vectors of masked relation phrases, ``[n, d]``, from a store or an encoder.
    """

    floor = LIKELY
    noise = 1e-5
    misfit = 0.25

    def __init__(self, encoder: Encoder, vectors_of: VectorsOf) -> None:
        self._encoder = encoder
        self._vectors_of = vectors_of
        self._paths = ComposedPaths(encoder)

    def unfit(self, path: Sequence[Words]) -> float:
        """See :class:`Ranker`; nothing, since it knows no kinds of things."""
        return 0.0

    def sureness(self, score: float) -> float:
        """See :class:`Ranker`; the cosine."""
        return min(1.0, max(0.0, score))

    def read(self, questions: Sequence[str]) -> list[Asked]:
        """See :class:`Ranker`."""
        vectors = self._encoder.encode(list(questions))
        return [_Composed(vector, self._vectors_of) for vector in vectors]

    def rank(
        self, asked: Sequence[Asked], paths: Sequence[Sequence[tuple[Words, ...]]]
    ) -> list[Vectors]:
        """See :class:`Ranker`."""
        return self.wording(asked, paths)

    def wording(
        self, asked: Sequence[Asked], paths: Sequence[Sequence[tuple[Words, ...]]]
    ) -> list[Vectors]:
        """See :class:`Ranker`."""
        vectors = self._paths.vectors(paths)
        return [
            some @ one.vector
            for one, some in zip(asked, vectors, strict=True)
            if isinstance(one, _Composed)
        ]


def composed(path: Sequence[Words]) -> str:
    """A path as one text: its relations' prompts in a row."""
    return ", ".join(words[0] for words in path)
