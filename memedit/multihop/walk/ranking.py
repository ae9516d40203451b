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

    def sureness(self, score: float) -> float:
        """A path's score as something from 0 to 1."""

    def read(self, questions: Sequence[str]) -> list[Asked]:
        """Reads masked questions, encoded together."""

    def rank(
        self, asked: Sequence[Asked], paths: Sequence[Sequence[tuple[Words, ...]]]
    ) -> list[Vectors]:
        """The score of every path of every question, comparable over lengths and questions."""


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


class ComposedRanker:
    """Ranks a path by the cosine of its relations' prompts in a row with the masked question.

    Needs no training, and so serves with any encoder.

    Args:
        encoder: Encodes questions and paths.
        vectors_of: Unit vectors of masked relation phrases, ``[n, d]``, from a store or an encoder.
    """

    floor = LIKELY

    def __init__(self, encoder: Encoder, vectors_of: VectorsOf) -> None:
        self._encoder = encoder
        self._vectors_of = vectors_of
        self._kept: OrderedDict[str, Vectors] = OrderedDict()

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
        """See :class:`Ranker`; every path's text is encoded once and kept."""
        texts = [[composed(path) for path in some] for some in paths]
        self._encode(dict.fromkeys(itertools.chain.from_iterable(texts)))
        return [self._cosines(one, some) for one, some in zip(asked, texts, strict=True)]

    def _cosines(self, asked: Asked, texts: Sequence[str]) -> Vectors:
        assert isinstance(asked, _Composed)
        if not texts:
            return np.zeros(0, dtype=np.float32)
        cosines: Vectors = np.stack([self._kept[text] for text in texts]) @ asked.vector
        return cosines

    def _encode(self, texts: dict[str, None]) -> None:
        missing = [text for text in texts if text not in self._kept]
        if missing:
            self._kept.update(zip(missing, self._encoder.encode(missing), strict=True))
        for text in texts:
            self._kept.move_to_end(text)
        while len(self._kept) > max(CACHED, len(texts)):
            self._kept.popitem(last=False)


def composed(path: Sequence[Words]) -> str:
    """A path as one text: its relations' prompts in a row."""
    return ", ".join(words[0] for words in path)
