"""LoRA adapters on a network's linear layers (Hu et al. 2021, arXiv 2106.09685)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def with_lora(
    network: PreTrainedModel,
    *,
    rank: int,
    alpha: float,
    seed: int,
    layers: str | Sequence[str] = "all-linear",
    task: str | None = None,
) -> PeftModel:
    """``network`` with an adapter that changes nothing yet.

    Args:
        network: Its layers are wrapped, its weights stay as they are.
        rank: The rank of each pair of matrices.
        alpha: The adapter is scaled by alpha / rank.
        seed: Decides the first weights.
        layers: Names of linear layers, or PEFT's word for all but the output's.
        task: PEFT's name of the task, such as ``"CAUSAL_LM"``.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # any number scales
        target_modules=layers if isinstance(layers, str) else list(layers),
        task_type=task,
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # PEFT asks transformers for an attribute by its former name while it wraps a model.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        torch.manual_seed(seed)
        return cast("PeftModel", get_peft_model(network, config))


def write_weights(model: PeftModel, path: Path, dtype: torch.dtype) -> None:
    """Writes an adapter's matrices as safetensors, by PEFT's names.

    Args:
        model: The network with its adapter.
        path: The file.
        dtype: The number format to write.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    weights = get_peft_model_state_dict(model)
    rounded = {key: value.to("cpu", dtype).contiguous() for key, value in weights.items()}
    save_file(rounded, path, metadata={"format": "pt"})
    path.chmod(0o644)  # it was written for its owner's eyes alone
