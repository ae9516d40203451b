"""Writing edits into weights: computed, verified edit by edit, recorded or undone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel

from memedit.baking.canaries import Harm, Limits, Reading, locality_prompts, read_canaries
from memedit.baking.locality import Answered, answered
from memedit.baking.report import BakeReport, Outcome, State, judged
from memedit.baking.routing import Routes, rehearsed
from memedit.baking.select import unbakeable
from memedit.baking.verify import verify
from memedit.baking.weights import BakedWeights, editable_of, engine_of
from memedit.edit import Edit
from memedit.memory.bakes import NewBake
from memedit.models.local import LocalChatModel

if TYPE_CHECKING:
    from pydantic import BaseModel

    from memedit.bake import Delta, Editable, Method, Moments
    from memedit.bake.methods import Watch
    from memedit.memory import EditMemory


def bake(
    memory: EditMemory,
    model: BaseChatModel,
    edits: Sequence[Edit],
    method: Method,
    settings: BaseModel | None = None,
    *,
    moments: Moments,
    limits: Limits | None = None,
    seed: int = 0,
    dry_run: bool = False,
    watch: Watch | None = None,
    routes: Routes | None = None,
) -> BakeReport:
    """Bakes active edits of a memory into a local model.

    The edits are written together, on top of the namespace's live bakes. Then each is asked of the
    weights alone, in all its wordings; those answered rightly leave the lookup path, the others
    stay in it. Edits baked earlier are asked again, and those that no longer hold return to memory.
    So do edits whose wordings would then fall under another one in memory: with ``routes`` every
    wording is routed as it will be. What memory answers it answers from the model's own weights,
    as before. Where a limit is passed, no edit verifies, or memory would lose an edit, the weights
    and the store are as before. So they are after an interruption; a process that is killed leaves
    nothing that the next one to open the store does not sweep.

    Args:
        memory: The memory.
        model: The model its edited model answers with; afterwards it carries the bake.
        edits: Which; see :func:`~memedit.baking.select.select`.
        method: What computes the change.
        settings: The method's; those for the model's family where None.
        moments: Second moments, for the methods that read them.
        limits: What else may change, this bake and those before it together.
        seed: Decides everything random.
        dry_run: Do everything, but leave the weights and the store as they are.
        watch: Told what is being done, how much of it is done, and how much there is.
        routes: The edited model's decisions, such as :meth:`memedit.EditedModel.routes_if`; None
            where the lookup is not in use.

    Raises:
        BakeError: The model is a remote one, other weights carry the namespace's bakes, or the
            edits cannot be written; nothing has been changed.
        StoreError: The store cannot be written, or another process bakes.
    """
    engine = engine_of(model)
    assert isinstance(model, LocalChatModel)
    weights = BakedWeights(model, memory)
    lock: contextlib.AbstractContextManager[None] = (
        contextlib.nullcontext() if dry_run else memory.baking()
    )
    with lock, engine.using(None):
        weights.follow()
        run = _Run(
            memory, model, editable_of(engine), method, limits or Limits(), watch or _silent, routes
        )
        try:
            return run.run(edits, settings, moments, seed, dry_run=dry_run)
        finally:
            # Back to what the store says: with the bake if it was recorded, else without.
            run.undo_unless_recorded()


class _Run:
    """One bake; the names are :func:`bake`'s."""

    def __init__(
        self,
        memory: EditMemory,
        model: LocalChatModel,
        editable: Editable,
        method: Method,
        limits: Limits,
        watch: Watch,
        routes: Routes | None,
    ) -> None:
        self.memory, self.model, self.editable = memory, model, editable
        self.method, self.limits, self.watch, self.routes = method, limits, watch, routes
        self.delta: Delta | None = None
        self.seconds: dict[str, float] = {}

    def run(
        self,
        edits: Sequence[Edit],
        settings: BaseModel | None,
        moments: Moments,
        seed: int,
        *,
        dry_run: bool,
    ) -> BakeReport:
        if settings is None:
            from memedit.bake import load_settings

            settings = load_settings(self.method.name, self.editable.network)
        refused = self._refused(edits, settings)
        good = [edit for edit in edits if edit.id not in refused]
        outcomes = [Outcome(edit, "refused", refused[edit.id]) for edit in edits
                    if edit.id in refused]  # fmt: skip
        if not good:
            return self._report("aborted", outcomes, "no edit can be written into weights")
        reading, others = self._before(good)
        with self._timed("compute"):
            delta = self.method.compute(
                self.editable, good, settings, moments=moments, seed=seed, watch=self.watch
            )
        self.delta = delta
        self.editable.apply(delta)
        asked = len(others.prompts)
        harm = Harm(_most(self.editable.changed()), 0.0, 1.0, 1.0, reading.perplexity, asked)
        if not (why := self.limits.tripped(harm)):
            harm = self._compared(harm, reading, others)
            why = self.limits.tripped(harm)
        if why:
            return self._report("aborted", [*outcomes, *_all_kept(good, why)], why, harm)
        found, returned = self._verified(good)
        if self.routes is not None and any(outcome.what == "baked" for outcome in found):
            found, returned, why = self._routed(self.routes, found, returned)
            if why:
                return self._report("aborted", [*outcomes, *_all_kept(good, why)], why, harm)
        outcomes += found
        if not any(outcome.what == "baked" for outcome in found):
            return self._report("aborted", outcomes, "no edit verified", harm)
        if dry_run:
            return self._report("dry run", [*outcomes, *returned], "", harm)
        outcomes = self._recorded(delta, outcomes, returned, harm)
        return self._report("baked", [*outcomes, *returned], "", harm, delta.id)

    def undo_unless_recorded(self) -> None:
        """Takes the delta off, and deletes its file, unless the store has the bake."""
        if self.delta is None or self.delta.id in {made.id for made in self.memory.bakes()}:
            return
        if self.delta.id in {one.id for one in self.editable.applied}:
            self.editable.revert(self.delta.id)
        if not self.memory.in_memory:
            self.memory.delta_path(self.delta.id).unlink(missing_ok=True)

    # -- steps -----------------------------------------------------------------------------------

    def _refused(self, edits: Sequence[Edit], settings: BaseModel) -> dict[str, str]:
        from memedit.bake import refusals

        refused = unbakeable(edits)
        whole = [edit for edit in edits if edit.id not in refused]
        bad = refusals(self.editable, whole, settings)
        return refused | {edit_id: error.message for edit_id, error in bad.items()}

    def _before(self, good: Sequence[Edit]) -> tuple[Reading, Answered]:
        """What must stay as it is without any bake: limits hold for all bakes together."""
        there = [r.edit for r in self.memory.list() if r.edit]
        baked = [r.edit for r in self.memory.list(status="baked") if r.edit]
        prompts = locality_prompts([*good, *baked], there)
        with self._timed("canaries"), self.editable.untouched():
            reading = read_canaries(self.model.engine)
            others = answered(self.model, prompts, partial(self.watch, "reading canaries"))
        return reading, others

    def _compared(self, harm: Harm, reading: Reading, others: Answered) -> Harm:
        with self._timed("canaries"):
            after = read_canaries(self.model.engine)
            return replace(
                harm,
                kl=reading.kl(after),
                perplexity=after.perplexity / reading.perplexity,
                locality=others.kept(
                    self.model.engine, partial(self.watch, "reading canaries again")
                ),
            )

    def _verified(self, good: Sequence[Edit]) -> tuple[list[Outcome], list[Outcome]]:
        """The outcomes of the new edits, and of earlier ones that no longer hold."""
        with self._timed("verify"):
            asked = verify(self.model, good, lambda done, of: self.watch("verifying", done, of))
            found = [judged(edit, asked[edit.id]) for edit in good]
            return found, shaken(self.memory, self.model, self.watch)

    def _routed(
        self, routes: Routes, found: list[Outcome], returned: list[Outcome]
    ) -> tuple[list[Outcome], list[Outcome], str]:
        """The outcomes after the lookup was tried as it will be, and why that cannot be."""
        assert self.delta is not None
        with self._timed("route"):
            # The edited model knows of no bake that the store does not name.
            self.editable.revert(self.delta.id)
            try:
                return rehearsed(self.memory, found, returned, routes)
            finally:
                self.editable.apply(self.delta)

    def _recorded(
        self, delta: Delta, outcomes: Sequence[Outcome], returned: Sequence[Outcome], harm: Harm
    ) -> list[Outcome]:
        from memedit.bake import save_delta

        verified = {o.edit.id: o.edit for o in outcomes if o.what == "baked"}
        new = NewBake(
            id=delta.id,
            method=delta.method,
            settings=delta.settings,
            model=self.model.model_name,
            base=delta.base,
            edits=delta.edits,
            after=[one.id for one in self.editable.applied if one is not delta],
            figures={"harm": vars(harm), "verified": len(verified), "seconds": self.seconds},
        )
        save_delta(delta, self.memory.delta_path(delta.id))
        marked = self.memory.record_bake(new, verified, [o.edit.id for o in returned])
        changed = verified.keys() - set(marked)
        return [
            replace(one, what="changed", why="it was changed while it was being baked")
            if one.edit.id in changed
            else one
            for one in outcomes
        ]

    def _report(
        self,
        state: State,
        outcomes: Sequence[Outcome],
        why: str,
        harm: Harm | None = None,
        bake_id: str | None = None,
    ) -> BakeReport:
        return BakeReport(
            state=state,
            why=why,
            bake=bake_id,
            namespace=self.memory.namespace,
            method=self.method.name,
            model=self.model.model_name,
            base=self.editable.base,
            outcomes=tuple(outcomes),
            harm=harm,
            seconds=self.seconds,
        )

    @contextlib.contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        taken = time.perf_counter() - started
        self.seconds[step] = round(self.seconds.get(step, 0.0) + taken, 3)


def shaken(
    memory: EditMemory, model: LocalChatModel, watch: Watch, leaving: Sequence[str] = ()
) -> list[Outcome]:
    """Edits that are baked in a memory but that the weights, as they are, do not answer rightly.

    Args:
        memory: The memory.
        model: The model.
        watch: Told of the asking.
        leaving: Bakes whose edits are passed over.
    """
    records = [r for r in memory.list(status="baked") if r.bake not in leaving]
    baked = [record.edit for record in records if record.edit]
    asked = verify(model, baked, lambda done, of: watch("verifying earlier bakes", done, of))
    found = [judged(edit, asked[edit.id]) for edit in baked]
    return [replace(one, what="returned") for one in found if one.what != "baked"]


def _most(changed: Mapping[str, float]) -> float:
    return max(changed.values(), default=0.0)


def _all_kept(edits: Sequence[Edit], why: str) -> list[Outcome]:
    return [Outcome(edit, "kept", f"the bake was given up: {why}") for edit in edits]


def _silent(_what: str, _done: int, _of: int) -> None:
    pass
