"""The part of a network that vectors added at the subjects' last tokens can reach.

Nothing before a subject's last token and nothing below the layer where the vector is added depends
on it. So the layers below are run once and stood in for by what they gave, and the tokens before
are run once and present as keys and values; logits are computed only where a target is predicted.
What remains is run anew for every step of an optimisation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from memedit.bake.past import Past, alike, can_reuse, of_rows, positions_from, precision, read_past
from memedit.bake.reading import (
    Part,
    Site,
    hidden_of,
    hooks,
    in_rows,
    module_at,
    with_hidden,
)
from memedit.bake.tail_attention import Tails, can_attend
from memedit.models.tokens import padded

if TYPE_CHECKING:
    from memedit.bake.editable import Editable


@dataclass(frozen=True)
class Row:
    """One text to be run.

    Attributes:
        ids: Token ids.
        at: Index of the token at which the vector is added.
        owner: Which vector.
        read: Indices of the tokens after which the next one's logits are wanted, ``at`` or later.
    """

    ids: tuple[int, ...]
    at: int
    owner: int
    read: tuple[int, ...]


class LivePass:
    """Rows run once up to where the vectors are added, and again and again from there on.

    Rows of alike length run together: padded to the longest of all, most of what is run would be
    padding.

    Args:
        model: The model; its weights must not change while the pass is used.
        rows: What to run.
        layer: The layer at which vectors are added.
        parts: Where in the layer; one vector for each.
        reuse: Whether to keep what does not depend on the vectors. Otherwise every call runs the
            whole rows through the whole network and the whole vocabulary, as the published
            implementations do.
        mixed: Whether a float32 network multiplies matrices in bfloat16.

    Attributes:
        order: Which read each row of logits that :meth:`logits` gives is, counted in the order of
            ``rows`` and of what is read of each, ``[reads]``; it is not kept up by :meth:`keep`.
        read_owners: The vector of each row of these logits, ``[reads]``.
    """

    def __init__(
        self,
        model: Editable,
        rows: Sequence[Row],
        layer: int,
        parts: Sequence[Part],
        *,
        reuse: bool = True,
        mixed: bool = False,
    ) -> None:
        self.reuse = reuse and can_reuse(model.network)
        device = model.network.device
        read_rows = torch.tensor([i for i, row in enumerate(rows) for _ in row.read], device=device)
        owners = torch.tensor([row.owner for row in rows], device=device)
        self._groups = []
        places = []
        for chosen in alike([len(row.ids) - (row.at if self.reuse else 0) for row in rows]):
            group = [rows[i] for i in chosen]
            self._groups.append(_Group(model, group, layer, parts, reuse=self.reuse, mixed=mixed))
            places += [torch.isin(read_rows, torch.tensor(chosen, device=device)).nonzero()[:, 0]]
        self.order = torch.cat(places)
        self.read_owners = owners[read_rows[self.order]]

    def logits(self, vectors: Mapping[Part, Tensor]) -> list[Tensor]:
        """Next-token logits ``[reads, vocabulary]``, in parts, up to a constant of each read.

        Args:
            vectors: For each part, the vectors ``[owners, width]`` to add; gradients flow to them.
        """
        return [group.logits(vectors) for group in self._groups]

    def keep(self, owners: Tensor) -> None:
        """Drops the rows of all other vectors; those kept are renumbered in their order.

        Args:
            owners: The vectors to keep, ascending.
        """
        kept = torch.isin(self.read_owners, owners)
        self.read_owners = torch.searchsorted(owners, self.read_owners[kept])
        for group in self._groups:
            group.keep(owners)
        self._groups = [group for group in self._groups if len(group.owners)]


class _Group:
    """Rows that are run together; arguments and methods are those of :class:`LivePass`.

    Attributes:
        owners: The vector of each row, ``[rows]``.
        reads: The row of each logit vector :meth:`logits` gives, ``[reads]``.
    """

    def __init__(
        self,
        model: Editable,
        rows: Sequence[Row],
        layer: int,
        parts: Sequence[Part],
        *,
        reuse: bool,
        mixed: bool,
    ) -> None:
        self.model = model
        self.mixed = mixed
        self.parts = tuple(parts)
        self.layer = layer
        self.reuse = reuse
        # The last layer that no vector reaches; -1 for none.
        self.frozen = (layer if self.parts == ("block_out",) else layer - 1) if self.reuse else -1
        device = model.network.device
        at = torch.tensor([row.at for row in rows], device=device)
        self.owners = torch.tensor([row.owner for row in rows], device=device)
        self._start = at if self.reuse else torch.zeros_like(at)
        starts = self._start.tolist()
        tails = [row.ids[start:] for row, start in zip(rows, starts, strict=True)]
        self._ids, self._mask = padded(tails, model.tokens.pad_id, device, side="right")
        self._at = at - self._start
        self.reads = torch.tensor(
            [i for i, row in enumerate(rows) for _ in row.read], device=device
        )
        self._read_at = torch.tensor(
            [t - starts[i] for i, row in enumerate(rows) for t in row.read], device=device
        )
        self._below: Tensor | None = None
        self._past: Past = []
        self._past_mask = torch.zeros(len(rows), 0, dtype=torch.long, device=device)
        self._tails: Tails | None = None
        if self.reuse:
            ids = [row.ids for row in rows]
            length = self._ids.shape[1]
            past, self._below = read_past(model, ids, starts, length, self.frozen, mixed=mixed)
            columns = torch.arange(max(starts), device=device)
            past_mask = (columns < self._start[:, None]).long()
            if can_attend(model.network):
                live = set(range(self.frozen + 1, len(model.blocks)))
                self._tails = Tails.of(past, live, past_mask, self._mask)
            else:
                # The frozen layers are not run again. Transformers asks the first for the length.
                self._past = [past[max(i, self.frozen + 1) % len(past)] for i in range(len(past))]
                self._past_mask = past_mask

    def logits(self, vectors: Mapping[Part, Tensor]) -> Tensor:
        inputs: dict[str, Any] = {"input_ids": self._ids, "attention_mask": self._mask}
        if self.reuse:
            inputs["position_ids"] = positions_from(self.model, self._start, self._ids.shape[1])
        if self._past:
            inputs["attention_mask"] = torch.cat([self._past_mask, self._mask], dim=1)
            inputs["past_key_values"] = DynamicCache(self._past)
        adding = [self._adding(part, vectors[part]) for part in self.parts]
        with (
            hooks([*adding, *self._gathering()]),
            self._standing_in(),
            self._tails.attending(self.model.network) if self._tails else contextlib.nullcontext(),
            precision(self.model, mixed=self.mixed),
        ):
            out = cast(Any, self.model.network)(**inputs, use_cache=bool(self._past)).logits
        out = out.to(self.reads.device)
        if self.reuse:
            return cast(Tensor, out[0])
        # As published: shares of the whole vocabulary everywhere.
        fine = torch.promote_types(out.dtype, torch.float32)
        return cast(Tensor, out.log_softmax(-1, dtype=fine)[self.reads, self._read_at])

    def keep(self, owners: Tensor) -> None:
        rows = torch.isin(self.owners, owners).nonzero()[:, 0]
        reads = torch.isin(self.reads, rows)
        self.owners = torch.searchsorted(owners, self.owners[rows])
        self.reads = torch.searchsorted(rows, self.reads[reads])
        self._read_at = self._read_at[reads]
        self._ids, self._mask = self._ids[rows], self._mask[rows]
        self._past_mask = self._past_mask[rows]
        self._start, self._at = self._start[rows], self._at[rows]
        self._past = of_rows(self._past, rows)
        if self._tails is not None:
            self._tails = self._tails.keep(rows)
        if self._below is not None:
            self._below = self._below[rows.to(self._below.device)]

    # -- what is run at each step ----------------------------------------------------------------

    def _adding(self, part: Part, vectors: Tensor) -> Any:
        """A hook that adds each row's vector to what its layer gives."""
        rows = torch.arange(len(self.owners), device=self._at.device)

        def add(_module: nn.Module, _args: Any, output: Any) -> Any:
            hidden = hidden_of(output)
            added = in_rows(hidden.clone(), len(rows))
            added[rows, self._at] += vectors[self.owners].to(hidden.device, hidden.dtype)
            return with_hidden(output, added.view(hidden.shape))

        return module_at(self.model, Site(self.layer, part)).register_forward_hook(add)

    def _gathering(self) -> list[Any]:
        """A hook by which the output layer sees only the tokens whose logits are wanted."""
        head = cast(Any, self.model.network).get_output_embeddings()
        if not self.reuse or head is None:
            return []

        def gather(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor]:
            hidden = args[0]
            at = self.reads.to(hidden.device), self._read_at.to(hidden.device)
            return (hidden[at][None],)

        return [head.register_forward_pre_hook(gather)]

    @contextlib.contextmanager
    def _standing_in(self) -> Iterator[None]:
        """Puts what the frozen layers gave in their place."""
        blocks = [self.model.blocks.block(layer) for layer in range(self.frozen + 1)]
        if not blocks:
            yield
            return
        form = self.model.blocks.facts.block_output
        below = self._below

        def stand_in(hidden: Tensor, *_args: Any, **_kwargs: Any) -> Any:
            given = hidden if below is None else below
            return (given, None) if form == "tuple" else given

        before = [vars(block).get("forward") for block in blocks]
        for block in blocks:
            vars(block)["forward"] = stand_in
        try:
            yield
        finally:
            for block, forward in zip(blocks, before, strict=True):
                if forward is None:
                    del vars(block)["forward"]
                else:
                    vars(block)["forward"] = forward
