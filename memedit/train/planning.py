"""Fitting the plan reader: a head and a LoRA adapter on the encoder, resumable.

The loss of a question is the cross entropy of each hop's relation among all relations, over the
head's cosines, and of the number of hops; where a composition tells which letters ask for a hop,
also of looking at them. Each step every relation stands in one of its wordings, drawn anew, so that
relations are learnt and not their names; and every step composes new questions, some of them
around MQuAKE's own, so that what is learnt is how questions are built and not which there are.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor

from memedit.multihop.walk.head import PlanHead, Read
from memedit.multihop.walk.planner import WEIGHTS_FILE
from memedit.scope.encoder import SentenceEncoder
from memedit.scope.matcher import MAX_TOKENS
from memedit.train.checkpoint import Checkpoint
from memedit.train.compositions import Part, compositions
from memedit.train.loop import LoopSettings, Progress, Watch, run
from memedit.train.matching import trainable
from memedit.train.plans import Family, Planned, around_composition

if TYPE_CHECKING:
    from peft import PeftModel

SAME = 0.9  # wordings of two families nearer than this may be one relation's
AROUND = 0.4  # of MQuAKE's questions, those that are put around a composition
LOOKING = 0.5  # what looking at the right words counts
_SKIP = -1e4
_LEAST = 1e-4
_CHUNKS = 2  # of a step's questions, each padded to its own longest
_ROUND = 8  # lengths are padded to a multiple: every new shape is compiled anew
_READ = 64  # questions that are read together where nothing is learnt


class ReaderSettings(LoopSettings):
    """What both readers are fitted with, and how many questions of each sort a step has.

    Args:
        chains: Questions of MQuAKE, some of them around a composition.
        exchanged: Questions of MQuAKE with another end.
        composed: Compositions.
        rank: The rank of each pair of LoRA matrices.
        alpha: LoRA's scale is alpha / rank.
    """

    chains: int = Field(10, ge=1)
    exchanged: int = Field(5, ge=0)
    composed: int = Field(14, ge=0)
    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0)


class PlanSettings(ReaderSettings):
    """How the reader is fitted; what the shipped one was fitted with stands in decomposer.json.

    Args:
        decay: Weight decay.
    """

    learning_rate: float = Field(1e-3, gt=0)
    decay: float = Field(0.02, ge=0)
    steps: int = Field(3000, ge=1)
    every: int = Field(50, ge=1)
    seed: int = 11


@dataclass(frozen=True)
class Table:
    """Relations as they are told apart.

    Attributes:
        rows: The relations' names in order.
        wordings: Unit vectors of each relation's wordings, ``[w, d]`` each.
        kin: Whether two relations are not compared, ``[r, r]``.
    """

    rows: Mapping[str, int]
    wordings: list[Tensor]
    kin: Tensor

    def drawn(self, rng: random.Random) -> Tensor:
        """One wording of each relation, ``[r, d]``."""
        return torch.stack([vectors[rng.randrange(len(vectors))] for vectors in self.wordings])


def table_of(family: Family, encoder: SentenceEncoder) -> Table:
    """A family's relations as the unchanged encoder embeds them."""
    names = [name for name in sorted(family.told) if family.told[name]]
    rows = {name: i for i, name in enumerate(names)}
    sizes = [len(family.told[name]) for name in names]
    vectors = encoder.encode([text for name in names for text in family.told[name]])
    starts = np.cumsum([0, *sizes[:-1]])
    near = np.maximum.reduceat(np.maximum.reduceat(vectors @ vectors.T, starts), starts, axis=1)
    walked = np.array([name in family.walked for name in names])
    kin = torch.from_numpy((near >= SAME) & (walked[:, None] != walked[None, :]))
    for name in names:
        for other in family.kin.get(name, ()):
            if other in rows:
                kin[rows[name], rows[other]] = kin[rows[other], rows[name]] = True
    kin.fill_diagonal_(False)
    return Table(rows, list(torch.split(torch.from_numpy(vectors), sizes)), kin)


class Trained(torch.nn.Module):
    """The head and the transformer it reads with.

    Args:
        encoder: Whose copy is trained.
        settings: How.
    """

    def __init__(self, encoder: SentenceEncoder, settings: PlanSettings) -> None:
        super().__init__()
        self.tokenizer = cast(Any, encoder.model)[0].tokenizer
        self.trunk: PeftModel = trainable(
            encoder, rank=settings.rank, alpha=settings.alpha, seed=settings.seed
        )
        self.trunk.train(mode=False)  # dropout off
        torch.manual_seed(settings.seed)
        self.head = PlanHead(encoder.dimension)

    @property
    def learning(self) -> dict[str, torch.nn.Parameter]:
        """The weights that learn, by name."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def forward(self, questions: Sequence[Planned]) -> Read:
        """What is read from questions."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.is_grad_enabled()):
            return cast(Read, self.head(self.trunk, self._batch(questions)))

    def _batch(self, questions: Sequence[Planned]) -> Mapping[str, Tensor]:
        batch = self.tokenizer(
            [question.question for question in questions],
            padding=True,
            truncation=True,
            max_length=MAX_TOKENS,
            pad_to_multiple_of=_ROUND,
            return_tensors="pt",
        )
        return {key: batch[key] for key in ("input_ids", "attention_mask")}

    def save(self, folder: Path) -> None:
        """Writes the adapter, in PEFT's names, and the head in float16."""
        from peft import get_peft_model_state_dict

        weights = {**get_peft_model_state_dict(self.trunk), **self.head.state_dict()}
        rounded = {
            name: weight.detach().to("cpu", torch.float16).contiguous()
            for name, weight in weights.items()
        }
        save_file(rounded, folder / WEIGHTS_FILE, metadata={"format": "pt"})
        (folder / WEIGHTS_FILE).chmod(0o644)


def fit(
    family: Family,
    parts: Sequence[Part],
    table: Table,
    encoder: SentenceEncoder,
    settings: PlanSettings,
    checkpoint: Checkpoint,
    watch: Watch,
) -> tuple[Trained, Progress]:
    """Trains the reader, going on where the checkpoint left off.

    Args:
        family: MQuAKE's questions, and the names of what has a relation.
        parts: What compositions are made of.
        table: The relations of both.
        encoder: What it is built on.
        settings: How.
        checkpoint: Where the state is kept.
        watch: Called after every step.
    """
    model = Trained(encoder, settings)

    def loss_at(step: int) -> Tensor:
        rng = random.Random(f"{settings.seed}:{step}")
        drawn = drawn_for(family, parts, settings, rng)
        return _loss(model, table, drawn, rng)

    progress = run(model.learning, loss_at, settings, checkpoint, watch, decay=settings.decay)
    return model, progress


def drawn_for(
    family: Family, parts: Sequence[Part], settings: ReaderSettings, rng: random.Random
) -> list[Planned]:
    """The questions of one step; a chain that has many is drawn more often, but not as often.

    Args:
        family: MQuAKE's questions, of which those of the training side are drawn.
        parts: What compositions are made of.
        settings: How many of each are drawn.
        rng: Draws them.
    """
    chains = settings.chains
    drawn = list(dict.fromkeys(rng.choices(*family.weighted, k=chains)))
    inner = compositions(parts, len(drawn), rng.getrandbits(32), lengths=(0.7, 0.3), named=True)
    drawn = [
        (rng.random() < AROUND and around_composition(question, one)) or question
        for question, one in zip(drawn, inner, strict=True)
    ]
    made = family.endings.drawn(settings.exchanged, rng)
    made += compositions(parts, settings.composed, rng.getrandbits(32))
    return [*drawn, *(Planned(one.question, one.relations, hops=one.hops) for one in made)]


def _loss(model: Trained, table: Table, drawn: Sequence[Planned], rng: random.Random) -> Tensor:
    relations = model.head.relations(table.drawn(rng))
    drawn = sorted(drawn, key=lambda question: len(question.question))
    size = -(-len(drawn) // _CHUNKS)
    losses = []
    for start in range(0, len(drawn), size):
        chunk = drawn[start : start + size]
        read = model(chunk)
        counts = torch.tensor([len(question.relations) for question in chunk])
        pairs = [
            (i, place, table.rows[name])
            for i, question in enumerate(chunk)
            for place, name in enumerate(question.relations)
        ]
        i, places, own = (torch.tensor(column) for column in zip(*pairs, strict=True))
        likeness = model.head.likeness(read.hops[i, places].float(), relations)
        likeness = likeness.masked_fill(table.kin[own], _SKIP)
        asked = F.cross_entropy(likeness, own) + F.nll_loss(read.lengths.float(), counts - 1)
        looked = _looking(model, chunk, read.looks.float())
        losses.append((asked + LOOKING * looked) * len(chunk) / len(drawn))
    return torch.stack(losses).sum()


def _looking(model: Trained, chunk: Sequence[Planned], looks: Tensor) -> Tensor:
    """How little the hops of compositions look at the words that ask for them."""
    texts = [question.question for question in chunk]
    offsets = model.tokenizer(
        texts, truncation=True, max_length=MAX_TOKENS, return_offsets_mapping=True
    )["offset_mapping"]
    right = torch.zeros_like(looks)
    for i, (question, spans) in enumerate(zip(chunk, offsets, strict=True)):
        for token, (start, end) in enumerate(spans):
            if start < end and question.hops and question.hops[start] >= 0:
                right[i, question.hops[start], token] = 1
    seen = (looks * right).sum(-1)[right.any(-1)]
    return -(seen + _LEAST).log().mean() if len(seen) else looks.sum() * 0


@torch.inference_mode()
def plans_right(model: Trained, table: Table, questions: Sequence[Planned]) -> list[bool]:
    """Whether the plan read from each question is the right one: relations, order and length.

    No graph is looked at: at each hop every relation of the table is open.
    """
    right: list[bool] = []
    sizes = [len(vectors) for vectors in table.wordings]
    relations = model.head.relations(torch.cat(table.wordings))
    for start in range(0, len(questions), _READ):
        chunk = questions[start : start + _READ]
        read = model(chunk)
        likeness = torch.split(model.head.likeness(read.hops, relations), sizes, dim=-1)
        best = torch.stack([scores.amax(-1) for scores in likeness], dim=-1).argmax(-1)
        counts = read.lengths.argmax(-1) + 1
        for question, row, count in zip(chunk, best.tolist(), counts.tolist(), strict=True):
            own = [table.rows[name] for name in question.relations]
            right.append(row[:count] == own)
    return right
