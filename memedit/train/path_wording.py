"""Fitting what compares paths with questions as texts: a LoRA adapter on the encoder, resumable.

A path's text is its relations' wordings in a row. The loss of a question is the cross entropy of
its own path among all paths of the step, over cosines, and of each path's question among the
questions (InfoNCE, van den Oord et al. 2018, arXiv 1807.03748, eq. 4). Beside the right path of
each question stand wrong ones such as a graph offers: a hop short or a hop long, two hops changed
over, one hop that asks for something alike, or the right way at first and then another. Relations
stand in wordings drawn anew in every step.

Questions pass over hops: where the sport that goes with a position is asked for, the position is
often in no word. To learn that such words mean the longer path all the same would be to learn
chains by heart, and to read them into questions that have no such hop. So a path without a hop that
the words pass over is no counter-example.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from memedit.multihop.walk.head import MAX_HOPS
from memedit.multihop.walk.wording import MAX_TOKENS
from memedit.scope.encoder import SentenceEncoder
from memedit.train.checkpoint import Checkpoint
from memedit.train.compositions import Part
from memedit.train.loop import Progress, Watch, run
from memedit.train.matching import embedded, trainable
from memedit.train.planning import SAME, ReaderSettings, drawn_for
from memedit.train.plans import Family, Planned

if TYPE_CHECKING:
    from peft import PeftModel

# How much nearer the unchanged encoder finds a path to a question without a hop than with it, where
# the question passes over the hop; looked up on questions of the training side.
PASSED = 0.05
ALIKE = 15  # relations nearest to another that are taken for it
_SKIP = -1e4
_CHUNKS = 6  # of a step's texts, each padded to its own longest
_BACK = 0.3  # what finding the question of a path counts beside finding the path of a question

Path = tuple[str, ...]  # relations in the order they are walked


class WordingSettings(ReaderSettings):
    """How it is fitted; what the shipped one was fitted with stands in decomposer.json.

    Args:
        temperature: Cosines are divided by it.
        wrong: Wrong paths beside each question's own.
    """

    temperature: float = Field(0.05, gt=0)
    learning_rate: float = Field(8e-4, gt=0)
    steps: int = Field(1000, ge=1)
    exchanged: int = Field(4, ge=0)
    composed: int = Field(6, ge=0)
    wrong: int = Field(7, ge=1)
    every: int = Field(25, ge=1)
    seed: int = 5


@dataclass(frozen=True)
class WrongPaths:
    """Makes wrong paths.

    Attributes:
        family: The relations.
        encoder: Tells which relations are alike.
    """

    family: Family
    encoder: SentenceEncoder

    @cached_property
    def names(self) -> list[str]:
        """The relations that have wordings."""
        return sorted(name for name in self.family.told if self.family.told[name])

    @cached_property
    def walked(self) -> list[str]:
        """Those that chains are made of."""
        return sorted(self.family.walked & set(self.names))

    @cached_property
    def alike(self) -> dict[str, list[str]]:
        """By relation, others that are nearest to it and yet not it."""
        told = [self.family.told[name] for name in self.names]
        middles = np.stack([self.encoder.encode(texts).mean(axis=0) for texts in told])
        middles /= np.linalg.norm(middles, axis=1, keepdims=True)
        cosines = middles @ middles.T
        found = {}
        for name, row in zip(self.names, cosines, strict=True):
            order = [int(i) for i in np.argsort(-row)[1 : ALIKE + 1]]
            near = [self.names[i] for i in order if row[i] < SAME]
            found[name] = [other for other in near if not self.same((name,), (other,))]
        return found

    def same(self, one: Path, other: Path) -> bool:
        """Whether two paths ask for the same, relation by relation."""
        kin = self.family.kin
        return len(one) == len(other) and all(
            a == b or b in kin.get(a, ()) or a in kin.get(b, ())
            for a, b in zip(one, other, strict=True)
        )

    def beside(self, path: Path, count: int, rng: random.Random) -> list[Path]:
        """``count`` wrong paths beside a right one, each hard in another way."""
        kinds = [self._shorter, self._swapped, self._longer, self._strayed, self._other]
        found = [kind(path, rng) for kind in (*kinds, self._shorter)]
        found = [wrong for wrong in found if wrong and not self.same(wrong, path)][:count]
        while len(found) < count:
            wrong = rng.choice((self._other, self._other, self._strayed))(path, rng)
            if wrong and not self.same(wrong, path):
                found.append(wrong)
        return found

    def _shorter(self, path: Path, rng: random.Random) -> Path:
        gone = rng.choice((len(path) - 1, rng.randrange(len(path))))
        return _without(path, gone)

    def _swapped(self, path: Path, rng: random.Random) -> Path:
        if len(path) < 2:
            return ()
        place = rng.randrange(len(path) - 1)
        return (*path[:place], path[place + 1], path[place], *path[place + 2 :])

    def _longer(self, path: Path, rng: random.Random) -> Path:
        if len(path) == MAX_HOPS:
            return ()
        place = rng.choice((len(path), rng.randrange(len(path) + 1)))
        return (*path[:place], self._another(path[max(0, place - 1)], rng), *path[place:])

    def _strayed(self, path: Path, rng: random.Random) -> Path:
        """The right way at first, then another, as graphs lead."""
        kept = path[: rng.randrange(len(path))]
        more = rng.randint(1, MAX_HOPS - len(kept))
        return (*kept, *(rng.choice(self.walked or self.names) for _ in range(more)))

    def _other(self, path: Path, rng: random.Random) -> Path:
        place = rng.randrange(len(path))
        return (*path[:place], self._another(path[place], rng), *path[place + 1 :])

    def _another(self, name: str, rng: random.Random) -> str:
        if self.alike.get(name) and rng.random() < 0.5:
            return rng.choice(self.alike[name])
        return rng.choice(self.walked if self.walked and rng.random() < 0.6 else self.names)

    def text(self, path: Path, rng: random.Random) -> str:
        """A path in wordings that an edit may have."""
        return ", ".join(rng.choice(self.family.told[name]) for name in path)


def fit(
    family: Family,
    parts: Sequence[Part],
    encoder: SentenceEncoder,
    settings: WordingSettings,
    checkpoint: Checkpoint,
    watch: Watch,
) -> tuple[PeftModel, Progress]:
    """Trains the adapter, going on where the checkpoint left off.

    Args:
        family: MQuAKE's questions of the training side, and the relations of all.
        parts: What compositions are made of.
        encoder: Whose copy is trained.
        settings: How.
        checkpoint: Where the state is kept.
        watch: Called after every step.
    """
    model = trainable(encoder, rank=settings.rank, alpha=settings.alpha, seed=settings.seed)
    model.train(mode=False)  # dropout off
    tokenizer = cast(Any, encoder.model)[0].tokenizer
    wrong = WrongPaths(family, encoder)
    family = with_passed(family, encoder)

    def loss_at(step: int) -> Tensor:
        rng = random.Random(f"{settings.seed}:{step}")
        drawn = drawn_for(family, parts, settings, rng)
        paths: list[Path] = [question.relations for question in drawn]
        paths += [w for q in drawn for w in wrong.beside(q.relations, settings.wrong, rng)]
        texts = [question.question for question in drawn]
        texts += [wrong.text(path, rng) for path in paths]
        vectors = embedded(model, tokenizer, texts, chunks=_CHUNKS, longest=MAX_TOKENS)
        cosines = vectors[: len(drawn)] @ vectors[len(drawn) :].T / settings.temperature
        return _loss(cosines, _same(wrong, drawn, paths))

    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    return model, run(trained, loss_at, settings, checkpoint, watch)


def with_passed(family: Family, encoder: SentenceEncoder) -> Family:
    """The family with what MQuAKE's questions pass over (see the module)."""
    questions = [q for q in family.on("train") if q.case and len(q.relations) > 1]
    shorter = {
        q: [_without(q.relations, i) for i in range(len(q.relations) - 1)] for q in questions
    }
    paths = list(dict.fromkeys(p for q in questions for p in (q.relations, *shorter[q])))
    texts = [", ".join(family.told[name][0] for name in path) for path in paths]
    vectors = dict(zip(paths, encoder.encode(texts), strict=True))
    asked = encoder.encode([question.question for question in questions])
    known = {}
    for question, vector in zip(questions, asked, strict=True):
        whole = float(vector @ vectors[question.relations])
        gained = [float(vector @ vectors[path]) - whole for path in shorter[question]]
        passed = tuple(place for place, gain in enumerate(gained) if gain > PASSED)
        known[question] = replace(question, passed=passed)
    return replace(family, questions=[known.get(q, q) for q in family.questions])


def _without(path: Path, place: int) -> Path:
    return path[:place] + path[place + 1 :]


def _same(wrong: WrongPaths, drawn: Sequence[Planned], paths: Sequence[Path]) -> Tensor:
    """Which paths are no counter-examples of each question, ``[len(drawn), len(paths)]``."""
    rows = [
        [
            i != j and any(wrong.same(own, path) for own in q.readings)
            for j, path in enumerate(paths)
        ]
        for i, q in enumerate(drawn)
    ]
    return torch.tensor(rows)


def _loss(cosines: Tensor, same: Tensor) -> Tensor:
    count = len(cosines)
    cosines = cosines.masked_fill(same, _SKIP)
    own = torch.arange(count)
    forth = F.cross_entropy(cosines, own)
    return forth + _BACK * F.cross_entropy(cosines[:, :count].T, own)
