"""What a model answers about other subjects, and how much of it a bake leaves.

Whole answers are no measure: one token that two words come near to sends a greedy answer another
way, and a harmless change turns a third of them. So the earlier answer is read again, token by
token, each after those that were given: it is kept where it would be chosen again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from langchain_core.messages import HumanMessage

from memedit.models.decoding import Decoding
from memedit.models.tokens import padded

if TYPE_CHECKING:
    from memedit.models.engine import LocalEngine
    from memedit.models.local import LocalChatModel

ANSWER_TOKENS = 12
_AT_ONCE = 16  # questions between two reports


@dataclass(frozen=True)
class Answered:
    """Questions and greedy answers as token ids.

    Attributes:
        prompts: Each question as the model reads it.
        answers: What it wrote.
    """

    prompts: tuple[tuple[int, ...], ...]
    answers: tuple[tuple[int, ...], ...]

    @torch.inference_mode()
    def kept(self, engine: LocalEngine, progress: Callable[[int, int], None]) -> float:
        """The share of the answers' tokens that the weights of now choose again, without adapters.

        Args:
            engine: The model.
            progress: Told how many answers have been read, and how many there are.
        """
        chosen = total = 0
        for start in range(0, len(self.prompts), _AT_ONCE):
            prompts = self.prompts[start : start + _AT_ONCE]
            answers = self.answers[start : start + _AT_ONCE]
            rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
            with engine.using(None) as model:
                ids, mask = padded(rows, engine.tokens.pad_id, model.device, side="right")
                out = cast(Any, model)(input_ids=ids, attention_mask=mask, use_cache=False)
                first = out.logits.argmax(-1).tolist()
            for row, prompt, answer in zip(first, prompts, answers, strict=True):
                again = row[len(prompt) - 1 : len(prompt) - 1 + len(answer)]
                chosen += sum(a == b for a, b in zip(again, answer, strict=True))
                total += len(answer)
            progress(start + len(rows), len(self.prompts))
        return chosen / max(total, 1)


def answered(
    model: LocalChatModel, texts: Sequence[str], progress: Callable[[int, int], None]
) -> Answered:
    """Asks each text, a conversation of its own, with the weights as they are.

    Args:
        model: The model.
        texts: What is asked.
        progress: Told how many have been asked, and how many there are.
    """
    prompts = [tuple(model.prompt_ids([HumanMessage(text)])) for text in texts]
    answers: list[tuple[int, ...]] = []
    for start in range(0, len(prompts), _AT_ONCE):
        batch = prompts[start : start + _AT_ONCE]
        made = model.engine.generate(batch, Decoding(max_tokens=ANSWER_TOKENS))
        answers += [tuple(one.ids) for one in made]
        progress(len(answers), len(prompts))
    return Answered(tuple(prompts), tuple(answers))
