"""The plan reader: from a question's words to a vector for each hop, and how many there are.

The encoder's transformer, with a small LoRA adapter in its weights, reads the question and a marker
for each hop behind it. Each marker points at the words that ask for its hop; what it points at,
pooled, is the vector of the relation, in the space in which the unchanged encoder embeds relations
by themselves. So relations are told apart by their words, whether or not the training knew them
(slots that attend to a text: Carion et al. 2020, DETR, arXiv 2005.12872, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAX_HOPS = 4


class Read(NamedTuple):
    """What is read from a batch of questions.

    Attributes:
        hops: Unit vectors of the hops, the entity's own first, ``[b, MAX_HOPS, d]``.
        lengths: Log-probabilities of one hop, two, and so on, ``[b, MAX_HOPS]``.
        looks: How much each hop looks at each token, summing to 1, ``[b, MAX_HOPS, t]``.
    """

    hops: Tensor
    lengths: Tensor
    looks: Tensor


class PlanHead(nn.Module):
    """Reads plans with a transformer.

    Args:
        dimension: Width of the encoder's states, d.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.markers = nn.Parameter(torch.randn(MAX_HOPS + 1, dimension) * 0.05)
        self.point = nn.Linear(dimension, dimension, bias=False)
        self.add = nn.Linear(dimension, dimension)
        self.count = nn.Linear(dimension, MAX_HOPS)
        self.told = nn.Linear(dimension, dimension)
        self.scale = nn.Parameter(torch.tensor(2.5))
        for linear in (self.add, self.told):  # at first hops and relations are what they pool
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, trunk: PreTrainedModel, batch: Mapping[str, Tensor]) -> Read:
        """What is read from a batch of questions.

        Args:
            trunk: The encoder's transformer with the trained change in its weights.
            batch: Token ids and mask, ``[b, t]`` each.
        """
        mask = batch["attention_mask"].bool()
        words = trunk.get_input_embeddings()(batch["input_ids"])
        rows, tokens, width = words.shape
        markers = self.markers.expand(rows, -1, -1)
        last = trunk.config.max_position_embeddings  # the markers' places: behind every question
        places = torch.cat([torch.arange(tokens), torch.arange(last - MAX_HOPS - 1, last)])
        seen = torch.cat([mask, mask.new_ones(rows, MAX_HOPS + 1)], dim=1)
        states = trunk(
            inputs_embeds=torch.cat([words, markers.to(words.dtype)], dim=1),
            attention_mask=seen.long(),
            position_ids=places.expand(rows, -1),
        ).last_hidden_state.float()
        states, hops, whole = states.split([tokens, MAX_HOPS, 1], dim=1)
        looks = self.point(hops) @ states.transpose(1, 2) / width**0.5
        looks = looks.masked_fill(~mask[:, None, :], float("-inf")).softmax(-1)
        vectors = F.normalize(looks @ states + self.add(hops), dim=-1)
        return Read(vectors, self.count(whole[:, 0]).log_softmax(-1), looks)

    def relations(self, vectors: Tensor) -> Tensor:
        """Relations' vectors in the space of the hops, ``[n, d]``, from the encoder's own."""
        return F.normalize(vectors + cast(Tensor, self.told(vectors)), dim=-1)

    def likeness(self, hops: Tensor, relations: Tensor) -> Tensor:
        """Logits that a hop asks for a relation, ``[..., n]``.

        Args:
            hops: As :meth:`forward` gives them, ``[..., d]``.
            relations: As :meth:`relations` gives them, ``[n, d]``.
        """
        return self.scale.exp() * hops @ relations.T
