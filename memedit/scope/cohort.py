"""The cohort: relations the matcher has learnt, against which every match is set.

A cosine alone says little about how sure a match is: what counts is whether some other relation is
nearer to the query than the edit is. So query and edit are both compared with a few hundred known
relations, as speaker verification compares both voices with a cohort of speakers to normalise a
score (Auckenthaler, Carey & Lloyd-Thomas 2000, section 2.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from memedit.scope.encoder import Vectors

FILE = "cohort.safetensors"
COHORT_FEATURES = (
    "cohort_overlap",
    "cohort_kinship",
    "cohort_told",
    "cohort_asked",
    "cohort_contrast",
    "cohort_top",
    "cohort_told_top",
    "cohort_near",
    "cohort_lead",
)
_TEMPERATURE = 0.07
_FLOOR = 0.02
_NEAR = 5  # relations whose mean tells how crowded it is around a query


@dataclass(frozen=True, eq=False)
class Cohort:
    """Known relations as the matcher sees them.

    Attributes:
        vectors: Unit mean of each relation's wordings, float32 ``[r, d]``.
    """

    vectors: Vectors

    @classmethod
    def of(cls, wordings: Sequence[Vectors]) -> Cohort:
        """A cohort of relations, each given as the unit vectors of its wordings, ``[n, d]``."""
        means = np.stack([some.mean(axis=0) for some in wordings])
        return cls(means / np.linalg.norm(means, axis=1, keepdims=True))

    @classmethod
    def load(cls, folder: Path) -> Cohort | None:
        """What :meth:`save` wrote; None where there is nothing."""
        from safetensors.numpy import load_file

        path = folder / FILE
        return cls(load_file(path)["vectors"].astype(np.float32)) if path.is_file() else None

    def save(self, folder: Path) -> None:
        """Writes the cohort in float16 beside the matcher."""
        from safetensors.numpy import save_file

        save_file({"vectors": self.vectors.astype(np.float16)}, folder / FILE)
        (folder / FILE).chmod(0o644)  # it was written for its owner's eyes alone

    def joined(self, other: Cohort) -> Cohort:
        """The relations of both."""
        return Cohort(np.concatenate([self.vectors, other.vectors]))

    @cached_property
    def kinship(self) -> Vectors:
        """Cosine of relation with relation, ``[r, r]``."""
        return np.asarray(self.vectors @ self.vectors.T)

    def profiles(self, vectors: Vectors) -> Vectors:
        """Cosine of each of ``vectors [n, d]`` with every relation, ``[n, r]``."""
        return np.asarray(vectors @ self.vectors.T)

    def features(self, match: float, asked: Vectors, told: Vectors) -> Mapping[str, float]:
        """The evidence by name, see :data:`COHORT_FEATURES`.

        Args:
            match: Cosine of the query with the nearest of the edit's forms.
            asked: The query's profile, ``[r]``.
            told: The largest profile over the edit's forms, ``[r]``.

        Returns:
            *overlap*, the log of the Bhattacharyya coefficient of the two softmaxed profiles;
            *kinship*, the similarity expected between relations drawn from the two;
            *told*, the edit's similarity to the query's nearest relation; *asked*, the query's to
            the edit's; *contrast*, the largest lead a relation has in the query over the edit;
            *top* and *told_top*, the similarity of each to its own nearest relation; *near*, the
            query's mean similarity to its nearest few; *lead*, the match less *top*.
        """
        p, q = _softmax(asked), _softmax(told)
        nearest = np.partition(asked, -min(_NEAR, len(asked)))[-_NEAR:]
        values = (
            np.log(np.sqrt(p * q).sum() + _FLOOR),
            p @ self.kinship @ q,
            told[asked.argmax()],
            asked[told.argmax()],
            (asked - told).max(),
            asked.max(),
            told.max(),
            nearest.mean(),
            match - asked.max(),
        )
        return {name: float(x) for name, x in zip(COHORT_FEATURES, values, strict=True)}


def _softmax(cosines: Vectors) -> Vectors:
    scaled: Vectors = np.exp((cosines - cosines.max()) / _TEMPERATURE)
    return np.asarray(scaled / scaled.sum())
