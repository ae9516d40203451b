"""What the model itself says: which answers it gives by its first choice, and how it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch

from memedit.models.tokens import padded
from memedit.trace.prompts import Prompt

if TYPE_CHECKING:
    from memedit.bake.editable import Editable

_TOGETHER = 32


@torch.inference_mode()
def knows(model: Editable, prompts: Sequence[Prompt]) -> list[bool]:
    """For each prompt whether every token of its answer is the model's first choice.

    That is the answer that greedy decoding gives. In published averages only such prompts count
    (Meng et al. 2022, arXiv 2202.05262, section 2.1).
    """
    found = []
    for start in range(0, len(prompts), _TOGETHER):
        some = prompts[start : start + _TOGETHER]
        rows = [prompt.read_ids for prompt in some]
        ids, mask = padded(rows, model.tokens.pad_id, model.network.device, side="right")
        logits = cast(Any, model.network)(
            input_ids=ids, attention_mask=mask, use_cache=False
        ).logits
        for row, prompt in enumerate(some):
            first = logits[row, prompt.begin - 1 : len(prompt.ids) - 1].argmax(-1).tolist()
            found.append(tuple(first) == prompt.answer_ids)
    return found
