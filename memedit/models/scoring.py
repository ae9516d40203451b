"""How likely continuations are after their prompts: each prompt read once, whatever follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from transformers import DynamicCache

from memedit.models.tokens import common_prefix, padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Score(NamedTuple):
    """A continuation's likelihood, its earlier tokens given (teacher forcing).

    ``log_prob`` in nats, summed over its ``tokens``; ``hits`` of them are the model's own first
    choice.
    """

    log_prob: float
    tokens: int
    hits: int


@dataclass(frozen=True)
class Stem:
    """What several texts begin with, and how each goes on.

    Attributes:
        ids: The shared token ids.
        tails: The rest of each text, at least one token each.
        begins: Where in each tail the continuation begins; what stands before is still prompt.
        rows: The place of each text in the caller's list.
    """

    ids: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]
    begins: tuple[int, ...]
    rows: tuple[int, ...]


def stems(prompts: Sequence[str], texts: Sequence[tuple[Sequence[int], int]]) -> list[Stem]:
    """Texts gathered by their prompt.

    Args:
        prompts: The prompt of each text.
        texts: Token ids of prompt and continuation, and where the continuation begins.
    """
    # Texts of one prompt can differ from the first token on, where that token straddles the
    # border to the continuation.
    by_prompt: dict[tuple[str, int], list[int]] = {}
    for row, (prompt, (ids, _)) in enumerate(zip(prompts, texts, strict=True)):
        by_prompt.setdefault((prompt, ids[0]), []).append(row)
    return [_stem(rows, [texts[row] for row in rows]) for rows in by_prompt.values()]


def _stem(rows: list[int], texts: list[tuple[Sequence[int], int]]) -> Stem:
    common = len(common_prefix([ids for ids, _ in texts]))
    length = min([common, *(begin for _, begin in texts), *(len(ids) - 1 for ids, _ in texts)])
    return Stem(
        ids=tuple(texts[0][0][:length]),
        tails=tuple(tuple(ids[length:]) for ids, _ in texts),
        begins=tuple(begin - length for _, begin in texts),
        rows=tuple(rows),
    )


@torch.inference_mode()
def score_stems(
    model: PreTrainedModel, batch: Sequence[Stem], pad_id: int
) -> list[tuple[int, Score]]:
    """The score of every continuation of ``batch``, with its row.

    The stems are read in one forward pass. A tail's first token is predicted there; only tails of
    two tokens and more need a second pass, over the stems' keys and values.
    """
    device = model.device
    ids, mask = padded([stem.ids for stem in batch], pad_id, device, side="left")
    cache = DynamicCache(config=model.config)
    first = cast(Any, model)(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp_min(0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    owners = [i for i, stem in enumerate(batch) for _ in stem.tails]
    tails = [tail for stem in batch for tail in stem.tails]
    begins = [begin for stem in batch for begin in stem.begins]
    longer = [i for i, tail in enumerate(tails) if len(tail) > 1]
    rest: dict[int, torch.Tensor] = {}
    if longer:
        keep = torch.tensor([owners[i] for i in longer], device=device)
        cache.batch_select_indices(keep)
        logits = _tail_logits(model, cache, mask[keep], [tails[i][:-1] for i in longer], pad_id)
        rest = {i: logits[n, : len(tails[i]) - 1] for n, i in enumerate(longer)}
    rows = [row for stem in batch for row in stem.rows]
    scores = []
    for i, (tail, begin) in enumerate(zip(tails, begins, strict=True)):
        steps = first[owners[i]][None]
        if i in rest:
            steps = torch.cat([steps, rest[i]])
        scores.append((rows[i], score_of(steps[begin:], tail[begin:])))
    return scores


def _tail_logits(
    model: PreTrainedModel,
    cache: DynamicCache,
    mask: torch.Tensor,
    tails: Sequence[Sequence[int]],
    pad_id: int,
) -> torch.Tensor:
    """Logits after each token of the tails: ``[rows, longest tail, vocabulary]``."""
    ids, tail_mask = padded(tails, pad_id, model.device, side="right")
    whole = torch.cat([mask, tail_mask], dim=1)
    logits = cast(Any, model)(
        input_ids=ids,
        attention_mask=whole,
        position_ids=(whole.cumsum(1) - 1)[:, mask.shape[1] :],
        past_key_values=cache,
        use_cache=True,
    ).logits
    return cast(torch.Tensor, logits)


def score_of(logits: torch.Tensor, tokens: Sequence[int]) -> Score:
    """The score of ``tokens``; ``logits [len(tokens), vocabulary]`` are their predictions."""
    gold = torch.tensor(list(tokens), device=logits.device)
    steps = logits.float().log_softmax(-1)
    chosen = steps.gather(1, gold[:, None])
    hits = int((steps.argmax(-1) == gold).sum())
    return Score(float(chosen.sum()), len(tokens), hits)
