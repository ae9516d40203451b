"""Greedy decoding of many prompts at once: shared prefix read once, finished rows left behind.

The numbers are those of decoding a prompt alone, but added up in another order, so that two tokens
whose logits are equal up to rounding may change places. Every row therefore keeps the smallest
margin by which one of its tokens was chosen; a caller who needs the text a prompt gets alone
decodes rows with a small margin again, by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from memedit.models.attention import can_replace
from memedit.models.branches import Branches
from memedit.models.decoding import Decoding
from memedit.models.shared_attention import SharedRows
from memedit.models.tokens import Tokens, common_prefix, padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Reading a shared prefix by itself costs a forward pass of its own; below this it is not worth it.
LEAST_PREFIX = 8
# Attending to a prefix apart from a row's own tokens costs a few calls more in every layer; below
# this a copy for every row is as fast.
LEAST_SHARED = 64
# Least margin, in logits, at which a token's choice cannot be a matter of rounding. In float32 the
# margins of SmolLM2's answers alone and among 64 rows differed by at most 1.4e-5.
SAFE_MARGIN = 5e-4
# Settings of a generation configuration that change what greedy decoding chooses.
_NEUTRAL = {
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "min_length": 0,
    "min_new_tokens": 0,
    "guidance_scale": 1.0,
    "renormalize_logits": False,
    "remove_invalid_values": False,
}
_ABSENT = (
    "bad_words_ids",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "suppress_tokens",
    "begin_suppress_tokens",
    "sequence_bias",
    "exponential_decay_length_penalty",
    "watermarking_config",
)


@dataclass(frozen=True)
class Prefix:
    """What many prompts begin with, read once.

    It belongs to the weights it was read with: make a new one after they change.

    Attributes:
        ids: Its token ids.
        cache: Their keys and values, of one row; None where there are no ids.
        adapter: The adapter it was read with.
        branches: How prompts went on from it in earlier calls; they are not read again. None where
            no call will follow.
    """

    ids: tuple[int, ...]
    cache: DynamicCache | None
    adapter: str | None
    branches: Branches | None = None

    def begins(self, prompt: Sequence[int]) -> bool:
        """Whether ``prompt`` begins with it and goes on."""
        n = len(self.ids)
        return len(prompt) > n and tuple(prompt[:n]) == self.ids


@dataclass
class Row:
    """One prompt on its way.

    Attributes:
        prompt: Its token ids.
        ids: The tokens chosen so far.
        margin: The least difference, in logits, between a chosen token and the second best.
        stopped: Whether the last token completed a stop string.
    """

    prompt: Sequence[int]
    ids: list[int]
    margin: float = float("inf")
    stopped: bool = False


def can_decode_together(model: PreTrainedModel, how: Decoding) -> bool:
    """Whether :func:`decode_together` chooses the tokens that ``model.generate`` would.

    It takes greedy decoding, a cache that keeps every token in every layer, and
    a model whose own configuration leaves greedy decoding alone.
    """
    if how.temperature != 0:
        return False
    config: Any = model.generation_config
    plain = all(getattr(config, name, None) in (None, value) for name, value in _NEUTRAL.items())
    if not plain or any(getattr(config, name, None) is not None for name in _ABSENT):
        return False
    return keeps_everything(model)


def keeps_everything(model: PreTrainedModel) -> bool:
    """Whether the model's cache holds every token's keys and values in every layer.

    Caches with a window or a running state cannot be cut into rows and prefixes as we do.
    """
    try:
        layers = cast(Any, DynamicCache(config=model.config)).layers
    except (ValueError, KeyError, AttributeError, NotImplementedError):
        return False  # a model with a cache class of its own
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def shares(model: PreTrainedModel, begun: int) -> bool:
    """Whether a prefix of ``begun`` tokens is attended to by all rows at once, and not copied."""
    return begun >= LEAST_SHARED and can_replace(model)


def shared_prefix(prompts: Sequence[Sequence[int]]) -> list[int]:
    """The tokens every prompt begins with, at least one left to each; [] where not worth it."""
    prefix = common_prefix([prompt[:-1] for prompt in prompts])
    return prefix if len(prompts) > 1 and len(prefix) >= LEAST_PREFIX else []


@torch.inference_mode()
def read_prefix(
    model: PreTrainedModel, prefix: Sequence[int], adapter: str | None, *, calls: bool = False
) -> Prefix:
    """A prefix with its keys and values.

    Args:
        model: The model, which has ``adapter`` on.
        prefix: Token ids; may be empty.
        adapter: The adapter.
        calls: Whether prompts will go on from it in several calls, each other's continuations.
    """
    if not prefix:
        return Prefix((), None, adapter)
    ids = torch.tensor([list(prefix)], device=model.device)
    cache = DynamicCache(config=model.config)
    cast(Any, model)(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return Prefix(tuple(prefix), cache, adapter, Branches() if calls else None)


class CopiedRows:
    """Rows that go on from one prefix, each with a copy of its keys and values.

    This takes any model; where it can, :class:`~memedit.models.shared_attention.SharedRows` does
    the same without the copies.

    Args:
        model: The model, held by the caller for the time.
        prefix: The keys and values of the prefix, of one row; None for an empty one.
        rows: How many rows there are.
    """

    def __init__(self, model: PreTrainedModel, prefix: DynamicCache | None, rows: int) -> None:
        self.model = model
        self.cache = DynamicCache(config=model.config)
        self.begun = 0 if prefix is None else prefix.get_seq_length()
        for i, layer in enumerate(cast(Any, prefix).layers if prefix is not None else ()):
            keys, values = (
                states.expand(rows, -1, -1, -1) for states in (layer.keys, layer.values)
            )
            self.cache.update(keys, values, i)

    def begin(self, suffixes: Sequence[Sequence[int]]) -> tuple[list[Sequence[int]], torch.Tensor]:
        """Nothing is read yet, see :meth:`memedit.models.shared_attention.SharedRows.begin`."""
        nothing = torch.zeros(len(suffixes), 0, dtype=torch.long, device=self.model.device)
        return list(suffixes), nothing

    def read(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """See :meth:`memedit.models.shared_attention.SharedRows.read`."""
        out = cast(Any, self.model)(
            input_ids=ids,
            attention_mask=torch.cat([mask.new_ones(len(mask), self.begun), mask], dim=1),
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return cast(torch.Tensor, out.logits[:, -1])

    def end(self, row: int, mask: torch.Tensor, asked: Sequence[int], ids: Sequence[int]) -> None:
        """A row is done; nothing of it is kept."""

    def keep(self, rows: torch.Tensor) -> None:
        """Goes on with these rows only, int64 ``[kept]``."""
        self.cache.batch_select_indices(rows)


@torch.inference_mode()
def decode_together(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    how: Decoding,
    *,
    prefix: Prefix,
    tokens: Tokens,
) -> list[Row]:
    """The greedy continuation of every prompt, in order, all in one batch.

    Args:
        model: The model, held by the caller for the time.
        prompts: Token ids, each beginning with ``prefix``.
        how: Greedy decoding.
        prefix: What :func:`read_prefix` gave for what all prompts begin with; may be empty.
        tokens: The model's tokenizer.
    """
    rows = [Row(prompt, []) for prompt in prompts]
    live = list(rows)
    begun = len(prefix.ids)
    batch: SharedRows | CopiedRows
    if prefix.cache is not None and shares(model, begun):
        batch = SharedRows(model, prefix.cache, prefix.branches)
    else:
        batch = CopiedRows(model, prefix.cache, len(rows))
    suffixes, known = batch.begin([row.prompt[begun:] for row in rows])
    ids, new = padded(suffixes, tokens.pad_id, model.device, side="left")
    mask = torch.cat([known, new], dim=1)
    positions = (mask.cumsum(1) - 1).clamp_min(0)[:, known.shape[1] :] + begun
    for left in reversed(range(how.max_tokens)):
        best = batch.read(ids, mask, positions).float().topk(2, dim=-1)
        chosen, margins = best.indices[:, 0], best.values[:, 0] - best.values[:, 1]
        for row, token, margin in zip(live, chosen.tolist(), margins.tolist(), strict=True):
            row.ids.append(token)
            row.margin = min(row.margin, margin)
            row.stopped = bool(how.stop) and any(s in tokens.decode(row.ids) for s in how.stop)
        done = [not left or r.stopped or r.ids[-1] in tokens.end_ids for r in live]
        for i, row in enumerate(live):
            if done[i]:  # its last token was chosen, and never read
                asked = row.prompt[begun:]
                batch.end(i, mask[i], asked, [*asked, *row.ids[:-1]])
        going = [i for i, over in enumerate(done) if not over]
        if not going:
            break
        ids, positions = chosen[:, None], positions[:, -1:] + 1
        if len(going) < len(live):
            keep = torch.tensor(going, device=model.device)
            batch.keep(keep)
            ids, positions, mask = ids[keep], positions[keep], mask[keep]
            live = [live[i] for i in going]
        mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)
    return rows
