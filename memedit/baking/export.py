"""What is baked, as an adapter for programs that know nothing of memedit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from memedit.baking.weights import BakedWeights, editable_of, engine_of
from memedit.errors import BakeError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from memedit.memory import BakeRecord, EditMemory


def write_adapter(memory: EditMemory, model: BaseChatModel, folder: Path) -> Sequence[BakeRecord]:
    """Writes all live bakes of a namespace as one LoRA adapter that plain PEFT loads.

    Args:
        memory: Whose bakes.
        model: The local model that they were made for.
        folder: Made where it is missing.

    Returns:
        The bakes.

    Raises:
        BakeError: Nothing is baked, or into other weights than these.
    """
    from memedit.bake import export_peft, merge

    engine = engine_of(model, memory.bakes())
    BakedWeights(model, memory).follow()
    live = memory.bakes()  # a bake whose delta file is gone has been taken out just now
    if not live:
        raise BakeError(
            f"bakes: namespace {memory.namespace!r} of {memory.path} has none.",
            hint="Write edits into the weights first: memedit bake --select all",
        )
    with engine.using(None):
        editable = editable_of(engine)
        deltas = editable.applied
        export_peft(deltas[0] if len(deltas) == 1 else merge(deltas), editable, folder)
    return live
