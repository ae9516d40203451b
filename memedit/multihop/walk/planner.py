"""The planner: ranks paths by the plan that the trained head reads from the question.

For each hop the head gives a vector, which is compared with relations by themselves; so a path is
scored hop by hop and a relation's vector is made once. A hop's score says how the path's relation
stands beside the best of all relations that are known for such questions: near 0 where it is the
best, far below where another is meant. The few paths that fit the plan best are then also compared
as a whole, as :class:`~memedit.multihop.walk.ranking.ComposedRanker` does: the one knows order and
length, the other the wording, and they rarely fail together.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from memedit.errors import EncoderError
from memedit.multihop.walk.head import PlanHead
from memedit.multihop.walk.inventory import Inventory
from memedit.multihop.walk.ranking import Asked, ComposedPaths, VectorsOf, Words
from memedit.scope.encoder import Encoder, SentenceEncoder, Vectors
from memedit.scope.matcher import tokens
from memedit.scope.trained_folder import read_about

WEIGHTS_FILE = "head.safetensors"
CONFIG_FILE = "decomposer.json"
BATCH = 64
COMPARED = 12  # paths of a question that are compared as a whole
WORDING = 15.0  # logits that a cosine of 1 between path and question is worth
SOFT = 20.0  # a path so many logits short of a perfect one is as sure as 1 in e
CACHED = 65_536  # relations' vectors kept in memory

States = Callable[[Sequence[str]], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Plan:
    """What a question asks for, read from its words.

    Attributes:
        hops: A unit vector for each hop, ``[MAX_HOPS, d]``, the entity's own hop first.
        lengths: Log-probabilities of one hop, two, and so on, ``[MAX_HOPS]``.
        whole: The masked question's unit vector by the encoder, ``[d]``.
        planner: Who read it.
    """

    hops: Vectors
    lengths: Vectors
    whole: Vectors
    planner: Planner

    @cached_property
    def known(self) -> Vectors:
        """How each relation of the inventory fits as each hop: logits ``[MAX_HOPS, r]``."""
        return self.planner.known(self.hops)

    @property
    def length(self) -> int:
        """The likeliest number of hops."""
        return int(self.lengths.argmax()) + 1

    def steps(self, relations: Sequence[Words], place: int) -> Vectors:
        """How well each relation fits as the hop at ``place``: at most 0 (see the module)."""
        logits = self.planner.logits(self.hops[place], relations)
        best = max(float(self.known[place].max()), float(logits.max(initial=-np.inf)))
        scores: Vectors = logits - best
        return scores


class Planner:
    """A :class:`~memedit.multihop.walk.ranking.Ranker` by plans.

    Args:
        head: The trained head.
        states: Token states and mask of texts, as the encoder the head was trained on gives them.
        vectors_of: Unit vectors of masked phrases by that encoder, ``[n, d]``.
        inventory: The common relations, encoded by it.
        composed: Vectors of paths as texts, by it.
        floor: See :class:`~memedit.multihop.walk.ranking.Ranker`.
    """

    misfit = 4.0  # logits

    def __init__(
        self,
        head: PlanHead,
        states: States,
        vectors_of: VectorsOf,
        inventory: Inventory,
        composed: ComposedPaths,
        *,
        floor: float,
    ) -> None:
        self.head = head.train(mode=False)
        self.inventory = inventory
        self.composed = composed
        self.floor = floor
        self._states = states
        self._vectors_of = vectors_of
        self._relations: dict[str, Vectors] = {}
        self._scale = float(head.scale.exp())
        self._known = self._told(inventory.vectors)

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, vectors_of: VectorsOf) -> Planner:
        """The planner in ``folder``.

        Raises:
            EncoderError: A file is missing, or the head was trained on another encoder.
        """
        about = _read_about(folder)
        if not isinstance(encoder, SentenceEncoder) or about["encoder"] != encoder.fingerprint:
            raise EncoderError(
                f"decomposer: {str(folder)!r} was trained on the encoder {about['encoder']}, not "
                f"on {encoder.fingerprint}.",
                hint="Train one for this encoder: memedit train decomposer.",
            )
        from safetensors.torch import load_file

        head = PlanHead(encoder.dimension, **about["head"])
        weights = load_file(folder / WEIGHTS_FILE)
        head.load_state_dict({name: weight.float() for name, weight in weights.items()})
        inventory = Inventory.load(encoder)
        states = states_of(encoder)
        composed = ComposedPaths(encoder)
        return cls(head, states, vectors_of, inventory, composed, floor=float(about["floor"]))

    @staticmethod
    def shipped(encoder: Encoder, vectors_of: VectorsOf) -> Planner | None:
        """The planner that ships with memedit; None where it does not fit the encoder."""
        with resources.as_file(resources.files("memedit.multihop").joinpath("trained")) as folder:
            if not folder.is_dir() or _read_about(folder)["encoder"] != encoder.fingerprint:
                return None
            return Planner.load(folder, encoder, vectors_of)

    def sureness(self, score: float) -> float:
        """See :class:`~memedit.multihop.walk.ranking.Ranker`; how near to the best plan."""
        return math.exp(min(0.0, score) / SOFT)

    # -- reading ---------------------------------------------------------------------------------

    def read(self, questions: Sequence[str]) -> list[Asked]:
        """See :class:`~memedit.multihop.walk.ranking.Ranker`."""
        return list[Asked](self.plans(questions))

    def plans(self, questions: Sequence[str]) -> list[Plan]:
        """The plan of each masked question, in order; alike lengths are encoded together."""
        order = sorted(range(len(questions)), key=lambda i: len(questions[i]))
        found: dict[int, Plan] = {}
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            states, mask = self._states([questions[i] for i in rows])
            with torch.inference_mode():
                hops, lengths = self.head(states, mask)
            for place, i in enumerate(rows):
                whole = states[place][mask[place]].mean(0).numpy()
                whole = whole / np.linalg.norm(whole)
                found[i] = Plan(hops[place].numpy(), lengths[place].numpy(), whole, self)
        return [found[i] for i in range(len(questions))]

    def rank(
        self, asked: Sequence[Asked], paths: Sequence[Sequence[tuple[Words, ...]]]
    ) -> list[Vectors]:
        """See :class:`~memedit.multihop.walk.ranking.Ranker`: plan and wording, at most 0."""
        plans = [cast(Plan, one) for one in asked]
        scores = [self._scores(plan, some) for plan, some in zip(plans, paths, strict=True)]
        rows = [np.argsort(-some, kind="stable")[:COMPARED] for some in scores]
        chosen = [[some[i] for i in best] for some, best in zip(paths, rows, strict=True)]
        vectors = self.composed.vectors(chosen)
        for plan, some, best, compared in zip(plans, scores, rows, vectors, strict=True):
            some -= 2 * WORDING  # a path that is not compared is as unlike as can be
            some[best] += WORDING * (1 + compared @ plan.whole)
        return scores

    def wording(
        self, asked: Sequence[Asked], paths: Sequence[Sequence[tuple[Words, ...]]]
    ) -> list[Vectors]:
        """See :class:`~memedit.multihop.walk.ranking.Ranker`."""
        vectors = self.composed.vectors(paths)
        return [some @ cast(Plan, one).whole for one, some in zip(asked, vectors, strict=True)]

    def _scores(self, plan: Plan, paths: Sequence[tuple[Words, ...]]) -> Vectors:
        by_place: list[dict[Words, float]] = []
        for place in range(len(plan.hops)):
            here = list(dict.fromkeys(path[place] for path in paths if len(path) > place))
            scores = plan.steps(here, place) if here else np.zeros(0, dtype=np.float32)
            by_place.append(dict(zip(here, map(float, scores), strict=True)))
        lengths = plan.lengths - plan.lengths.max()
        return np.array(
            [
                float(lengths[len(path) - 1])
                + sum(by_place[place][words] for place, words in enumerate(path))
                for path in paths
            ],
            dtype=np.float32,
        )

    # -- relations -------------------------------------------------------------------------------

    def logits(self, hop: Vectors, relations: Sequence[Words]) -> Vectors:
        """How well each relation's nearest wording fits a hop, ``[n]``."""
        texts = list(dict.fromkeys(itertools.chain.from_iterable(relations)))
        missing = [text for text in texts if text not in self._relations]
        if missing:
            if len(self._relations) > CACHED:
                self._relations.clear()
                missing = texts
            told = self._told(self._vectors_of(missing))
            self._relations.update(zip(missing, told, strict=True))
        if not texts:
            return np.zeros(0, dtype=np.float32)
        scores = np.stack([self._relations[text] for text in texts]) @ hop
        fit = dict(zip(texts, scores, strict=True))
        best = [max(fit[text] for text in words) for words in relations]
        return self._scale * np.array(best, dtype=np.float32)

    def known(self, hops: Vectors) -> Vectors:
        """How each relation of the inventory fits each hop: logits ``[hops, r]``."""
        return self._scale * self.inventory.nearest(hops @ self._known.T)

    def _told(self, vectors: Vectors) -> Vectors:
        with torch.inference_mode():
            told: Vectors = self.head.relations(torch.from_numpy(np.array(vectors))).numpy()
        return told


@lru_cache(maxsize=2)
def states_of(encoder: SentenceEncoder) -> States:
    """Gives an encoder's token states, ``[n, t, d]`` float32, and their mask, ``[n, t]``."""
    transformer = cast(Any, encoder.model)[0]

    def states(texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        batch = tokens(transformer.tokenizer, texts)
        with torch.inference_mode():
            hidden = transformer.auto_model(**batch).last_hidden_state.float()
        return hidden, batch["attention_mask"].bool()

    return states


def _read_about(folder: Path) -> Mapping[str, Any]:
    return read_about(folder, CONFIG_FILE, WEIGHTS_FILE, what="decomposer", train="decomposer")


def shipped_fingerprint() -> str | None:
    """Names the weights of the decomposer that ships with memedit; None where none does."""
    with resources.as_file(resources.files("memedit.multihop").joinpath("trained")) as folder:
        file = folder / WEIGHTS_FILE
        return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else None
