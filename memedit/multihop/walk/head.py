"""The plan head: from the encoder's token states to a vector for each hop, and how many there are.

One learned query a hop looks at the question's tokens and at the other hops; what it points at,
pooled, is the vector of the relation that hop asks for, in the space in which the encoder embeds
relations by themselves. So relations are told apart by their words, whether or not the training
knew them (slots that attend to a text: Carion et al. 2020, DETR, arXiv 2005.12872, section 3.2).
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_HOPS = 4


class PlanHead(nn.Module):
    """Reads plans from token states.

    Args:
        dimension: Width of the encoder's states, d.
        layers: Decoder layers.
        heads: Attention heads of each.
        hidden: Width of each one's inner layer.
        dropout: Share of activations dropped in training.
    """

    def __init__(
        self,
        dimension: int,
        *,
        layers: int = 2,
        heads: int = 6,
        hidden: int = 768,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(MAX_HOPS + 1, dimension) * 0.5)
        self.norm = nn.LayerNorm(dimension)
        layer = nn.TransformerDecoderLayer(
            dimension, heads, hidden, dropout, batch_first=True, norm_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, layers)
        self.point = nn.Linear(dimension, dimension, bias=False)
        self.add = nn.Linear(dimension, dimension)
        self.count = nn.Linear(dimension, MAX_HOPS)
        self.told = nn.Linear(dimension, dimension)
        self.scale = nn.Parameter(torch.tensor(2.5))
        for linear in (self.add, self.told):  # at first hops and relations are what they pool
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Hop vectors and lengths of a batch of questions.

        Args:
            states: Token states, ``[b, t, d]`` float32.
            mask: True at real tokens, ``[b, t]``.

        Returns:
            Unit vectors of the hops, ``[b, MAX_HOPS, d]``, and log-probabilities of one hop, two,
            and so on, ``[b, MAX_HOPS]``.
        """
        memory = self.norm(states)
        slots = self.queries.expand(len(states), -1, -1)
        slots = self.decoder(slots, memory, memory_key_padding_mask=~mask)
        hops, whole = slots[:, :MAX_HOPS], slots[:, MAX_HOPS]
        width = states.shape[-1] ** 0.5
        looks = self.point(hops) @ memory.transpose(1, 2) / width
        looks = looks.masked_fill(~mask[:, None, :], float("-inf")).softmax(-1)
        vectors = looks @ states + self.add(hops) * states.norm(dim=-1).mean()
        return F.normalize(vectors, dim=-1), self.count(whole).log_softmax(-1)

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
