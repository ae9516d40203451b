"""A bank of wordings that ask for common relations, and an order of wordings for each subject."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from memedit.scope.conformal import FORMS, Form
from memedit.scope.encoder import Encoder, Vectors
from memedit.scope.phrases import masked
from memedit.scope.relations import nearest_of_each

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Wordings:
    """Wordings of one form to ask for something in.

    Attributes:
        templates: Each with a slot for the subject, ``[w]``.
        hashes: What places them in an order, ``[w]``.
        asks: The bank's relations that each may ask for, ``[w, a]``.
        keys: A number for the key of each one's relation, below 0 where it has none, ``[w]``.
    """

    templates: tuple[str, ...]
    hashes: Hashes
    asks: NDArray[np.intp]
    keys: NDArray[np.intp]

    def fitting(
        self, ranks: NDArray[np.intp], told: NDArray[np.bool_], keys: list[int]
    ) -> NDArray[np.intp]:
        """The wordings that ask for nothing that is told, in the order of their ranks.

        Args:
            ranks: Their places in an order, ``[w]``.
            told: Which of the bank's relations are, ``[r]``.
            keys: Numbers of keys of relations that are.
        """
        fits: NDArray[np.bool_] = np.logical_not(told[self.asks].any(axis=1))
        for key in keys:
            fits &= self.keys != key
        chosen: NDArray[np.intp] = ranks[fits[ranks]]
        return chosen


@dataclass(frozen=True)
class Bank:
    """Wordings of common relations, encoded.

    Attributes:
        names: The relations, ``[r]``.
        kin: Whether two relations share their words or answer one another, ``[r, r]``.
        wordings: By form.
        vectors: Unit vectors of all masked wordings, those of a relation together, ``[w, d]``.
        starts: Where each relation begins in ``vectors``, ``[r]``.
    """

    names: tuple[str, ...]
    kin: NDArray[np.bool_]
    wordings: Mapping[Form, Wordings]
    vectors: Vectors
    starts: NDArray[np.intp]

    @staticmethod
    @lru_cache(maxsize=4)
    def load(encoder: Encoder) -> Bank:
        """The bank shipped with memedit, encoded by ``encoder`` once a process."""
        text = resources.files("memedit.scope").joinpath("probes.txt").read_text("utf-8")
        return Bank.read(text, encoder)

    @classmethod
    def read(cls, text: str, encoder: Encoder) -> Bank:
        """A bank from its lines (see probes.txt)."""
        relations: dict[str, list[list[str]]] = {}
        groups: list[list[str]] = []
        for line in text.splitlines():
            if line.startswith("="):
                groups.append([name.strip() for name in line[1:].split(";")])
            elif line.strip() and not line.startswith("#"):
                name, *forms = line.split("|")
                relations[name.strip()] = [[t.strip() for t in f.split(";")] for f in forms]
        names = list(relations)
        kin = np.eye(len(names), dtype=np.bool_)
        for group in groups:
            rows = [names.index(name) for name in group]
            kin[np.ix_(rows, rows)] = True
        templates = [t for forms in relations.values() for words in forms for t in words]
        sizes = [sum(map(len, forms)) for forms in relations.values()]
        return cls(
            names=tuple(names),
            kin=kin,
            wordings={
                form: _wordings([forms[place] for forms in relations.values()])
                for place, form in enumerate(FORMS)
            },
            vectors=encoder.encode([masked(template) for template in templates]),
            starts=np.cumsum([0, *sizes[:-1]]),
        )

    def likeness(self, vectors: Vectors) -> Vectors:
        """Cosine of each vector with its nearest wording of every relation: ``[n, r]``."""
        return nearest_of_each(vectors, self.vectors, self.starts)


def hash_of(text: str) -> int:
    """A number below 2^64 that depends on ``text`` alone."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def hashes_of(texts: Iterable[str]) -> Hashes:
    """The hash of each text, ``[n]``."""
    return np.array([hash_of(text) for text in texts], dtype=np.uint64)


def ranked(a: Hashes, b: Hashes) -> NDArray[np.intp]:
    """For each of ``a`` the places of ``b`` in an order of its own, ``[len(a), len(b)]``.

    Rendezvous hashing (Thaler & Ravishankar 1998): one more or less of ``b`` leaves the order of
    the others as it is. The mixing is splitmix64's (Steele, Lea & Flood 2014).
    """
    mixed = a[:, None] ^ ((b << np.uint64(1)) | (b >> np.uint64(63)))[None, :]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    ranked: NDArray[np.intp] = np.argsort(mixed, axis=1)
    return ranked


def largest(values: Vectors, k: int) -> NDArray[np.intp]:
    """The places of the ``k`` largest values, the largest first."""
    places: NDArray[np.intp] = np.argsort(-values, kind="stable")[:k]
    return places


def _wordings(by_relation: list[list[str]]) -> Wordings:
    templates = [template for words in by_relation for template in words]
    relations = np.repeat(np.arange(len(by_relation)), [len(words) for words in by_relation])
    no_keys = np.full(len(templates), -1, dtype=np.intp)
    return Wordings(tuple(templates), hashes_of(templates), relations[:, None], no_keys)
