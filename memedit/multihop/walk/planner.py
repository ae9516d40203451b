"""The planner: ranks paths by the plan that is read from the question, and by its wording.

For each hop the head gives a vector, which is compared with relations by themselves; so a path is
scored hop by hop and a relation's vector is made once. A hop's score says how the path's relation
stands beside the best of all relations that are known for such questions: near 0 where it is the
best, far below where another is meant. A hop that a question passes over, as "What sport does it
play?" does the position played, costs a little. The paths that fit the plan best are then compared
with the question as a whole, as texts, by what was trained for it: the one finds its way among
many paths, the other tells the few that are left apart.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from memedit.errors import EncoderError
from memedit.multihop.walk.head import PlanHead, Read
from memedit.multihop.walk.inventory import Inventory, Kinds, fits
from memedit.multihop.walk.ranking import Asked, ComposedPaths, Embeds, VectorsOf, Words
from memedit.multihop.walk.wording import WEIGHTS_FILE as WORDING_FILE
from memedit.multihop.walk.wording import Wording
from memedit.scope.encoder import Encoder, SentenceEncoder, Vectors
from memedit.scope.matcher import merge, tokens
from memedit.scope.native import quick
from memedit.scope.trained_folder import read_about

WEIGHTS_FILE = "decomposer.safetensors"
CONFIG_FILE = "decomposer.json"
BATCH = 64
COMPARED = 24  # paths of a question that are compared as a whole
# What a cosine of 1 between path and question, and a logit of the plan, are worth, and the end at
# another kind of thing costs: fitted on 468 questions of the training side, over the paths of given
# facts and of dense ones, with readers that had seen neither those questions nor their chains.
WORDING = 21.0
PLANNED = 0.13
MISFIT = 2.4
UNFIT = 1.0  # what a relation costs that what stands before it cannot have; on 105 of those cases
# Of the wording's adapter, what is put into the encoder: between the trained weights and the first
# ones what was learnt by heart weakens before what was understood (Wortsman et al. 2022,
# arXiv 2109.01903). Held-out questions lose nothing by it.
SHARE = 0.8
UNASKED = 6.0  # logits of the plan that a hop costs which the question passes over
SOFT = 20.0  # a path that falls so far short of a perfect one is as sure as 1 in e
# In bfloat16 the cosines of 256 texts with each other, read in batches and alone, differed by at
# most 0.006.
NOISE = 0.006 * WORDING
CACHED = 65_536  # relations' vectors kept in memory

Reader = Callable[[Sequence[str]], Read]


@dataclass(frozen=True)
class Plan:
    """What a question asks for, read from its words.

    Attributes:
        hops: A unit vector for each hop, ``[MAX_HOPS, d]``, the entity's own hop first.
        lengths: Log-probabilities of one hop, two, and so on, ``[MAX_HOPS]``.
        whole: The masked question's unit vector by the reader of wordings, ``[d]``.
        text: The masked question.
        planner: Who read it.
    """

    hops: Vectors
    lengths: Vectors
    whole: Vectors
    text: str
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


class Readers(NamedTuple):
    """What reads questions, as it was trained.

    Attributes:
        head: The trained head.
        reader: Reads a batch of questions with the head and the transformer it was trained with.
        wording: Embeds questions and paths as wholes.
        floor: See :class:`~memedit.multihop.walk.ranking.Ranker`.
    """

    head: PlanHead
    reader: Reader
    wording: Embeds
    floor: float


class Planner:
    """A :class:`~memedit.multihop.walk.ranking.Ranker` by plans.

    Args:
        readers: What reads questions.
        encoder: The encoder that they were trained on.
        vectors_of: Unit vectors of masked phrases by that encoder, ``[n, d]``.
        inventory: The common relations, encoded by it.
    """

    misfit = MISFIT
    noise = NOISE

    def __init__(
        self, readers: Readers, encoder: Encoder, vectors_of: VectorsOf, inventory: Inventory
    ) -> None:
        self.head, self._reader, self._wording, self.floor = readers
        self.inventory = inventory
        self.composed = ComposedPaths(self._wording)
        self.vectors = vectors_of
        self._untrained = ComposedPaths(encoder)
        self._encoder = encoder
        self._relations: dict[str, Vectors] = {}
        self._kinds: dict[Words, tuple[Kinds, Kinds]] = {}
        self._scale = float(self.head.scale.detach().exp())
        self._known = self._told(inventory.vectors)

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, vectors_of: VectorsOf) -> Planner:
        """The planner in ``folder``.

        Raises:
            EncoderError: A part is missing, or they were trained on another encoder.
        """
        return cls(_readers(folder, encoder), encoder, vectors_of, Inventory.load(encoder))

    @staticmethod
    def shipped(encoder: Encoder, vectors_of: VectorsOf) -> Planner | None:
        """The planner that ships with memedit; None where it does not fit the encoder."""
        if not Planner.ships_for(encoder):
            return None
        return Planner(_shipped_readers(encoder), encoder, vectors_of, Inventory.load(encoder))

    @staticmethod
    def ships_for(encoder: Encoder) -> bool:
        """Whether the planner that ships with memedit fits an encoder."""
        with resources.as_file(_shipped()) as folder:
            return bool(_read_about(folder)["encoder"] == encoder.fingerprint)

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
            texts = [questions[i] for i in rows]
            read = self._reader(texts)
            wholes = self._wording.encode(texts)
            for place, i in enumerate(rows):
                hops, lengths = read.hops[place].numpy(), read.lengths[place].numpy()
                found[i] = Plan(hops, lengths, wholes[place], questions[i], self)
        return [found[i] for i in range(len(questions))]

    def rank(
        self, asked: Sequence[Asked], paths: Sequence[Sequence[tuple[Words, ...]]]
    ) -> list[Vectors]:
        """See :class:`~memedit.multihop.walk.ranking.Ranker`: plan and wording, at most 0."""
        plans = [cast(Plan, one) for one in asked]
        scores = [
            PLANNED * self._scores(plan, some) for plan, some in zip(plans, paths, strict=True)
        ]
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
        """See :class:`~memedit.multihop.walk.ranking.Ranker`; by the encoder, untrained."""
        questions = self._encoder.encode([cast(Plan, one).text for one in asked])
        vectors = self._untrained.vectors(paths)
        return [some @ one for one, some in zip(questions, vectors, strict=True)]

    def _scores(self, plan: Plan, paths: Sequence[tuple[Words, ...]]) -> Vectors:
        relations = list(dict.fromkeys(itertools.chain.from_iterable(paths)))
        row = {words: i for i, words in enumerate(relations)}
        fits = [plan.steps(relations, place) for place in range(len(plan.hops))]
        lengths = plan.lengths - plan.lengths.max()

        def read_as(path: Sequence[int]) -> float:
            return float(lengths[len(path) - 1]) + sum(
                float(fits[place][i]) for place, i in enumerate(path)
            )

        def best(path: list[int]) -> float:
            gaps = (path[:gone] + path[gone + 1 :] for gone in range(len(path) - 1))
            return max([read_as(path), *(read_as(shorter) - UNASKED for shorter in gaps)])

        rows = [[row[words] for words in path] for path in paths]
        return np.array([best(path) for path in rows], dtype=np.float32)

    # -- relations -------------------------------------------------------------------------------

    def logits(self, hop: Vectors, relations: Sequence[Words]) -> Vectors:
        """How well each relation's nearest wording fits a hop, ``[n]``."""
        texts = list(dict.fromkeys(itertools.chain.from_iterable(relations)))
        missing = [text for text in texts if text not in self._relations]
        if missing:
            if len(self._relations) > CACHED:
                self._relations.clear()
                missing = texts
            told = self._told(self.vectors(missing))
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

    def unfit(self, path: Sequence[Words]) -> float:
        """See :class:`~memedit.multihop.walk.ranking.Ranker`."""
        pairs = itertools.pairwise(path)
        return UNFIT * sum(not fits(self.kinds(a)[1], self.kinds(b)[0]) for a, b in pairs)

    def kinds(self, words: Words) -> tuple[Kinds, Kinds]:
        """What kinds of thing have a relation and what it leads to, by the known one it is like.

        Args:
            words: The relation in its wordings.
        """
        if words not in self._kinds:
            if len(self._kinds) > CACHED:
                self._kinds.clear()
            likeness = self.inventory.nearest(self.vectors(words) @ self.inventory.vectors.T)
            relation = self.inventory.relations[int(likeness.mean(axis=0).argmax())]
            self._kinds[words] = (relation.subject, relation.object)
        return self._kinds[words]

    def _told(self, vectors: Vectors) -> Vectors:
        with torch.inference_mode():
            told: Vectors = self.head.relations(torch.from_numpy(np.array(vectors))).numpy()
        return told


@functools.lru_cache(maxsize=2)
def _shipped_readers(encoder: Encoder) -> Readers:
    """The readers that ship with memedit, loaded once for an encoder."""
    with resources.as_file(_shipped()) as folder:
        return _readers(folder, encoder)


def _readers(folder: Path, encoder: Encoder) -> Readers:
    """The readers in ``folder``, on copies of the encoder's weights."""
    about = _read_about(folder)
    if not isinstance(encoder, SentenceEncoder) or about["encoder"] != encoder.fingerprint:
        raise EncoderError(
            f"decomposer: {str(folder)!r} was trained on the encoder {about['encoder']}, not "
            f"on {encoder.fingerprint}.",
            hint="Train one for this encoder: memedit train decomposer.",
        )
    if "wording" not in about or not (folder / WORDING_FILE).is_file():
        raise EncoderError(
            f"decomposer: {str(folder)!r} has no reader of wordings; its training was not "
            "brought to its end.",
            hint="Go on with it: memedit train decomposer --out FOLDER.",
        )
    from safetensors.torch import load_file

    file = folder / WEIGHTS_FILE
    head = PlanHead(encoder.dimension)
    weights = load_file(file)
    head.load_state_dict({name: weights[name].float() for name in head.state_dict()})
    transformer = cast(Any, encoder.model)[0]
    trunk = copy.deepcopy(transformer.auto_model)
    merge(trunk, file, _scale(about))
    trunk = quick(trunk.train(mode=False))
    reader = reader_of(head.train(mode=False), trunk, transformer.tokenizer)
    wording = Wording.load(folder / WORDING_FILE, encoder, SHARE * _scale(about["wording"]))
    return Readers(head, reader, wording, float(about["floor"]))


def reader_of(head: PlanHead, trunk: Any, tokenizer: Any) -> Reader:
    """Reads batches of questions with a head and its transformer."""

    def read(texts: Sequence[str]) -> Read:
        with torch.inference_mode():
            return cast(Read, head(trunk, tokens(tokenizer, texts)))

    return read


def _scale(about: Mapping[str, Any]) -> float:
    """LoRA's scale."""
    return float(about["lora"]["alpha"]) / int(about["lora"]["rank"])


def _read_about(folder: Path) -> Mapping[str, Any]:
    return read_about(folder, CONFIG_FILE, WEIGHTS_FILE, what="decomposer", train="decomposer")


def _shipped() -> Traversable:
    return resources.files("memedit.multihop").joinpath("trained")


def shipped_fingerprint() -> str:
    """Names the weights of the decomposer that ships with memedit."""
    digest = hashlib.sha256()
    with resources.as_file(_shipped()) as folder:
        for name in (WEIGHTS_FILE, WORDING_FILE, CONFIG_FILE):
            digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]
