"""The trained reader of wordings: tells whether a path, as a text, is what a question asks.

The encoder with a small LoRA adapter in its weights. It embeds masked questions and paths, which
are their relations' prompts in a row, such that a question is nearest to the path that answers it
and not to one that is a hop short, a hop long, or walks the same hops in another order.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from memedit.scope.encoder import SentenceEncoder, Vectors
from memedit.scope.matcher import merge, pooled, tokens
from memedit.scope.native import quick

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WEIGHTS_FILE = "wording.safetensors"
MAX_TOKENS = 96  # of a path of four hops, in the wordings of long edits
BATCH = 64


class Wording:
    """Embeds questions and paths with the trained weights.

    Args:
        trunk: The encoder's transformer with the trained change in its weights.
        tokenizer: Its tokenizer.
        dimension: Width of the vectors.
    """

    def __init__(
        self, trunk: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, dimension: int
    ) -> None:
        self.dimension = dimension
        self._trunk = trunk.train(mode=False)
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, file: Path, encoder: SentenceEncoder, scale: float) -> Wording:
        """The reader on a copy of the encoder's weights.

        Args:
            file: The adapter.
            encoder: What it was trained on.
            scale: LoRA's alpha / rank.
        """
        transformer = cast(Any, encoder.model)[0]
        trunk = copy.deepcopy(transformer.auto_model)
        merge(trunk, file, scale)
        return cls(quick(trunk), transformer.tokenizer, encoder.dimension)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of ``texts``: float32, ``[len(texts), d]``; alike lengths go together."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        found = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            with torch.inference_mode():
                chunk = [texts[i] for i in rows]
                batch = tokens(self._tokenizer, chunk, longest=MAX_TOKENS)
                found[rows] = pooled(self._trunk, batch).numpy()
        return found
