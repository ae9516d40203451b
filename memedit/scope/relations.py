"""How well a query's relation matches an edit's, told on a frozen encoder.

Raw cosine between two masked phrases says little: any two short clozes look alike. So a phrase is
first described by its similarity to every line of a lexicon of common relations, and two phrases
are compared by these descriptions. A query that is closer to another relation than to the edit's
speaks against the edit however high the plain cosine is (a cohort, as speaker verification uses
to normalise its scores).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from memedit.scope.encoder import Encoder, Vectors
from memedit.scope.matcher import Matcher

TEMPERATURE = 0.05
OVERLAP_FLOOR = 0.05
FEATURES = ("cosine", "overlap", "kinship", "generic", "shared_top", "contrast")


@dataclass(frozen=True)
class Lexicon:
    """The background relations, encoded.

    Attributes:
        names: One a relation, ``[r]``.
        generic: True for lines that ask for nothing in particular, ``[r]``.
        personal: True for relations that only persons have, ``[r]``.
        vectors: Unit vectors of all phrasings, ``[p, d]``.
        starts: Where each relation's phrasings begin in ``vectors``, ``[r]``.
    """

    names: tuple[str, ...]
    generic: NDArray[np.bool_]
    personal: NDArray[np.bool_]
    vectors: Vectors
    starts: NDArray[np.intp]

    @staticmethod
    @functools.lru_cache(maxsize=4)
    def load(encoder: Encoder | Matcher) -> Lexicon:
        """The lexicon shipped with memedit, encoded by ``encoder`` once a process."""
        text = resources.files("memedit.scope").joinpath("relations.txt").read_text("utf-8")
        return Lexicon.read(text, encoder)

    @classmethod
    def read(cls, text: str, encoder: Encoder | Matcher) -> Lexicon:
        """A lexicon from lines ``name: phrasing; phrasing; ...`` (see relations.txt)."""
        names: list[str] = []
        phrasings: list[str] = []
        starts: list[int] = []
        for line in text.splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            name, _, rest = line.partition(":")
            names.append(name.strip())
            starts.append(len(phrasings))
            phrasings += [phrasing.strip() for phrasing in rest.split(";")]
        return cls(
            names=tuple(name.lstrip("*+") for name in names),
            generic=np.array([name.startswith("*") for name in names]),
            personal=np.array([name.startswith("+") for name in names]),
            vectors=encoder.encode(phrasings),
            starts=np.array(starts, dtype=np.intp),
        )

    def profiles(self, vectors: Vectors) -> Vectors:
        """Cosine of each vector with its nearest phrasing of every relation: ``[n, r]``."""
        return nearest_of_each(vectors, self.vectors, self.starts)

    @cached_property
    def kinship(self) -> Vectors:
        """Similarity of relation to relation among the specific ones: ``[s, s]``, in −1…1."""
        ends = [*self.starts[1:], len(self.vectors)]
        spans = zip(self.starts, ends, strict=True)
        rows = [self.profiles(self.vectors[a:b]).max(axis=0) for a, b in spans]
        matrix: Vectors = np.stack(rows)[np.ix_(~self.generic, ~self.generic)]
        return matrix

    def nearest(self, profile: Vectors) -> str:
        """The name of the relation a profile is closest to."""
        return self.names[int(profile.argmax())]

    def is_personal(self, profile: Vectors) -> bool:
        """Whether the specific relation a profile is closest to is one that only persons have."""
        return bool(self.personal[np.where(self.generic, -1.0, profile).argmax()])


def nearest_of_each(vectors: Vectors, wordings: Vectors, starts: NDArray[np.intp]) -> Vectors:
    """Cosine of each vector with its nearest wording of every relation: ``[n, r]``.

    Args:
        vectors: Unit vectors, ``[n, d]``.
        wordings: Unit vectors of all wordings, those of a relation together, ``[w, d]``.
        starts: Where each relation begins in ``wordings``, ``[r]``.
    """
    nearest: Vectors = np.maximum.reduceat(vectors @ wordings.T, starts, axis=1)
    return nearest


def relation_features(
    lexicon: Lexicon, query: Vectors, query_profile: Vectors, edit: Vectors, edit_profile: Vectors
) -> Vectors:
    """The evidence that a masked query asks for an edit's relation, named by :data:`FEATURES`.

    Args:
        lexicon: The background relations.
        query: The masked query's unit vector, ``[d]``.
        query_profile: Its lexicon profile, ``[r]``.
        edit: The unit vectors of the edit's masked phrases, ``[n, d]``.
        edit_profile: The largest profile over these phrases, ``[r]``.

    Returns:
        ``[6]`` float32:
        *cosine* of the query with the nearest phrase;
        *overlap*, the log of the Bhattacharyya coefficient (0…1) of the two softmaxed profiles;
        *kinship*, the similarity expected between relations drawn from the two;
        *generic*, how much closer the query is to a line that asks for nothing in particular;
        *shared_top*, the edit's similarity to the query's nearest relation;
        *contrast*, the largest lead any one relation has in the query over the edit.
    """
    specific = ~lexicon.generic
    asked, told = query_profile[specific], edit_profile[specific]
    p, q = _softmax(asked), _softmax(told)
    return np.array(
        [
            (edit @ query).max(),
            np.log(np.sqrt(p * q).sum() + OVERLAP_FLOOR),
            p @ lexicon.kinship @ q,
            query_profile[lexicon.generic].max(initial=-1.0) - asked.max(),
            told[asked.argmax()],
            (asked - told).max(),
        ],
        dtype=np.float32,
    )


def _softmax(cosines: Vectors) -> Vectors:
    scaled: Vectors = np.exp((cosines - cosines.max()) / TEMPERATURE)
    normal: Vectors = scaled / scaled.sum()
    return normal
