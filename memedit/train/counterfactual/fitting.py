"""Fitting a LoRA adapter to examples: batches by length, resumable, within a time budget.

LoRA: Hu et al. 2021, arXiv 2106.09685. The base's weights stay as they are; where the base is the
teacher (the edit does not matter), the loss is the divergence from its own distribution, read from
the same network with the adapter off.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field

from memedit.models.decoding import batches
from memedit.models.tokens import padded
from memedit.train.checkpoint import Checkpoint
from memedit.train.counterfactual.examples import Example
from memedit.train.lora import with_lora

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

WARMUP = 0.05  # share of the training in which the learning rate rises
CHECKPOINT_EVERY = 10  # steps
_ROUND = 8  # lengths are padded to a multiple, since every new shape is compiled anew


class FitSettings(BaseModel):
    """How an adapter is fitted; the defaults are those of the shipped one.

    Args:
        rank: The rank of each pair of LoRA matrices.
        alpha: LoRA's scale is alpha / rank.
        learning_rate: The highest one; it rises at first and then falls to zero in a line.
        batch_tokens: The most tokens of a step, padding included.
        batch_rows: The most examples of a step.
        clip: The longest gradient, as a norm.
        minutes: After how many minutes of training to be done; None for no limit. The learning
            rate has fallen to zero by then.
        every: Steps between looks at the held-back examples.
        seed: Decides the order of the batches and the adapter's first weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(8, ge=1)
    alpha: float = Field(16.0, gt=0)
    learning_rate: float = Field(1e-3, gt=0)
    batch_tokens: int = Field(1280, ge=1)
    batch_rows: int = Field(24, ge=1)
    clip: float = Field(1.0, gt=0)
    minutes: float | None = Field(None, gt=0)
    every: int = Field(100, ge=1)
    seed: int = 0


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        seconds: Seconds of training, those before an interruption included.
        loss: The mean loss of the latest steps, in nats a token.
        held: The loss on the held-back examples by kind, by step.
    """

    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    held: dict[int, dict[str, float]] = field(default_factory=dict)


Watch = Callable[[Progress], None]


def with_adapter(network: PreTrainedModel, settings: FitSettings) -> PeftModel:
    """``network`` with a fresh LoRA adapter on every linear layer but the output's."""
    return with_lora(
        network, rank=settings.rank, alpha=settings.alpha, seed=settings.seed, task="CAUSAL_LM"
    )


def fit(
    model: PeftModel,
    examples: Sequence[Example],
    held: Sequence[Example],
    settings: FitSettings,
    checkpoint: Checkpoint,
    watch: Watch,
) -> Progress:
    """Trains the adapter on every example once, going on where the checkpoint left off.

    Args:
        model: The network with its adapter, as :func:`with_adapter` gives it.
        examples: What to learn.
        held: Examples that are only looked at.
        settings: How.
        checkpoint: Where the state is kept.
        watch: Called after every step.
    """
    plan = _batches(examples, settings)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=settings.learning_rate, weight_decay=0.0)
    progress = Progress(**(checkpoint.restore(optimizer, trained) or {"steps": len(plan)}))
    losses: list[float] = []
    while progress.step < len(plan):
        rate = _rate(progress, settings)
        if rate is None:
            break
        if progress.step % settings.every == 0 and progress.step not in progress.held:
            progress.held[progress.step] = held_loss(model, held, settings)
        if progress.step % CHECKPOINT_EVERY == 0:
            checkpoint.save(progress=vars(progress), optimizer=optimizer, weights=trained)
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate
        loss = _losses(model, [examples[i] for i in plan[progress.step]]).mean()
        cast(Any, loss).backward()
        torch.nn.utils.clip_grad_norm_(trained.values(), settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        losses = [*losses[-19:], loss.item()]
        progress.step += 1
        progress.seconds += time.perf_counter() - started
        progress.loss = sum(losses) / len(losses)
        watch(progress)
    if progress.step not in progress.held:
        progress.held[progress.step] = held_loss(model, held, settings)
        checkpoint.save(progress=vars(progress), optimizer=optimizer, weights=trained)
    return progress


def held_loss(
    model: PeftModel, examples: Sequence[Example], settings: FitSettings
) -> dict[str, float]:
    """The mean loss by kind, in nats a token; nothing is learnt."""
    found: dict[str, list[float]] = defaultdict(list)
    with torch.no_grad():
        for rows in _groups(examples, settings):
            chosen = [examples[i] for i in rows]
            for example, loss in zip(chosen, _losses(model, chosen).tolist(), strict=True):
                found[example.kind].append(loss)
    return {kind: sum(losses) / len(losses) for kind, losses in sorted(found.items())}


def _groups(examples: Sequence[Example], settings: FitSettings) -> list[list[int]]:
    lengths = [_rounded(len(example)) for example in examples]
    return batches(lengths, settings.batch_rows, settings.batch_tokens)


def _rounded(length: int) -> int:
    return -(-length // _ROUND) * _ROUND


def _batches(examples: Sequence[Example], settings: FitSettings) -> list[list[int]]:
    """Batches of examples of one length, in an order that the seed decides."""
    rng = random.Random(settings.seed)
    shuffled = rng.sample(range(len(examples)), len(examples))
    groups = _groups([examples[i] for i in shuffled], settings)
    rng.shuffle(groups)
    return [[shuffled[i] for i in group] for group in groups]


def _rate(progress: Progress, settings: FitSettings) -> float | None:
    """The learning rate as a share of the highest; None when the time is up."""
    done = progress.step / progress.steps
    if settings.minutes:
        done = max(done, progress.seconds / (60 * settings.minutes))
    if done >= 1:
        return None
    return min((progress.step + 1) / max(1.0, WARMUP * progress.steps), 1 - done)


def _losses(model: PeftModel, rows: Sequence[Example]) -> torch.Tensor:
    """The mean loss over each row's answer: float32 ``[rows]``."""
    logits = _answer_logits(model, [row.prompt for row in rows], rows)
    losses = []
    taught = [row for row in rows if row.plain]
    teacher: Iterator[torch.Tensor] = iter(())
    if taught:
        with torch.no_grad(), model.disable_adapter():
            teacher = iter(_answer_logits(model, [row.plain for row in taught], taught))
    for row, steps in zip(rows, logits, strict=True):
        if row.plain:
            given = next(teacher).log_softmax(-1)
            loss = F.kl_div(steps.log_softmax(-1), given, reduction="sum", log_target=True)
        else:
            gold = torch.tensor(row.answer, device=steps.device)
            loss = F.cross_entropy(steps, gold, reduction="sum")
        losses.append(loss / len(row.answer))
    return torch.stack(losses)


def _answer_logits(
    model: PeftModel, prompts: Sequence[Sequence[int]], rows: Sequence[Example]
) -> list[torch.Tensor]:
    """The logits that predict each row's answer after its prompt: float32 ``[answer, words]``."""
    texts = [[*prompt, *row.answer] for prompt, row in zip(prompts, rows, strict=True)]
    device = next(model.parameters()).device
    ids, mask = padded(texts, 0, device, side="right")
    extra = _rounded(ids.shape[1]) - ids.shape[1]
    ids, mask = F.pad(ids, (0, extra)), F.pad(mask, (0, extra))
    counts = [len(row.answer) for row in rows]
    owners = [i for i, count in enumerate(counts) for _ in range(count)]
    places = [
        len(prompt) - 1 + n for prompt, count in zip(prompts, counts, strict=True)
        for n in range(count)
    ]  # fmt: skip
    with _only_there(model, owners, places), _fast_format(model):
        out = cast(Any, model)(input_ids=ids, attention_mask=mask, use_cache=False)
    return list(out.logits.float().split(counts))


@contextlib.contextmanager
def _only_there(model: PeftModel, rows: list[int], places: list[int]) -> Iterator[None]:
    """Without the output layer's work on tokens that nothing is learnt from.

    The output layer is most of a small model's work. It sees the hidden states at the chosen places
    alone, so that the logits are ``[places, words]``, whatever the model does with them after.
    """

    def pick(_: object, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (args[0][rows, places],)

    hook = cast(Any, model).get_base_model().get_output_embeddings().register_forward_pre_hook(pick)
    try:
        yield
    finally:
        hook.remove()


@contextlib.contextmanager
def _fast_format(model: PeftModel) -> Iterator[None]:
    """The adapter computed in the base's number format, its weights kept in float32."""
    from peft.helpers import disable_input_dtype_casting

    network = cast(Any, model).get_base_model()
    if network.dtype == torch.float32:
        yield
        return
    with (
        disable_input_dtype_casting(model),
        torch.autocast(network.device.type, dtype=network.dtype),
    ):
        yield
