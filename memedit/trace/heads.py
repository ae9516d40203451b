"""Reading how likely the answer is: logits only where its tokens are predicted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from memedit.bake.reading import hooks
from memedit.trace.prompts import Prompt

if TYPE_CHECKING:
    from memedit.bake.editable import Editable

_CHUNK = 64  # rows whose logits are widened to float32 at once


@dataclass(frozen=True)
class Reading:
    """Where an answer is predicted.

    Attributes:
        places: Index of the token before each of the answer's, ``[answer tokens]``.
        answer: The answer's token ids, ``[answer tokens]``.
    """

    places: Tensor
    answer: Tensor

    @classmethod
    def of(cls, prompt: Prompt, device: torch.device) -> Reading:
        """The reading of a prompt's answer."""
        places = torch.arange(prompt.begin - 1, len(prompt.ids) - 1, device=device)
        return cls(places, torch.tensor(prompt.answer_ids, device=device))

    @property
    def count(self) -> int:
        """How many tokens the answer has."""
        return len(self.answer)

    @staticmethod
    def vocabulary(model: Editable) -> int:
        """How many logits there are for a token."""
        return int(cast(Any, model.network.config).get_text_config(decoder=True).vocab_size)

    def log_probs(self, logits: Tensor) -> Tensor:
        """The answer's log-probabilities ``[rows, answer tokens]``, at least float32.

        Args:
            logits: ``[rows, tokens, vocabulary]``, all tokens or, from inside
                :func:`read_only`, those alone where an answer's is predicted.
        """
        answer = self.answer.to(logits.device)
        found = []
        for start in range(0, len(logits), _CHUNK):
            chunk = logits[start : start + _CHUNK]
            steps = chunk.to(torch.promote_types(chunk.dtype, torch.float32))
            chosen = steps.gather(2, answer[None, :, None].expand(len(steps), -1, 1))[..., 0]
            found.append(chosen - steps.logsumexp(-1))
        return torch.cat(found).to(self.answer.device)


@contextmanager
def read_only(model: Editable, places: Tensor) -> Iterator[None]:
    """Logits of these tokens alone inside the block.

    Args:
        model: The model.
        places: Indices of the tokens, the same in every row.
    """
    head = cast("nn.Module", cast(Any, model.network).get_output_embeddings())

    def gather(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (args[0][:, places.to(args[0].device)],)

    with hooks([head.register_forward_pre_hook(gather)]):
        yield
