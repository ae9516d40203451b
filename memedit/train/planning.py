"""Fitting the plan head on the frozen encoder's token states, resumable.

The loss of a question is the cross entropy of each hop's relation among its family's relations,
over the head's cosines, and of the number of hops. Each step every relation stands in one of its
wordings, drawn anew, so that the head learns relations and not their names.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from memedit.multihop.walk.head import MAX_HOPS, PlanHead
from memedit.multihop.walk.planner import States, states_of
from memedit.scope.encoder import SentenceEncoder
from memedit.train.checkpoint import Checkpoint
from memedit.train.loop import LoopSettings, Progress, Watch, run
from memedit.train.plans import Family, Planned

_SKIP = -1e4
_READ = 32  # questions that the encoder reads together


class PlanSettings(LoopSettings):
    """How the head is fitted; what the shipped one was fitted with stands in decomposer.json.

    Args:
        layers: The head's decoder layers.
        heads: Attention heads of each.
        hidden: The width inside them.
        dropout: Share of activations dropped.
        decay: Weight decay.
        chains: Questions of MQuAKE in a step.
        composed: Compositions in a step.
        compositions: How many compositions there are.
    """

    layers: int = Field(2, ge=1)
    heads: int = Field(6, ge=1)
    hidden: int = Field(768, ge=1)
    dropout: float = Field(0.15, ge=0, lt=1)
    learning_rate: float = Field(6e-4, gt=0)
    decay: float = Field(0.02, ge=0)
    steps: int = Field(1500, ge=1)
    chains: int = Field(20, ge=1)
    composed: int = Field(44, ge=0)
    compositions: int = Field(8000, ge=1)
    every: int = Field(20, ge=1)
    seed: int = 11

    @property
    def head(self) -> dict[str, Any]:
        """The head's shape, as keyword arguments."""
        return self.model_dump(include={"layers", "heads", "hidden", "dropout"})


@dataclass(frozen=True)
class Table:
    """A family as it is trained on.

    Attributes:
        questions: The questions.
        relations: The relations' names in order.
        wordings: Unit vectors of each relation's wordings, ``[w, d]`` each.
        kin: Whether two relations are not compared, ``[r, r]``.
    """

    questions: list[Planned]
    relations: dict[str, int]
    wordings: list[Tensor]
    kin: Tensor

    def drawn(self, rng: random.Random) -> Tensor:
        """One wording of each relation, ``[r, d]``."""
        return torch.stack([vectors[rng.randrange(len(vectors))] for vectors in self.wordings])


class Reader:
    """Token states of texts by the frozen encoder, each read once and kept on disk.

    Args:
        encoder: The encoder.
        path: Where the states are kept; in memory alone where None.
    """

    def __init__(self, encoder: SentenceEncoder, path: Path | None = None) -> None:
        self._states: States = states_of(encoder)
        self._path = path
        self._kept: dict[str, Tensor] = {}
        if path is not None and path.is_file():
            self._kept = torch.load(path, weights_only=True)

    def read(self, texts: Sequence[str], *, pooled: bool = False) -> None:
        """Reads what has not been read; alike lengths together.

        Args:
            texts: The texts.
            pooled: Whether their means will do, as for relations.
        """
        missing = sorted({text for text in texts if text not in self._kept}, key=len)
        for start in range(0, len(missing), _READ):
            chunk = missing[start : start + _READ]
            states, mask = self._states(chunk)
            for text, rows, real in zip(chunk, states, mask, strict=True):
                own = rows[real]
                self._kept[text] = (own.mean(0, keepdim=True) if pooled else own).half()
        if missing and self._path is not None:
            partial = self._path.with_suffix(".partial")
            torch.save(self._kept, partial)
            partial.replace(self._path)

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors of texts that have been read, as the encoder pools: ``[n, d]``."""
        return F.normalize(torch.stack([self._kept[t].float().mean(0) for t in texts]), dim=-1)

    def batch(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Padded states ``[n, t, d]`` float32 and their mask ``[n, t]``."""
        states = [self._kept[text].float() for text in texts]
        padded = torch.nn.utils.rnn.pad_sequence(states, batch_first=True)
        lengths = torch.tensor([len(rows) for rows in states])
        return padded, torch.arange(padded.shape[1])[None, :] < lengths[:, None]


def table_of(family: Family, questions: Sequence[Planned], reader: Reader) -> Table:
    """A family's questions, which the reader has read, and its relations' vectors."""
    names = [name for name in sorted(family.told) if family.told[name]]
    rows = {name: i for i, name in enumerate(names)}
    texts = [text for name in names for text in family.told[name]]
    reader.read(texts, pooled=True)
    vectors = reader.vectors(texts)
    sizes = [len(family.told[name]) for name in names]
    kin = torch.zeros(len(names), len(names), dtype=torch.bool)
    for name in names:
        for other in family.kin.get(name, ()):
            if other in rows:
                kin[rows[name], rows[other]] = True
    return Table(list(questions), rows, list(torch.split(vectors, sizes)), kin)


def fit(
    tables: Mapping[str, tuple[int, Table]],
    reader: Reader,
    dimension: int,
    settings: PlanSettings,
    checkpoint: Checkpoint,
    watch: Watch,
) -> tuple[PlanHead, Progress]:
    """Trains the head, going on where the checkpoint left off.

    Args:
        tables: What is trained on, each with how many of its questions are in a step.
        reader: Has read all of their questions.
        dimension: The width of the encoder's states.
        settings: How.
        checkpoint: Where the state is kept.
        watch: Called after every step.
    """
    torch.manual_seed(settings.seed)
    head = PlanHead(dimension, **settings.head)
    head.train()

    def loss_at(step: int) -> Tensor:
        rng = random.Random(f"{settings.seed}:{step}")
        torch.manual_seed(rng.getrandbits(32))  # dropout, the same after an interruption
        losses = [_loss(head, reader, table, size, rng) for size, table in tables.values()]
        return torch.stack(losses).sum()

    weights = dict(head.named_parameters())
    progress = run(weights, loss_at, settings, checkpoint, watch, decay=settings.decay)
    return head.train(mode=False), progress


def _loss(head: PlanHead, reader: Reader, table: Table, size: int, rng: random.Random) -> Tensor:
    questions = rng.sample(table.questions, min(size, len(table.questions)))
    hops, lengths = head(*reader.batch([question.question for question in questions]))
    counts = torch.tensor([min(len(q.relations), MAX_HOPS) for q in questions])
    rows = [
        (i, place, table.relations[name])
        for i, question in enumerate(questions)
        for place, name in enumerate(question.relations[:MAX_HOPS])
    ]
    i, places, own = (torch.tensor(column) for column in zip(*rows, strict=True))
    likeness = head.likeness(hops[i, places], head.relations(table.drawn(rng)))
    likeness = likeness.masked_fill(table.kin[own], _SKIP)
    return F.nll_loss(lengths, counts - 1) + F.cross_entropy(likeness, own)


@torch.inference_mode()
def plans_right(
    head: PlanHead, reader: Reader, table: Table, questions: Sequence[Planned]
) -> list[bool]:
    """Whether the plan read from each question is the right one: relations, order and length.

    No graph is looked at: at each hop every relation of the table is open.
    """
    right: list[bool] = []
    sizes = [len(vectors) for vectors in table.wordings]
    relations = head.relations(torch.cat(table.wordings))
    for start in range(0, len(questions), _READ):
        chunk = questions[start : start + _READ]
        hops, lengths = head(*reader.batch([question.question for question in chunk]))
        likeness = torch.split(head.likeness(hops, relations), sizes, dim=-1)
        best = torch.stack([scores.amax(-1) for scores in likeness], dim=-1).argmax(-1)
        counts = lengths.argmax(-1) + 1
        for question, row, count in zip(chunk, best.tolist(), counts.tolist(), strict=True):
            own = [table.relations[name] for name in question.relations]
            right.append(row[:count] == own)
    return right
