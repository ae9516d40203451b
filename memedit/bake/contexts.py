"""The texts that an edit is written with: its prompt, alone and behind texts the model wrote."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from memedit.bake.align import ESSENCE, Aligned, align, align_edit, has_subject
from memedit.bake.delta import Delta, LowRank
from memedit.bake.reading import Site, read_last
from memedit.bake.targets import Wanted
from memedit.edit import Edit
from memedit.errors import BakeError
from memedit.models.tokens import padded

if TYPE_CHECKING:
    from memedit.bake.editable import Editable


_ROWS = 64  # that are gone on with together


class PrefixSettings(BaseModel):
    """Texts that stand before a prompt, so that a key does not depend on what does.

    Args:
        begin_with: How they begin; "" for the token that begins a text.
        lengths: How many tokens they have, the beginning included.
        of_each: How many to draw of each beginning and length.
        top_k: Tokens are drawn from the likeliest so many.
        bare_share: The prompt without prefix's share in an averaged key; None for an equal one.
        chat: Whether the prompt and the question are also asked in a turn of a chat. The published
            methods write what a model goes on with; one that is asked in turns answers otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin_with: tuple[str, ...]
    lengths: tuple[int, ...]
    of_each: int = Field(1, ge=1)
    top_k: int = Field(5, ge=1)
    bare_share: float | None = Field(None, gt=0, lt=1)
    chat: bool = False


@dataclass(frozen=True)
class Prepared:
    """Edits as token ids.

    Attributes:
        edits: The edits.
        prefixes: What stands before each text, "" first.
        shares: Each text's share in an averaged key; they sum to one.
        texts: Each edit's prompt and target behind each prefix, then in turns of a chat if wanted.
        essences: "{subject} is a" of each edit; None without a subject.
    """

    edits: tuple[Edit, ...]
    prefixes: tuple[str, ...]
    shares: tuple[float, ...]
    texts: tuple[tuple[Aligned, ...], ...]
    essences: tuple[Aligned | None, ...]

    def only(self, *numbers: int) -> Prepared:
        """Some of the edits, in the order of ``numbers``."""
        return replace(
            self,
            edits=tuple(self.edits[i] for i in numbers),
            texts=tuple(self.texts[i] for i in numbers),
            essences=tuple(self.essences[i] for i in numbers),
        )

    def and_others(self, others: Prepared) -> Prepared:
        """These edits, and others behind them that were prepared alike."""
        return replace(
            self,
            edits=self.edits + others.edits,
            texts=self.texts + others.texts,
            essences=self.essences + others.essences,
        )

    def at_last(self) -> Prepared:
        """The same texts, each aligned at the last token of its prompt."""
        return replace(
            self,
            texts=tuple(tuple(text.at_last() for text in texts) for texts in self.texts),
            essences=tuple(essence and essence.at_last() for essence in self.essences),
        )

    def wanted(self, sizes: Sequence[Sequence[float]]) -> list[Wanted]:
        """What each edit's target vectors are to bring about.

        Args:
            sizes: For each edit, ``|v0|`` at each part a vector is added.
        """
        return [
            Wanted((texts,), essence, tuple(size))
            for texts, essence, size in zip(self.texts, self.essences, sizes, strict=True)
        ]

    def read(self, model: Editable, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """Values at the subjects' last tokens, averaged over prefixes, as :meth:`read_bare`."""
        rows = [text.upto_subject for texts in self.texts for text in texts]
        shares = torch.tensor(self.shares, dtype=torch.float64)
        return {
            site: torch.einsum(
                "epw,p->ew",
                values.double().view(len(self.edits), len(self.shares), -1),
                shares.to(values.device),
            )
            for site, values in read_last(model, rows, sites).items()
        }

    def read_bare(self, model: Editable, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """Values at the subjects' last tokens in the prompts alone: float64 ``[edits, width]``."""
        rows = [texts[0].upto_subject for texts in self.texts]
        return {site: values.double() for site, values in read_last(model, rows, sites).items()}


def prepare(
    model: Editable, edits: Sequence[Edit], settings: PrefixSettings, *, seed: int
) -> Prepared:
    """Draws prefixes and aligns every edit behind each.

    Raises:
        BakeError: There are no edits, one is given twice, or one cannot be aligned.
    """
    if not edits:
        raise BakeError("edits: there are none to bake.", hint="Give at least one.")
    ids = [edit.id for edit in edits]
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise BakeError(f"edits: {twice!r} is given twice.", hint="Give each edit once.")
    context = getattr(model.network.config, "max_position_embeddings", None)
    for edit in edits:  # before anything is drawn: what cannot be aligned at all
        align_edit(model.tokens, edit, [""], context, chat=settings.chat)
    prefixes = ("", *draw_prefixes(model, settings, seed=seed))
    others = len(prefixes) - 1 + (2 if settings.chat else 0)
    bare = settings.bare_share if settings.bare_share is not None else 1 / (1 + others)
    texts = tuple(
        tuple(align_edit(model.tokens, edit, prefixes, context, chat=settings.chat))
        for edit in edits
    )
    return Prepared(
        edits=tuple(edits),
        prefixes=prefixes,
        shares=(bare, *[(1 - bare) / others] * others) if others else (1.0,),
        texts=texts,
        essences=tuple(
            align(model.tokens, ESSENCE, edit.subject) if has_subject(edit) else None
            for edit in edits
        ),
    )


def new_delta(
    model: Editable,
    prepared: Prepared,
    method: str,
    settings: BaseModel,
    seed: int,
    factors: Mapping[str, LowRank],
    figures: Mapping[str, Any],
    state: Mapping[str, Tensor] | None = None,
) -> Delta:
    """A method's result, with where it comes from.

    Its figures get ``relative`` for each weight, ``|change| / |weight|``, and the prefixes.
    """
    relative = {
        path: change.norm() / float(model.weight(path).double().norm())
        for path, change in factors.items()
    }
    return Delta(
        edits=tuple(edit.id for edit in prepared.edits),
        method=method,
        settings=settings.model_dump(mode="json"),
        seed=seed,
        base=model.base,
        after=tuple(delta.id for delta in model.applied),
        factors=factors,
        figures={**figures, "relative": relative, "prefixes": list(prepared.prefixes)},
        state=state or {},
    )


def refusals(model: Editable, edits: Sequence[Edit], settings: BaseModel) -> dict[str, BakeError]:
    """Which edits cannot be written into this model, and why, by id; nothing is computed.

    Args:
        model: The model.
        edits: The edits.
        settings: A method's; an edit that is to be written in turns of a chat as well has to be
            found in those too.
    """
    prefixes = getattr(settings, "prefixes", None)
    chat = isinstance(prefixes, PrefixSettings) and prefixes.chat
    context = getattr(model.network.config, "max_position_embeddings", None)
    found = {}
    for edit in edits:
        try:
            align_edit(model.tokens, edit, [""], context, chat=chat)
        except BakeError as error:
            found[edit.id] = error
    return found


@torch.no_grad()
def draw_prefixes(model: Editable, settings: PrefixSettings, *, seed: int) -> list[str]:
    """Texts the model wrote, each with the full stop and space that part it from a prompt."""
    texts = []
    generator = torch.Generator().manual_seed(seed)
    for length in settings.lengths:
        for beginning in settings.begin_with:
            start = _start(model, beginning)
            ids = torch.tensor([start] * settings.of_each, device=model.network.device)
            while ids.shape[1] < max(length, len(start)):
                logits = cast(Any, model.network)(input_ids=ids, use_cache=False).logits[:, -1]
                ids = torch.cat([ids, _draw(logits, settings.top_k, generator)], dim=1)
            texts += [model.tokens.decode(row).strip() for row in ids.tolist()]
    return [f"{text}. " for text in texts]


def _draw(logits: Tensor, top_k: int, generator: torch.Generator) -> Tensor:
    """One token a row, ``[rows, 1]``, drawn on the CPU so that every device draws alike."""
    likeliest = logits.double().cpu().topk(min(top_k, logits.shape[-1]))
    chosen = torch.multinomial(likeliest.values.softmax(-1), 1, generator=generator)
    return likeliest.indices.gather(1, chosen).to(logits.device)


@torch.no_grad()
def go_on(model: Editable, rows: Sequence[Sequence[int]], tokens: int) -> list[tuple[int, ...]]:
    """What the model goes on with behind each row, greedily.

    Args:
        model: The model.
        rows: Token ids.
        tokens: How many at most; fewer where a text ends or the model can read no more.
    """
    found: list[tuple[int, ...]] = [()] * len(rows)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    context = getattr(model.network.config, "max_position_embeddings", None)
    ends = model.tokens.end_ids
    for start in range(0, len(rows), _ROWS):
        chosen = order[start : start + _ROWS]
        longest = len(rows[chosen[-1]])
        room = tokens if context is None else min(tokens, context - longest)
        if room < 1:
            continue
        some = [rows[i] for i in chosen]
        ids, mask = padded(some, model.tokens.pad_id, model.network.device, side="left")
        written = cast(Any, model.network).generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=room,
            do_sample=False,
            eos_token_id=sorted(ends) or None,
            pad_token_id=model.tokens.pad_id,
        )
        for i, row in zip(chosen, written[:, longest:].tolist(), strict=True):
            found[i] = tuple(itertools.takewhile(lambda token: token not in ends, row))
    return found


def _start(model: Editable, beginning: str) -> list[int]:
    ids = model.tokens.encode_text(beginning) if beginning else []
    if ids:
        return ids
    tokenizer = model.tokens.tokenizer
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else model.tokens.pad_id
    return [cast(int, first)]
