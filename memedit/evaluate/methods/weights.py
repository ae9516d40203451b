"""Edits written into the weights by one of the methods of :mod:`memedit.bake`."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from memedit.bake import (
    Delta,
    Moments,
    get_method,
    layers_of,
    load_settings,
    refusals,
    weights_of,
)
from memedit.bake.methods import Watch
from memedit.bake.moments import MomentSettings
from memedit.baking.select import unbakeable
from memedit.baking.weights import editable_of, engine_of
from memedit.edit import Edit
from memedit.errors import BakeError
from memedit.evaluate.methods.unedited import Unedited
from memedit.models.architecture import bare
from memedit.models.fingerprint import weights_fingerprint
from memedit.settings import home

log = logging.getLogger(__name__)


class WeightEditing(Unedited):
    """The base model with edits in its weights, asked exactly as the base model is.

    Nothing about an edit stands in a prompt: an answer is generated from the bare query as a chat
    turn, and continuations are scored after the bare query as plain text without chat turns, which
    is how ES, PS and NS are published (Meng et al. 2022, arXiv 2202.05262, section 3.4).

    The edits of one :meth:`apply` are written together, on top of those that live. Those that will
    each live alone are computed many at a time where the method has a way to, which gives the same
    weights up to rounding. What was computed for the last group is kept, so that it can be applied
    again.

    Args:
        model: A local model.
        method: The method's name in :mod:`memedit.bake`.
        hparams: Its settings: a family's name or a TOML file; None for those of the model.
        moments: Second moments; None for those of the model's own texts, kept in memedit's cache.
        seed: Decides everything random.
        watch: Told of progress.

    Raises:
        BakeError: The model is a remote one, or there are no settings for it.
    """

    detached = False

    def __init__(
        self,
        model: BaseChatModel,
        method: str,
        *,
        hparams: str | Path | None = None,
        moments: Moments | None = None,
        seed: int = 0,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(model)
        self.name = method
        self.engine = engine_of(model)
        self.editable = editable_of(self.engine)
        self.method = get_method(method)
        self.hparams = load_settings(method, self.editable.network, source=hparams)
        self.moments = moments or Moments(home() / "moments")
        self.seed = seed
        self.watch = watch
        self.settings: dict[str, Any] = {
            "hparams": self.hparams.model_dump(mode="json"),
            "moments": self.moments.source,
            "seed": seed,
        }
        # The deltas of the last group, by the ids of all edits that they and those below them make.
        self._made: dict[tuple[tuple[str, ...], ...], Delta] = {}
        self._live: tuple[tuple[str, ...], ...] = ()  # the ids of each call of apply
        self._alone: dict[str, Delta] = {}  # of edits that will live alone, by their ids

    def prepare(self) -> None:
        """Reads the second moments, unless only the edits say of which layers."""
        wanted = getattr(self.hparams, "moments", None)
        if isinstance(wanted, MomentSettings) and not getattr(self.hparams, "dynamic", False):
            told = functools.partial(self.watch, "second moments") if self.watch else None
            with self.engine.using(None):
                self.moments.of(self.editable, layers_of(self.hparams), wanted, told)

    def ahead(self, edits: Sequence[Edit]) -> None:
        """Computes the delta of each edit alone, where that is quicker together."""
        self._alone.clear()
        refused = self.refusals(edits)
        good = list({edit.id: edit for edit in edits if edit.id not in refused}.values())
        if not self.method.batches or len(good) < 2:
            return
        try:
            with self.engine.using(None):
                deltas = self.method.compute_each(
                    self.editable, good, self.hparams, **self._given()
                )
        except BakeError as error:  # about one of them; computed by itself, each has its own
            log.info("%d edits are computed one at a time: %s", len(good), error.message)
            return
        self._alone = dict(zip((edit.id for edit in good), deltas, strict=True))

    def refusals(self, edits: Sequence[Edit]) -> dict[str, str]:
        """Edits that weights cannot hold, and those that the tokenizer cannot align."""
        refused = unbakeable(edits)
        whole = [edit for edit in edits if edit.id not in refused]
        bad = refusals(self.editable, whole, self.hparams)
        return refused | {edit_id: error.message for edit_id, error in bad.items()}

    def apply(self, edits: Sequence[Edit]) -> None:
        """Writes the edits into the weights, together.

        Raises:
            BakeError: One cannot be written; the weights are as they were.
        """
        live = (*self._live, tuple(edit.id for edit in edits))
        with self.engine.using(None):
            if live not in self._made:
                if not self._live:
                    self._made.clear()  # another group begins
                self._made[live] = self._computed(edits)
            self.editable.apply(self._made[live])
        self._live = live

    def revert(self) -> None:
        """Takes every edit out of the weights, to the last bit."""
        with self.engine.using(None):
            while self._live:
                self.editable.revert(self._made[self._live].id)
                self._live = self._live[:-1]

    def state(self) -> str:
        """The bits of every weight that the method may change."""
        with self.engine.using(None):
            paths = weights_of(self.hparams, self.editable.blocks)
            network = self.editable.network
            return ",".join(
                weights_fingerprint(bare(network.get_submodule(path))) for path in paths
            )

    # -- internal --------------------------------------------------------------------------------

    def _computed(self, edits: Sequence[Edit]) -> Delta:
        if len(edits) == 1 and not self._live and edits[0].id in self._alone:
            return self._alone.pop(edits[0].id)
        return self.method.compute(self.editable, edits, self.hparams, **self._given())

    def _given(self) -> dict[str, Any]:
        return {"moments": self.moments, "seed": self.seed, "watch": self.watch}
