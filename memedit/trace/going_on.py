"""How a model goes on from a prompt by itself: clean, corrupted, or with states put back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from memedit.bake.reading import Site, hooks
from memedit.trace.noise import added_noise
from memedit.trace.plain import put_back
from memedit.trace.prompts import Prompt

if TYPE_CHECKING:
    from memedit.bake.editable import Editable
    from memedit.models.tokens import Tokens
    from memedit.trace.runs import Restoration

# What ends an answer: a line's end, or a stop that no letter or digit follows.
_END = re.compile(r"[.!?;](?=\s|$)|\n")


def goes_on(model: Editable, text: str, most: int) -> str:
    """The model's greedy continuation of a text, up to the end of its sentence.

    Args:
        model: The model.
        text: The text.
        most: The most tokens.
    """
    ids = torch.tensor([model.tokens.encode_text(text)], device=model.network.device)
    (found,) = _greedy(model, ids, most)
    return sentence(model.tokens, found)


def first_words(model: Editable, text: str) -> str:
    """The word that the model goes on with by itself; its first token and what belongs to it."""
    words = goes_on(model, text, 6).split()
    return words[0].strip(",:\"'()") if words else ""


def restored_continuations(
    model: Editable,
    prompt: Prompt,
    noise: Tensor,
    clean: Mapping[Site, Tensor],
    restorations: Sequence[Restoration | None],
    most: int,
) -> list[list[str]]:
    """How the corrupted model goes on from a prompt with states put back, greedily.

    Args:
        model: The model.
        prompt: The prompt; its answer is not read.
        noise: ``[samples, subject tokens, width]``.
        clean: What the clean run had at each site, ``[tokens, width]``.
        restorations: What is put back in each; None for nothing.
        most: The most tokens of a continuation.

    Returns:
        One text for each restoration and sample.
    """
    samples = len(noise)
    rows = torch.tensor([prompt.ids[: prompt.begin]], device=model.network.device)
    rows = rows.repeat(len(restorations) * samples, 1)
    nothing = [i for i, one in enumerate(restorations) if one is None]
    given = [one for one in restorations if one is not None]
    # Rows without a restoration come last, where no hook reaches them.
    order = [i for i in range(len(restorations)) if i not in nothing] + nothing
    with (
        hooks(put_back(model, clean, given, samples, rows=len(rows))),
        added_noise(model, prompt.first, noise.repeat(len(restorations), 1, 1)),
    ):
        first, cache = _read(model, rows)
    found = _decode(model, first, cache, most)
    texts = [sentence(model.tokens, ids) for ids in found]
    by_place = {place: texts[n * samples : (n + 1) * samples] for n, place in enumerate(order)}
    return [by_place[place] for place in range(len(restorations))]


def sentence(tokens: Tokens, ids: Sequence[int]) -> str:
    """The text of token ids up to the end of its first sentence."""
    kept = []
    for token in ids:
        if token in tokens.end_ids:
            break
        kept.append(token)
    text = tokens.decode(kept).lstrip()
    end = _END.search(text)
    return (text[: end.start()] if end else text).strip()


def _greedy(model: Editable, rows: Tensor, most: int) -> list[list[int]]:
    first, cache = _read(model, rows)
    return _decode(model, first, cache, most)


@torch.inference_mode()
def _read(model: Editable, rows: Tensor) -> tuple[Tensor, Any]:
    """The first token after each row, and the rows' keys and values."""
    out = cast(Any, model.network)(input_ids=rows, use_cache=True)
    return out.logits[:, -1].argmax(-1), out.past_key_values


@torch.inference_mode()
def _decode(model: Editable, first: Tensor, cache: Any, most: int) -> list[list[int]]:
    steps = [first]
    for _ in range(most - 1):
        out = cast(Any, model.network)(
            input_ids=steps[-1][:, None], past_key_values=cache, use_cache=True
        )
        cache = out.past_key_values
        steps.append(out.logits[:, -1].argmax(-1))
    return cast("list[list[int]]", torch.stack(steps, dim=1).tolist())
