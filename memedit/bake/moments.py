"""Second moments of keys, C = E[k k^T]: what the weights are used for apart from the edits.

Read from a local corpus or from the model's own samples, a few times as many tokens as the keys
are wide; kept in a folder by the weights' hash and everything else they depend on; an interrupted
reading goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from memedit.bake.reading import Part, Site, hooks, in_rows, module_at, stop_after, stopping, watch
from memedit.bake.solve import null_basis
from memedit.bake.tensor_file import read_tensors, write_tensors
from memedit.errors import BakeError
from memedit.models.architecture import shape_of
from memedit.models.embedded import sha256_of
from memedit.models.tokens import padded

if TYPE_CHECKING:
    from memedit.bake.editable import Editable

SAVE_SECONDS = 60.0  # between two writings of what has been read
ROWS = 16  # texts that are read, or written by the model, together


class MomentSettings(BaseModel):
    """How much is read.

    Args:
        per_width: Tokens read, as a multiple of the keys' width; below one C would be singular.
        window: Tokens of a text.
        ridge: Share of the mean of C's diagonal that is added to it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_width: float = Field(8.0, ge=1)
    window: int = Field(128, ge=8)
    ridge: float = Field(1e-4, ge=0)


class Moments:
    """Second moments by layer, read when first asked for.

    Args:
        folder: Where they are kept; None to keep them in memory alone.
        corpus: A text file to read, its paragraphs parted by empty lines; None for texts the
            model itself writes.
        seed: Decides the texts the model writes.

    Attributes:
        source: What is read, as results name it.

    Raises:
        BakeError: There is no such corpus.
    """

    def __init__(
        self, folder: Path | None = None, corpus: Path | None = None, *, seed: int = 0
    ) -> None:
        if corpus is not None and not corpus.is_file():
            raise BakeError(
                f"corpus: there is no file {str(corpus)!r}.",
                hint="Give a text file, or none to let the model write its own texts.",
            )
        self.folder = folder
        self.corpus = corpus
        self.seed = seed
        self.source = f"own:{seed}" if corpus is None else f"text:{sha256_of(corpus)}"
        self._held: dict[str, Tensor] = {}

    def of(
        self,
        model: Editable,
        layers: Sequence[int],
        settings: MomentSettings,
        progress: Callable[[int, int], None] | None = None,
        *,
        part: Part = "mlp_in",
    ) -> dict[int, Tensor]:
        """C of each layer's keys on the untouched base, without the ridge.

        Args:
            model: The model; deltas on it are taken off meanwhile.
            layers: Which layers.
            settings: How much to read.
            progress: Called with the tokens read and those to read.
            part: Whose keys: the down-projections', or with ``attn_in`` the attention's output
                projections'.

        Returns:
            float64 ``[in, in]`` for each layer, on the CPU.

        Raises:
            BakeError: The corpus has too few tokens.
        """
        keys = {layer: self._key(model, layer, settings, part) for layer in layers}
        for key in set(keys.values()) - self._held.keys():
            total, tokens = self._load(key) or (torch.zeros(0), 0)
            if tokens >= self._wanted(model, part, settings):
                self._held[key] = total / tokens
        missing = [layer for layer in layers if keys[layer] not in self._held]
        if missing:
            with model.untouched():
                self._read(model, missing, settings, progress, part)
        return {layer: self._held[key] for layer, key in keys.items()}

    def null_bases(
        self,
        model: Editable,
        layers: Sequence[int],
        settings: MomentSettings,
        *,
        below: float | None,
        energy: float,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[int, Tensor]:
        """The null space of each layer's C; see :func:`~memedit.bake.solve.null_basis`.

        Raises:
            BakeError: One has no direction at all, or :meth:`of` cannot read.
        """
        found = {}
        for layer, moment in self.of(model, layers, settings, progress).items():
            key = f"{self._key(model, layer, settings)}:{below}:{energy}"
            if key not in self._held:
                self._held[key] = null_basis(moment, below=below, energy=energy)
            found[layer] = self._held[key]
            if not found[layer].shape[1]:
                raise BakeError(
                    f"null space: the keys of layer {layer} leave no direction free.",
                    hint="Raise null_below or null_energy.",
                )
        return found

    # -- reading ---------------------------------------------------------------------------------

    @torch.no_grad()
    def _read(
        self,
        model: Editable,
        layers: Sequence[int],
        settings: MomentSettings,
        progress: Callable[[int, int], None] | None,
        part: Part,
    ) -> None:
        keys = {layer: self._key(model, layer, settings, part) for layer in layers}
        wanted, width = self._wanted(model, part, settings), _width(model, part)
        begun = {layer: self._load(key) for layer, key in keys.items()}
        # Layers begun apart from each other are read anew; together they go on together.
        counts = {found[1] if found else 0 for found in begun.values()}
        done = counts.pop() if len(counts) == 1 else 0
        sums = {
            layer: found[0] if done and found else torch.zeros(width, width, dtype=torch.float64)
            for layer, found in begun.items()
        }
        read, saved = done, time.monotonic()
        for batch in self._texts(model, settings, done):
            read += sum(map(len, batch))
            for layer, product in products(model, batch, layers, part).items():
                sums[layer] += product
            if progress:
                progress(min(read, wanted), wanted)
            if read >= wanted or time.monotonic() - saved > SAVE_SECONDS:
                for layer in layers:
                    self._save(keys[layer], sums[layer], read)
                saved = time.monotonic()
            if read >= wanted:
                break
        if read < wanted:
            raise BakeError(
                f"corpus: it has {read} tokens; {wanted} are needed ({settings.per_width:g} times "
                f"the width of the keys, {width}).",
                hint="Give a longer text, or none to let the model write its own.",
            )
        for layer in layers:
            self._held[keys[layer]] = sums[layer] / read

    def _texts(
        self, model: Editable, settings: MomentSettings, done: int
    ) -> Iterator[list[list[int]]]:
        """Token ids of texts, :data:`ROWS` at a time, after the first ``done`` tokens of them.

        They are the same every time, so that an interrupted reading goes on as if it had not been.
        """
        if self.corpus is None:
            number = done // (ROWS * settings.window)
            while True:
                yield _written(model, settings.window, self.seed * 1_000_003 + number)
                number += 1
        batch: list[list[int]] = []
        for paragraph in self.corpus.read_text(encoding="utf-8").split("\n\n"):
            ids = model.tokens.encode_text(paragraph.strip())[: settings.window]
            if len(ids) > 1:
                batch.append(ids)
            if len(batch) == ROWS:
                if done <= 0:
                    yield batch
                done -= sum(map(len, batch))
                batch = []
        if batch and done <= 0:
            yield batch

    # -- keeping ---------------------------------------------------------------------------------

    def _wanted(self, model: Editable, part: Part, settings: MomentSettings) -> int:
        return int(settings.per_width * _width(model, part))

    def _key(
        self, model: Editable, layer: int, settings: MomentSettings, part: Part = "mlp_in"
    ) -> str:
        # The ridge is added on use.
        what = [model.base, layer, self.source, settings.per_width, settings.window, ROWS]
        if part != "mlp_in":
            what.append(part)
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

    def _load(self, key: str) -> tuple[Tensor, int] | None:
        """The sum so far and the tokens in it."""
        path = self.folder / f"{key}.safetensors" if self.folder else None
        if path is None or not path.is_file():
            return None
        tensors, meta = read_tensors(path)
        return tensors["sum"], int(meta["tokens"])

    def _save(self, key: str, total: Tensor, tokens: int) -> None:
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{key}.safetensors"
            write_tensors(path, {"sum": total}, {"tokens": tokens})


def _width(model: Editable, part: Part) -> int:
    """How wide the keys are."""
    return shape_of(module_at(model, Site(0, part)))[1]


@torch.no_grad()
def products(
    model: Editable,
    batch: Sequence[Sequence[int]],
    layers: Sequence[int],
    part: Part,
    *,
    starts: Sequence[int] | None = None,
) -> dict[int, Tensor]:
    """Sum of k k^T over the tokens of some texts, for each layer.

    Args:
        model: The model.
        batch: Token ids.
        layers: Which layers.
        part: Whose keys.
        starts: The first token of each text that counts; None for all of them.

    Returns:
        float64 ``[in, in]`` for each layer, on the CPU.
    """
    ids, mask = padded(batch, model.tokens.pad_id, model.network.device, side="right")
    counts = mask.bool()
    if starts is not None:
        columns = torch.arange(ids.shape[1], device=ids.device)
        counts &= columns >= torch.tensor(starts, device=ids.device)[:, None]
    seen: dict[int, Tensor] = {}

    def see(values: Tensor, layer: int) -> None:
        keys = in_rows(values, len(batch))[counts.to(values.device)].to(torch.float64)
        seen[layer] = (keys.T @ keys).cpu()

    handles = [watch(model, Site(layer, part), partial(see, layer=layer)) for layer in layers]
    with hooks([*handles, stop_after(model, max(layers))]), stopping():
        cast(Any, model.network)(input_ids=ids, attention_mask=mask, use_cache=False)
    return seen


def _written(model: Editable, window: int, seed: int) -> list[list[int]]:
    """Texts the model writes from its first token on, drawn at temperature one."""
    network: Any = model.network
    tokenizer = model.tokens.tokenizer
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else model.tokens.pad_id
    rows = torch.full((ROWS, 1), cast(int, first), device=network.device)
    generator = torch.Generator().manual_seed(seed)
    cache, step = None, rows
    while rows.shape[1] < window:
        out = network(input_ids=step, past_key_values=cache, use_cache=True)
        chances = out.logits[:, -1].double().cpu().softmax(-1)
        step = torch.multinomial(chances, 1, generator=generator).to(rows.device)
        cache, rows = out.past_key_values, torch.cat([rows, step], dim=1)
    return cast("list[list[int]]", rows.tolist())
