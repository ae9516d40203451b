"""A delta as a LoRA adapter that plain PEFT loads, switches off and merges.

A weight's change is LoRA's ``B A`` with a scale of one (Hu et al. 2021, arXiv 2106.09685).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save
from transformers.pytorch_utils import Conv1D

from memedit.bake.delta import Delta
from memedit.errors import BakeError
from memedit.files import write_atomically
from memedit.models.adapters import WEIGHTS_FILE
from memedit.models.architecture import bare

if TYPE_CHECKING:
    from peft import LoraConfig

    from memedit.bake.editable import Editable

# Beside the adapter: what the delta's file says, for people and for checks of one's own.
SOURCE_FILE = "delta.json"


def export_peft(delta: Delta, model: Editable, folder: Path) -> None:
    """Writes ``folder`` so that ``PeftModel.from_pretrained(base, folder)`` is the edited model.

    The adapter adds the change when it runs instead of rounding it into the weights; logits differ
    from those of the applied delta by rounding.

    Args:
        delta: The delta; several are exported as their merge.
        model: A model on the base it was made for.
        folder: Made where it is missing.

    Raises:
        BakeError: The delta was made for another base, or changes nothing.
    """
    if delta.base != model.base:
        raise BakeError(
            f"delta: {delta.id!r} was made for the base {delta.base}, not for these weights "
            f"({model.base}).",
            hint="Load that base.",
        )
    if not delta.factors:
        raise BakeError(f"delta: {delta.id!r} changes nothing.", hint="Export another one.")
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for path, change in delta.factors.items():
        key = f"base_model.model.{path}"
        tensors[f"{key}.lora_A.weight"] = change.down
        tensors[f"{key}.lora_B.weight"] = change.up
    # The configuration goes last: without it PEFT takes the folder for none.
    write_atomically(folder / WEIGHTS_FILE, [save(tensors, metadata={"format": "pt"})])
    source = {"delta": delta.id, "base": delta.base, "method": delta.method, "edits": delta.edits}
    write_atomically(folder / SOURCE_FILE, [json.dumps(source, indent=2).encode()])
    _config(delta, model).save_pretrained(str(folder))


def _config(delta: Delta, model: Editable) -> LoraConfig:
    from peft import LoraConfig

    ranks = {path: change.rank for path, change in delta.factors.items()}
    first = bare(model.network.get_submodule(next(iter(ranks))))
    highest = max(ranks.values())
    return LoraConfig(
        r=highest,
        lora_alpha=highest,
        target_modules=list(ranks),
        rank_pattern=ranks,
        alpha_pattern=dict(ranks),  # as large as the ranks: a scale of one
        lora_dropout=0.0,
        bias="none",
        fan_in_fan_out=isinstance(first, Conv1D),
        task_type="CAUSAL_LM",
        inference_mode=True,
        base_model_name_or_path=model.network.config.name_or_path or None,
    )
