"""The loop that fits the networks on the encoder: resumable, one rising and falling rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from pydantic import BaseModel, ConfigDict, Field

from memedit.train.checkpoint import Checkpoint

WARMUP = 0.05  # share of the steps in which the learning rate rises
LEAST_RATE = 0.01  # of the highest
DECAY = 0.01


class LoopSettings(BaseModel):
    """How long and how fast to learn.

    Args:
        learning_rate: The highest one; it rises at first and then falls to zero in a line.
        steps: How many.
        clip: The longest gradient, as a norm.
        every: Steps between checkpoints.
        seed: Decides what is drawn and the first weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(gt=0)
    steps: int = Field(ge=1)
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


def run(
    trained: Mapping[str, torch.nn.Parameter],
    loss_at: Callable[[int], torch.Tensor],
    settings: LoopSettings,
    checkpoint: Checkpoint,
    watch: Watch,
    *,
    decay: float = DECAY,
) -> Progress:
    """Trains, going on where the checkpoint left off.

    Args:
        trained: The weights that learn, by name.
        loss_at: The loss of a step, the same for the same step and weights whatever was before.
        settings: How.
        checkpoint: Where the state is kept.
        watch: Called after every step.
        decay: Weight decay.
    """
    optimizer = torch.optim.AdamW(trained.values(), weight_decay=decay)
    progress = Progress(**(checkpoint.restore(optimizer, trained) or {"steps": settings.steps}))
    since: list[float] = []
    while progress.step < settings.steps:
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = _rate(progress.step, settings)
        loss = loss_at(progress.step)
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
    return progress


def _rate(step: int, settings: LoopSettings) -> float:
    rising = (step + 1) / max(1.0, WARMUP * settings.steps)
    return settings.learning_rate * max(LEAST_RATE, min(rising, 1.0 - step / settings.steps))
