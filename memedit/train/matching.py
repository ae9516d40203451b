"""Fitting the matcher: a LoRA adapter on the encoder, by contrast within groups, resumable.

The loss is the cross entropy of each query's own edit among the group's edits, and of each edit's
own query among the group's queries, over cosines (InfoNCE, van den Oord et al. 2018, eq. 4).
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field

from memedit.scope.encoder import SentenceEncoder
from memedit.scope.matcher import CONFIG_FILE, MAX_TOKENS, WEIGHTS_FILE, pooled
from memedit.train.checkpoint import Checkpoint
from memedit.train.groups import Group, Source, draw_step
from memedit.train.lora import with_lora, write_weights

if TYPE_CHECKING:
    from peft import PeftModel

LAYERS = ("query", "key", "value", "dense")
_CHUNKS = 4  # of a step's texts, each padded to its own longest
_ROUND = 8  # lengths are padded to a multiple: every new shape is compiled anew
_NEVER = -1e4


class MatcherSettings(BaseModel):
    """How the matcher is fitted; what the shipped one was fitted with stands in its matcher.json.

    Args:
        rank: The rank of each pair of LoRA matrices.
        alpha: LoRA's scale is alpha / rank.
        learning_rate: The highest one; it rises at first and then falls to zero in a line.
        temperature: Cosines are divided by it.
        steps: How many.
        groups: Groups in a step.
        size: Edits in a group, at most.
        clip: The longest gradient, as a norm.
        every: Steps between checkpoints.
        seed: Decides what is drawn and the adapter's first weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(32, ge=1)
    alpha: float = Field(64.0, gt=0)
    learning_rate: float = Field(6e-4, gt=0)
    temperature: float = Field(0.05, gt=0)
    steps: int = Field(700, ge=1)
    groups: int = Field(8, ge=1)
    size: int = Field(12, ge=2)
    clip: float = Field(1.0, gt=0)
    every: int = Field(50, ge=1)
    seed: int = 0


@dataclass
class Progress:
    """How far the training is.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        seconds: Seconds of training, those before an interruption included.
        losses: The mean loss by step, at each checkpoint, since the one before.
    """

    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    losses: dict[int, float] = field(default_factory=dict)


Watch = Callable[[Progress], None]


def trainable(encoder: SentenceEncoder, settings: MatcherSettings) -> PeftModel:
    """A copy of the encoder's transformer with a fresh adapter on its linear layers."""
    trunk = copy.deepcopy(cast(Any, encoder.model)[0].auto_model)
    return with_lora(
        trunk, rank=settings.rank, alpha=settings.alpha, seed=settings.seed, layers=LAYERS
    )


def fit(
    encoder: SentenceEncoder,
    sources: Mapping[str, tuple[float, Source]],
    settings: MatcherSettings,
    checkpoint: Checkpoint,
    watch: Watch,
) -> tuple[PeftModel, Progress]:
    """Trains the adapter, going on where the checkpoint left off.

    Args:
        encoder: The encoder whose copy is trained.
        sources: What groups are drawn from, each with its weight.
        settings: How.
        checkpoint: Where the state is kept.
        watch: Called after every step.
    """
    model = trainable(encoder, settings)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), weight_decay=0.01)
    progress = Progress(**(checkpoint.restore(optimizer, trained) or {"steps": settings.steps}))
    tokenizer = cast(Any, encoder.model)[0].tokenizer
    since: list[float] = []
    model.train(mode=False)  # dropout off: the encoder's own would undo the small batches' signal
    while progress.step < settings.steps:
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = _rate(progress.step, settings)
        groups = draw_step(sources, settings.seed, progress.step, settings.groups, settings.size)
        loss = _loss(model, tokenizer, groups, settings.temperature)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained.values(), settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        since.append(loss.item())
        progress.step += 1
        progress.seconds += time.perf_counter() - started
        if progress.step % settings.every == 0 or progress.step == settings.steps:
            progress.losses[progress.step] = sum(since) / len(since)
            since = []
            checkpoint.save(progress=vars(progress), optimizer=optimizer, weights=trained)
        watch(progress)
    return model, progress


def save(model: PeftModel, folder: Path, about: Mapping[str, Any]) -> None:
    """Writes the adapter in float16, in PEFT's format, and what is known about it.

    Args:
        model: As :func:`fit` gives it.
        folder: Made where it is missing.
        about: The contents of ``matcher.json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(model, folder / WEIGHTS_FILE, torch.float16)
    write_about(folder, about)


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Writes ``matcher.json``."""
    text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")


def _loss(
    model: PeftModel, tokenizer: Any, groups: Sequence[Group], temperature: float
) -> torch.Tensor:
    texts = list(dict.fromkeys(t for g in groups for t in (*g.queries, *g.edits)))
    row = {text: i for i, text in enumerate(texts)}
    vectors = _embedded(model, tokenizer, texts)
    losses = []
    for group in groups:
        queries = vectors[[row[text] for text in group.queries]]
        edits = vectors[[row[text] for text in group.edits]]
        cosines = queries @ edits.T / temperature
        cosines = cosines.masked_fill(torch.from_numpy(group.skip), _NEVER)
        own = torch.arange(len(group.edits))
        by_query = F.cross_entropy(cosines[: len(group.edits)], own)
        by_edit = F.cross_entropy(cosines.T, own)
        losses.append((by_query + by_edit) / 2)
    return torch.stack(losses).mean()


def _embedded(model: PeftModel, tokenizer: Any, texts: Sequence[str]) -> torch.Tensor:
    """Unit vectors ``[len(texts), d]`` with gradients; alike lengths share a chunk."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    size = -(-len(order) // _CHUNKS)
    parts = []
    for start in range(0, len(order), size):
        batch = tokenizer(
            [texts[i] for i in order[start : start + size]],
            padding=True,
            truncation=True,
            max_length=MAX_TOKENS,
            pad_to_multiple_of=_ROUND,
            return_tensors="pt",
        )
        batch = {key: batch[key].to(model.device) for key in ("input_ids", "attention_mask")}
        with torch.autocast(model.device.type, dtype=torch.bfloat16):
            parts.append(pooled(model, batch))
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(parts)[back].cpu()


def _rate(step: int, settings: MatcherSettings) -> float:
    """The learning rate: up over the first twentieth, then down in a line."""
    rising = (step + 1) / max(1.0, 0.05 * settings.steps)
    return settings.learning_rate * max(0.01, min(rising, 1.0 - step / settings.steps))


def key_of(settings: MatcherSettings, *facts: str) -> str:
    """Names a training by its settings and data, so that another one's state is not taken up."""
    words = [settings.model_dump_json(), *facts]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
