"""Relations that chains are made of, known beforehand: for hops that no edit covers.

What a hop that meets no edit asks for has to be named before a model can be asked it. The
inventory names the common relations, says what kind of thing leads to what, and words the
question.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from memedit.scope.encoder import Encoder, Vectors
from memedit.scope.phrases import masked

ANY = frozenset({"*"})
Kinds = frozenset[str]


@dataclass(frozen=True)
class Relation:
    """A common relation.

    Attributes:
        name: What it is called.
        subject: Kinds of thing that have it.
        object: Kinds of thing it leads to.
        questions: Ways to ask for it, each with a slot for the subject.
        told: How an edit would tell it, masked.
    """

    name: str
    subject: Kinds
    object: Kinds
    questions: tuple[str, ...]
    told: str


@dataclass(frozen=True)
class Inventory:
    """The common relations, encoded.

    Attributes:
        relations: The relations, ``[r]``.
        vectors: Unit vectors of all their masked wordings, ``[w, d]``.
        starts: Where each relation's wordings begin in ``vectors``, ``[r]``.
    """

    relations: tuple[Relation, ...]
    vectors: Vectors
    starts: NDArray[np.intp]

    @staticmethod
    @functools.lru_cache(maxsize=2)
    def load(encoder: Encoder) -> Inventory:
        """The inventory shipped with memedit, encoded by ``encoder`` once a process."""
        file = resources.files("memedit.multihop.walk").joinpath("relations.txt")
        return Inventory.read(file.read_text("utf-8"), encoder)

    @classmethod
    def read(cls, text: str, encoder: Encoder) -> Inventory:
        """An inventory from its lines (see relations.txt)."""
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        relations, wordings, starts = [], list[str](), []
        for line in lines:
            name, kinds, words = (part.strip() for part in line.split("|"))
            subject, object_ = (_kinds(part) for part in kinds.split(">"))
            templates = [template.strip() for template in words.split(";")]
            asked = tuple(template for template in templates if template.endswith("?"))
            told = next((t for t in templates if not t.endswith("?")), templates[0])
            relations.append(Relation(name, subject, object_, asked, masked(told)))
            starts.append(len(wordings))
            wordings += [masked(template) for template in templates]
        return cls(tuple(relations), encoder.encode(wordings), np.array(starts, dtype=np.intp))

    def nearest(self, scores: Vectors) -> Vectors:
        """The best score of each relation's wordings: ``[..., w]`` to ``[..., r]``."""
        best: Vectors = np.maximum.reduceat(scores, self.starts, axis=-1)
        return best


def fits(kinds: Kinds, wanted: Kinds) -> bool:
    """Whether something of one of ``kinds`` may be of one of the kinds ``wanted``."""
    return not kinds or ANY in (kinds, wanted) or not kinds.isdisjoint(wanted)


def _kinds(text: str) -> Kinds:
    return frozenset(kind.strip() for kind in text.split(","))


def kinds_of(relations: Sequence[Relation]) -> Kinds:
    """What the last of some relations leads to; empty where there is none."""
    return relations[-1].object if relations else frozenset()
