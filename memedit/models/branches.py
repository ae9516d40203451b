"""What conversations were read of beyond a prefix they share, kept from one call to the next.

A conversation's next call begins with all that its last one was asked, and mostly with the reply
too. What is kept spares reading that again; only what is new is read.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch

if TYPE_CHECKING:
    from transformers import DynamicCache

# Tokens kept at most, over all conversations; the oldest are forgotten first. It is what a batch on
# a CPU may hold.
MOST_TOKENS = 16_384


@dataclass(frozen=True)
class Branch:
    """What one conversation was read of.

    Attributes:
        asked: The token ids it was asked, those of the prefix left out.
        ids: These and the reply's, as far as they were read.
        layers: The keys and the values of each layer, ``[key heads, len(ids), width]`` each.
    """

    asked: tuple[int, ...]
    ids: tuple[int, ...]
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    def cut(self, length: int) -> Branch:
        """Its first tokens only."""
        layers = tuple((keys[:, :length], values[:, :length]) for keys, values in self.layers)
        return Branch(self.asked, self.ids[:length], layers)


@dataclass
class Branches:
    """The branches of one prefix.

    Args:
        most: Tokens kept at most.
    """

    most: int = MOST_TOKENS
    _kept: dict[tuple[int, ...], Branch] = field(default_factory=dict)

    def take(self, ids: Sequence[int]) -> Branch | None:
        """The branch that a prompt goes on from, as far as both agree; it is no longer kept.

        Args:
            ids: The prompt's token ids, those of the prefix left out. The last of them is never in
                the branch, so that there is something left to read.
        """
        fitting = [asked for asked in self._kept if tuple(ids[: len(asked)]) == asked]
        if not fitting:
            return None
        branch = self._kept.pop(max(fitting, key=len))
        pairs = zip(ids[:-1], branch.ids, strict=False)
        same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        return branch.cut(same) if same else None

    def keep(self, branch: Branch) -> None:
        """Keeps a branch, and forgets the oldest where there are too many tokens."""
        self._kept.pop(branch.asked, None)
        self._kept[branch.asked] = branch
        while self.tokens > self.most:
            del self._kept[next(iter(self._kept))]

    @property
    def tokens(self) -> int:
        """The tokens that are kept."""
        return sum(len(branch.ids) for branch in self._kept.values())


def put(
    cache: DynamicCache, branches: Sequence[Branch | None], device: torch.device
) -> torch.Tensor:
    """Fills an empty cache with one branch for each row, padded on the left.

    Args:
        cache: The cache.
        branches: One for each row; None for a row that begins anew.
        device: Where the mask is to be.

    Returns:
        1 for a token and 0 for padding, int64 ``[rows, longest]``.
    """
    lengths = [len(branch.ids) if branch else 0 for branch in branches]
    longest = max(lengths)
    some = next((branch for branch in branches if branch), None)
    for i, pair in enumerate(some.layers if some else ()):
        keys, values = (x.new_zeros(len(branches), len(x), longest, x.shape[-1]) for x in pair)
        for row, branch in enumerate(branches):
            if branch:
                keys[row, :, longest - lengths[row] :] = branch.layers[i][0]
                values[row, :, longest - lengths[row] :] = branch.layers[i][1]
        cache.update(keys, values, i)
    places = torch.arange(longest, device=device)
    return (places >= longest - torch.tensor(lengths, device=device)[:, None]).long()


def taken(
    cache: DynamicCache, row: int, mask: torch.Tensor, asked: Sequence[int], ids: Sequence[int]
) -> Branch:
    """One row of a cache as a branch.

    Args:
        cache: The cache.
        row: Which row.
        mask: 1 for a token of the row and 0 for padding, int64 ``[cached]``.
        asked: See :class:`Branch`.
        ids: See :class:`Branch`; as many as ``mask`` has ones.
    """
    places = mask.nonzero()[:, 0]
    layers = [
        (layer.keys[row].index_select(1, places), layer.values[row].index_select(1, places))
        for layer in cast(Any, cache).layers
    ]
    return Branch(tuple(asked), tuple(ids), tuple(layers))
