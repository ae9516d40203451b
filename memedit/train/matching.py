"""Fitting the matcher: a LoRA adapter on the encoder, by contrast within groups, resumable.

The loss is the cross entropy of each query's own edit among the group's edits, and of each edit's
own query among the group's queries, over cosines (InfoNCE, van den Oord et al. 2018, eq. 4).
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from pydantic import Field

from memedit.scope.encoder import SentenceEncoder
from memedit.scope.matcher import CONFIG_FILE, MAX_TOKENS, WEIGHTS_FILE, pooled, tokens
from memedit.scope.trained_folder import write_about
from memedit.train.checkpoint import Checkpoint
from memedit.train.groups import Group, Source, draw_step
from memedit.train.loop import LoopSettings, Progress, Watch, run
from memedit.train.lora import with_lora, write_weights

if TYPE_CHECKING:
    from peft import PeftModel

LAYERS = ("query", "key", "value", "dense")
_CHUNKS = 4  # of a step's texts, each padded to its own longest
_ROUND = 8  # lengths are padded to a multiple: every new shape is compiled anew
_NEVER = -1e4


class MatcherSettings(LoopSettings):
    """How the matcher is fitted; what the shipped one was fitted with stands in its matcher.json.

    Args:
        rank: The rank of each pair of LoRA matrices.
        alpha: LoRA's scale is alpha / rank.
        temperature: Cosines are divided by it.
        groups: Groups in a step.
        size: Edits in a group, at most.
    """

    rank: int = Field(32, ge=1)
    alpha: float = Field(64.0, gt=0)
    temperature: float = Field(0.05, gt=0)
    learning_rate: float = Field(6e-4, gt=0)
    steps: int = Field(1600, ge=1)
    groups: int = Field(8, ge=1)
    size: int = Field(12, ge=2)


def trainable(encoder: SentenceEncoder, *, rank: int, alpha: float, seed: int) -> PeftModel:
    """A copy of the encoder's transformer with a fresh adapter on its linear layers.

    Args:
        encoder: The encoder.
        rank: The adapter's rank.
        alpha: It is scaled by alpha / rank.
        seed: Decides its first weights.
    """
    trunk = copy.deepcopy(cast(Any, encoder.model)[0].auto_model)
    if trunk.device.type == "cpu":
        # PyTorch's fused attention takes twice as long backwards as its parts for short texts.
        trunk.set_attn_implementation("eager")
    return with_lora(trunk, rank=rank, alpha=alpha, seed=seed, layers=LAYERS)


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
    model = trainable(encoder, rank=settings.rank, alpha=settings.alpha, seed=settings.seed)
    model.train(mode=False)  # dropout off: the encoder's own would undo the small batches' signal
    tokenizer = cast(Any, encoder.model)[0].tokenizer
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}

    def loss_at(step: int) -> torch.Tensor:
        groups = draw_step(sources, settings.seed, step, settings.groups, settings.size)
        return _loss(model, tokenizer, groups, settings.temperature)

    return model, run(trained, loss_at, settings, checkpoint, watch)


def save(model: PeftModel, folder: Path, about: Mapping[str, Any]) -> None:
    """Writes the adapter in float16, in PEFT's format, and what is known about it.

    Args:
        model: As :func:`fit` gives it.
        folder: Made where it is missing.
        about: The contents of ``matcher.json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(model, folder / WEIGHTS_FILE, torch.float16)
    write_about(folder, CONFIG_FILE, about)


def _loss(
    model: PeftModel, tokenizer: Any, groups: Sequence[Group], temperature: float
) -> torch.Tensor:
    texts = list(dict.fromkeys(t for g in groups for t in (*g.queries, *g.edits)))
    row = {text: i for i, text in enumerate(texts)}
    vectors = embedded(model, tokenizer, texts)
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


def embedded(
    model: PeftModel,
    tokenizer: Any,
    texts: Sequence[str],
    *,
    chunks: int = _CHUNKS,
    longest: int = MAX_TOKENS,
) -> torch.Tensor:
    """Unit vectors ``[len(texts), d]`` with gradients; alike lengths share a chunk.

    Args:
        model: The transformer with its adapter.
        tokenizer: Its tokenizer.
        texts: The texts.
        chunks: How many chunks, each padded to its own longest.
        longest: Tokens after which a text is cut off.
    """
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    size = -(-len(order) // chunks)
    parts = []
    for start in range(0, len(order), size):
        chunk = [texts[i] for i in order[start : start + size]]
        batch = tokens(tokenizer, chunk, longest=longest, multiple=_ROUND)
        batch = {key: rows.to(model.device) for key, rows in batch.items()}
        with torch.autocast(model.device.type, dtype=torch.bfloat16):
            parts.append(pooled(model, batch))
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(parts)[back].cpu()


def key_of(settings: MatcherSettings, *facts: str) -> str:
    """Names a training by its settings and data, so that another one's state is not taken up."""
    words = [settings.model_dump_json(), *facts]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
