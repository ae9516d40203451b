"""Clean, corrupted, and corrupted with restoration: a prompt's runs, and what they share.

A state put back at a token changes nothing before that token and nothing below its layer: there,
the run is the corrupted one. So the clean and the corrupted runs are made once, and a restoration
goes on from them: the tokens before are present as keys and values, the layers below as what they
gave. All restorations at one token run together. As the layers go up more and more of them have
begun, so the rows of the batch grow from layer to layer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from memedit.bake.past import can_reuse
from memedit.bake.reading import Part, Site, hidden_of, hooks, in_rows, module_at, watch
from memedit.trace.heads import Reading, read_only
from memedit.trace.noise import added_noise
from memedit.trace.plain import restored_plainly
from memedit.trace.prompts import Prompt

if TYPE_CHECKING:
    from memedit.bake.editable import Editable

# Of rows times tokens, and of logits: what runs together. More is no faster on a CPU.
MOST_TOKENS = 4096
MOST_LOGITS = 40_000_000
PARTS: tuple[Part, ...] = ("block_out", "mlp_out", "attn_out")


class Restoration(NamedTuple):
    """What is put back as the clean run had it: one part of some layers, at one token."""

    token: int
    layers: range
    part: Part

    @property
    def start(self) -> int:
        """The first layer that is run anew; the number of layers where there is none."""
        return self.layers.stop if self.part == "block_out" else self.layers.start


class Runs:
    """The runs of one prompt.

    Args:
        model: The model; its weights must not change meanwhile.
        prompt: The prompt.
        noise: ``[samples, subject tokens, width]``, added to the subject's embeddings.
        reuse: Whether restorations go on from what is known. Otherwise each is a pass over the
            whole text and all layers, as the published implementation makes it.

    Attributes:
        clean: Log-probabilities ``[answer tokens]`` of the answer, in nats.
        corrupted: Likewise ``[samples, answer tokens]`` with the noise.
    """

    def __init__(
        self, model: Editable, prompt: Prompt, noise: Tensor, *, reuse: bool = True
    ) -> None:
        self.model = model
        self.prompt = prompt
        self.noise = noise
        self.samples = len(noise)
        self.reuse = reuse and can_reuse(model.network)
        self._ids = torch.tensor([prompt.read_ids], device=model.network.device)
        self._reading = Reading.of(prompt, model.network.device)
        self._states: dict[Site, Tensor] = {}  # [1 + samples, tokens, width], the clean row first
        self._begun: Tensor | None = None  # likewise, what the first block is given
        self._past: list[tuple[Tensor, Tensor]] = []
        found = self._run_once()
        self.clean, self.corrupted = found[0], found[1:]

    @torch.inference_mode()
    def restored(self, restorations: Sequence[Restoration]) -> Tensor:
        """Log-probabilities ``[restorations, samples, answer tokens]`` in nats, float32 or more."""
        if not self.reuse:
            clean = self.clean_states()
            return restored_plainly(self.model, self.prompt, self.noise, clean, restorations)
        found = self.corrupted.repeat(len(restorations), 1, 1)
        reached = [i for i, one in enumerate(restorations) if one.token >= self.prompt.first]
        for token in sorted({restorations[i].token for i in reached}):
            here = [i for i in reached if restorations[i].token == token]
            here.sort(key=lambda i: restorations[i].start)
            for chosen in self._together(here, token):
                found[chosen] = self._go_on(token, [restorations[i] for i in chosen])
        return found

    def _together(self, places: Sequence[int], token: int) -> Iterator[list[int]]:
        """Restorations at one token, as many at once as ought to run together."""
        width = self._reading.vocabulary(self.model) * self._reading.count
        each = max(self.samples * (self._ids.shape[1] - token), 1)
        most = min(MOST_TOKENS // each, MOST_LOGITS // (self.samples * width))
        most = max(most, 1)
        for start in range(0, len(places), most):
            yield list(places[start : start + most])

    # -- what is run once ------------------------------------------------------------------------

    @torch.inference_mode()
    def _run_once(self) -> Tensor:
        """The clean and the corrupted runs; the answer's log-probabilities in each."""
        handles = [
            watch(self.model, site, partial(self._see, site))
            for layer in range(len(self.model.blocks))
            for site in (Site(layer, part) for part in PARTS)
        ]
        handles.append(
            self.model.blocks.block(0).register_forward_pre_hook(self._begin, with_kwargs=True)
        )
        rows = self._ids.repeat(1 + self.samples, 1)
        nothing = torch.zeros(1, *self.noise.shape[1:])
        noise = torch.cat([nothing, self.noise])
        cache = DynamicCache() if self.reuse else None
        with (
            hooks(handles),
            added_noise(self.model, self.prompt.first, noise),
            read_only(self.model, self._reading.places),
        ):
            out = cast(Any, self.model.network)(
                input_ids=rows, past_key_values=cache, use_cache=self.reuse
            )
        if cache is not None:
            layers = cast(Any, cache).layers
            self._past = [(layer.keys[1:], layer.values[1:]) for layer in layers]
        return self._reading.log_probs(out.logits)

    def _see(self, site: Site, values: Tensor) -> None:
        self._states[site] = in_rows(values, 1 + self.samples)

    def _begin(self, _module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._begun = cast(Tensor, args[0] if args else named["hidden_states"])

    # -- what is run for restorations ------------------------------------------------------------

    def _go_on(self, token: int, restorations: Sequence[Restoration]) -> Tensor:
        """Log-probabilities with restorations at ``token``, ordered by where they start."""
        network = self.model.network
        ids = self._ids[:, token:]
        inputs: dict[str, Any] = {"input_ids": ids, "use_cache": token > 0}
        if token:
            past = [(keys[:1, :, :token], values[:1, :, :token]) for keys, values in self._past]
            cache = DynamicCache(past)
            length = self._ids.shape[1]
            inputs |= {
                "past_key_values": cache,
                "attention_mask": torch.ones(1, length, dtype=torch.long, device=ids.device),
                "position_ids": torch.arange(token, length, device=ids.device)[None],
            }
        growing = _Growing(self, token, restorations, inputs.get("past_key_values"))
        with growing.inside(), read_only(self.model, self._reading.places - token):
            logits = cast(Any, network)(**inputs).logits
        found = self._reading.log_probs(logits)
        return found.view(len(restorations), self.samples, -1)

    def begins_with(self, restoration: Restoration) -> Tensor:
        """The states ``[samples, tokens from its own on, width]`` that a restoration begins with.

        They are the corrupted run's, but where a whole layer is put back.
        """
        token, start = restoration.token, restoration.start
        below = self._begun if start == 0 else self._states[Site(start - 1, "block_out")]
        states = cast(Tensor, below)[1:, token:].clone()
        if restoration.part == "block_out":
            states[:, 0] = self.clean_state(restoration.token, start - 1, "block_out")
        return states

    def clean_states(self) -> dict[Site, Tensor]:
        """What the clean run has at every site: ``[tokens, width]``."""
        return {site: states[0] for site, states in self._states.items()}

    def clean_state(self, token: int, layer: int, part: Part) -> Tensor:
        """What the clean run has at a site: ``[width]``."""
        return self._states[Site(layer, part)][0, token]

    def past(self, layer: int, token: int) -> tuple[Tensor, Tensor]:
        """The corrupted runs' keys and values of a layer before a token."""
        keys, values = self._past[layer]
        return keys[:, :, :token], values[:, :, :token]


class _Growing:
    """A pass in which each restoration joins the batch at the layer where it starts."""

    def __init__(
        self,
        runs: Runs,
        token: int,
        restorations: Sequence[Restoration],
        cache: DynamicCache | None,
    ) -> None:
        self.runs = runs
        self.token = token
        self.restorations = restorations
        self.cache = cache
        self.begun = 0  # so many of the restorations are in the batch

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The block in which the network runs so."""
        blocks = self.runs.model.blocks
        each = [blocks.block(layer) for layer in range(len(blocks))]
        before = [vars(block).get("forward") for block in each]
        handles = [self._putting_back(part) for part in ("mlp_out", "attn_out")]
        with hooks(handle for some in handles for handle in some):
            for layer, block in enumerate(each):
                vars(block)["forward"] = self._stand_in(layer, block.forward)
            try:
                yield
            finally:
                for block, forward in zip(each, before, strict=True):
                    if forward is None:
                        del vars(block)["forward"]
                    else:
                        vars(block)["forward"] = forward

    def _stand_in(self, layer: int, run: Any) -> Any:
        """The block, for those rows only that have begun."""
        blocks = self.runs.model.blocks
        last = len(blocks) - 1

        def forward(hidden: Tensor, *args: Any, **kwargs: Any) -> Any:
            hidden = self._joined(hidden, layer)
            if self.begun:
                self._remember(layer)
                hidden = hidden_of(run(hidden, *args, **kwargs))
                self._forget(layer)
            if layer == last:
                hidden = self._joined(hidden, layer + 1)
            return (hidden, None) if blocks.facts.block_output == "tuple" else hidden

        return forward

    def _joined(self, hidden: Tensor, layer: int) -> Tensor:
        """The batch, with the rows of the restorations that start at a layer."""
        new = [one for one in self.restorations[self.begun :] if one.start <= layer]
        if not new:
            return hidden
        rows = [self.runs.begins_with(one).to(hidden.device) for one in new]
        kept = [hidden] if self.begun else []  # else it is only there to have a shape
        self.begun += len(new)
        return torch.cat([*kept, *rows])

    def _remember(self, layer: int) -> None:
        """Gives every row the keys and values of its corrupted run's tokens before."""
        if self.cache is not None:
            keys, values = self.runs.past(layer, self.token)
            kept = cast(Any, self.cache).layers[layer]
            kept.keys = keys.repeat(self.begun, 1, 1, 1)
            kept.values = values.repeat(self.begun, 1, 1, 1)

    def _forget(self, layer: int) -> None:
        if self.cache is not None:
            kept = cast(Any, self.cache).layers[layer]
            kept.keys = kept.values = None

    def _putting_back(self, part: Part) -> list[Any]:
        """Hooks that put back what the clean run's MLPs or attention gave at the token."""
        samples = self.runs.samples
        handles = []
        for layer in range(len(self.runs.model.blocks)):
            places = [
                i for i, r in enumerate(self.restorations) if r.part == part and layer in r.layers
            ]
            if not places:
                continue
            rows = torch.tensor([i * samples + n for i in places for n in range(samples)])
            clean = self.runs.clean_state(self.token, layer, part)

            def put(
                _module: nn.Module,
                _args: Any,
                output: Tensor,
                rows: Tensor = rows,
                clean: Tensor = clean,
            ) -> Tensor:
                changed = in_rows(output.clone(), self.begun * samples)
                changed[rows.to(output.device), 0] = clean
                return changed.view(output.shape)

            module = module_at(self.runs.model, Site(layer, part))
            handles.append(module.register_forward_hook(put))
        return handles
