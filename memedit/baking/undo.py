"""Taking bakes out again, in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel

from memedit.baking.make import shaken
from memedit.baking.report import Outcome, UnbakeReport
from memedit.baking.weights import BakedWeights, editable_of, engine_of
from memedit.models.local import LocalChatModel

if TYPE_CHECKING:
    from memedit.bake.methods import Watch
    from memedit.memory import EditMemory


def unbake(
    memory: EditMemory,
    ids: Sequence[str],
    load: Callable[[], BaseChatModel],
    *,
    watch: Watch | None = None,
) -> UnbakeReport:
    """Takes bakes out of a namespace: memory answers their edits again.

    What is left of the live bakes was verified together with those that go. Where the ones that go
    are the last that were made, the weights are as they were before them, and nothing need be
    asked; otherwise the model is loaded, every edit that stays baked is asked again, and those that
    no longer hold return to memory as well.

    Args:
        memory: The memory.
        ids: Which bakes; those that have ended are passed over.
        load: Gives the model they are baked into; called only where it is needed.
        watch: Told of the asking.

    Raises:
        UnknownBakeError: There is no such bake.
        BakeError: The model is not the one they are baked into.
        StoreError: The store cannot be written, or its bakes changed meanwhile.
    """
    live = [bake.id for bake in memory.bakes()]
    going = [bake.id for bake in (memory.bake(i) for i in ids) if bake.state == "live"]
    staying = [bake_id for bake_id in live if bake_id not in going]
    if staying == live[: len(staying)] or not _any_baked(memory, staying):
        returned = memory.end_bake(going, live=live) if going else []
        return UnbakeReport(going, returned)
    model = load()
    engine = engine_of(model, memory.bakes())
    assert isinstance(model, LocalChatModel)
    weights = BakedWeights(model, memory)
    with memory.baking(), engine.using(None):
        weights.follow()
        try:
            editable = editable_of(engine)
            for bake_id in going:
                editable.revert(bake_id)
            lost, held = _asked_again(memory, model, going, watch)
            returned = memory.end_bake(going, [one.edit.id for one in lost], live=live)
        finally:
            weights.follow()  # what the store says, whether it came to that or not
    own = [edit_id for edit_id in returned if edit_id not in {one.edit.id for one in lost}]
    return UnbakeReport(going, own, tuple(lost), held)


def _any_baked(memory: EditMemory, bakes: Sequence[str]) -> bool:
    return any(record.bake in bakes for record in memory.list(status="baked"))


def _asked_again(
    memory: EditMemory, model: LocalChatModel, going: Sequence[str], watch: Watch | None
) -> tuple[list[Outcome], int]:
    """Edits that stay baked but no longer hold, and how many do."""
    lost = shaken(memory, model, watch or (lambda _what, _done, _of: None), leaving=going)
    staying = [record for record in memory.list(status="baked") if record.bake not in going]
    return lost, len(staying) - len(lost)
