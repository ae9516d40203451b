"""A loaded model whose weights may be edited: deltas put on and taken off, to the last bit."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from memedit.bake.delta import Delta, LowRank
from memedit.errors import BakeError, ModelError
from memedit.models.architecture import Architecture, Blocks, bare, weight_of
from memedit.models.fingerprint import weights_fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from memedit.models.engine import LocalEngine
    from memedit.models.tokens import Tokens


class Editable:
    """A network, its tokenizer, and the deltas that are on it.

    A weight is always computed from the original and all deltas on it, in float64, and rounded
    once: deltas do not gather rounding errors in bfloat16, any of them can be taken off, and
    what is left when the last one goes is the original itself. Originals of the weights that a
    delta has touched are kept beside them.

    Not safe to use from several threads; where the network belongs to a
    :class:`~memedit.models.engine.LocalEngine`, hold ``engine.using(None)`` meanwhile.

    Args:
        network: The causal language model, untouched; used in place.
        tokens: Its tokenizer.
        architecture: Where its layers are; None to look it up or find it.

    Raises:
        ModelError: Its layers cannot be found.
    """

    def __init__(
        self,
        network: PreTrainedModel,
        tokens: Tokens,
        architecture: Architecture | None = None,
    ) -> None:
        self.network = network
        self.tokens = tokens
        self.blocks = Blocks(network, architecture)
        self.base = weights_fingerprint(network)
        self._deltas: dict[str, Delta] = {}
        self._tried: dict[str, LowRank] = {}
        self._originals: dict[str, Tensor] = {}
        self._written: dict[str, bytes] = {}

    @classmethod
    def of(cls, engine: LocalEngine) -> Editable:
        """The model of a loaded engine."""
        return cls(engine.model, engine.tokens)

    @property
    def applied(self) -> tuple[Delta, ...]:
        """The deltas on the weights, in the order they were put on."""
        return tuple(self._deltas.values())

    def apply(self, delta: Delta) -> None:
        """Puts a delta on the weights.

        Raises:
            BakeError: It was made for another base, is on already, or does not fit the weights;
                nothing has been changed.
        """
        self._check(delta)
        self._check_untouched(delta.factors)
        self._deltas[delta.id] = delta
        self._rewrite(delta.factors)

    def revert(self, delta_id: str) -> None:
        """Takes one delta off, whichever were put on after it.

        Raises:
            BakeError: It is not on, or the weights have been changed by others meanwhile.
        """
        if delta_id not in self._deltas:
            on = ", ".join(self._deltas) or "none"
            raise BakeError(
                f"delta: {delta_id!r} is not on the weights (on them: {on}).",
                hint="Give the id of one that is.",
            )
        self._check_untouched(self._deltas[delta_id].factors)
        self._rewrite(self._deltas.pop(delta_id).factors)

    def revert_all(self) -> None:
        """Takes every delta off: the weights are the base's, bit for bit."""
        for delta_id in reversed(list(self._deltas)):
            self.revert(delta_id)

    @contextlib.contextmanager
    def untouched(self) -> Iterator[None]:
        """The base's own weights inside the block; the deltas are back after it.

        The changed weights are held beside the originals meanwhile and copied back, which takes
        milliseconds where computing them takes seconds. Nothing may be put on or taken off inside.
        """
        baked = {path: self.weight(path).clone() for path in self._originals}
        self._copy_in(self._originals)
        try:
            yield
        finally:
            self._copy_in(baked)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[None]:
        """Weights that a method may change with :meth:`try_on`; as before after the block."""
        try:
            yield
        finally:
            tried, self._tried = self._tried, {}
            self._rewrite(tried)

    def try_on(self, path: str, change: LowRank) -> None:
        """Adds a change to one weight until the :meth:`scratch` block ends."""
        self._tried[path] = change
        self._rewrite({path: change})

    def changed(self) -> dict[str, float]:
        """How much of its size each weight that deltas are on differs by, ``|W - W0| / |W0|``."""
        return {
            path: float((self.weight(path).double() - original.double()).norm())
            / float(original.double().norm())
            for path, original in self._originals.items()
        }

    def weight(self, path: str) -> Tensor:
        """A projection's weight as ``[out, in]``, sharing memory with the parameter."""
        try:
            return weight_of(bare(self.network.get_submodule(path)))
        except AttributeError:
            raise ModelError(
                f"delta: the model has no layer {path!r}.",
                hint="Load the base the delta was made for.",
            ) from None

    # -- internal --------------------------------------------------------------------------------

    def _check(self, delta: Delta) -> None:
        if delta.base != self.base:
            raise BakeError(
                f"delta: {delta.id!r} was made for the base {delta.base}, not for these weights "
                f"({self.base}).",
                hint="Load that base in the number format it had, or bake the edits again.",
            )
        if delta.id in self._deltas:
            raise BakeError(
                f"delta: {delta.id!r} is on the weights already.", hint="Revert it first."
            )
        for path, change in delta.factors.items():
            shape = tuple(self.weight(path).shape)
            if shape != change.shape:
                raise BakeError(
                    f"delta: {path} is {shape[0]} x {shape[1]}, the change in {delta.id!r} "
                    f"{change.shape[0]} x {change.shape[1]}.",
                    hint="Load the base the delta was made for.",
                )

    def _check_untouched(self, paths: Mapping[str, LowRank]) -> None:
        for path in paths:
            if path in self._written and _digest(self.weight(path)) != self._written[path]:
                raise BakeError(
                    f"model: {path} has been changed by something else since it was baked.",
                    hint="Load the model anew and apply the deltas again.",
                )

    @torch.no_grad()
    def _copy_in(self, weights: Mapping[str, Tensor]) -> None:
        for path, weight in weights.items():
            self.weight(path).copy_(weight)

    @torch.no_grad()
    def _rewrite(self, paths: Mapping[str, LowRank]) -> None:
        """Computes weights anew from their originals and all that is on them."""
        for path in list(paths):
            weight = self.weight(path)
            if path not in self._originals:
                self._originals[path] = weight.clone()
            original = self._originals[path]
            changes = [d.factors[path] for d in self._deltas.values() if path in d.factors]
            if path in self._tried:
                changes.append(self._tried[path])
            if changes:
                exact = original.to(torch.float64, copy=True)
                for change in changes:
                    exact += change.dense(weight.device)
                weight.copy_(exact.to(weight.dtype))
                self._written[path] = _digest(weight)
            else:
                weight.copy_(original)
                del self._originals[path]
                self._written.pop(path, None)


def _digest(weight: Tensor) -> bytes:
    raw = weight.cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(raw.numpy().tobytes()).digest()
