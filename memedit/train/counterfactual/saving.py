"""A trained adapter as a folder: PEFT's two files, and memedit's card beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from memedit.models.adapters import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, Base, Card
from memedit.models.embedded import sha256_of
from memedit.models.fingerprint import base_fingerprint
from memedit.models.prompts import prompt_hash
from memedit.models.roles import Role
from memedit.train.lora import write_weights

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def base_of(network: PreTrainedModel, name: str) -> Base:
    """The weights an adapter will be made for; ask before their number format is changed.

    Half precision rounds other digits away than the rest, so it has a fingerprint of its own.

    Args:
        network: The model as it was loaded, without an adapter.
        name: What it was loaded as.
    """
    stored = network.dtype
    prints = [base_fingerprint(network)]
    if stored != torch.float16:
        prints.append(base_fingerprint(network, as_format=torch.float16))
    return Base(name=name, fingerprints=tuple(prints))


def save(model: PeftModel, out: Path, role: Role, base: Base, trained: dict[str, Any]) -> Card:
    """Writes the adapter to ``out`` in bfloat16, whole or not at all.

    Args:
        model: The trained model.
        out: The folder; it must not exist.
        role: The role it was trained for.
        base: The weights it was made for.
        trained: What the card is to say about the training.
    """
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_weights(model, partial / WEIGHTS_FILE, torch.bfloat16)
    _write_json(partial / CONFIG_FILE, _config(model))
    card = Card(
        role=role.name,
        prompt=role.prompt,
        prompt_hash=prompt_hash(role.prompt),
        base=base,
        weights=sha256_of(partial / WEIGHTS_FILE),
        trained=trained,
    )
    _write_json(partial / CARD_FILE, card.model_dump(mode="json"))
    partial.rename(out)
    return card


def with_figures(out: Path, card: Card, figures: dict[str, Any]) -> Card:
    """Adds what was measured to the card in ``out``."""
    card = card.model_copy(update={"figures": figures})
    partial = out / f"{CARD_FILE}.partial"
    _write_json(partial, card.model_dump(mode="json"))
    partial.replace(out / CARD_FILE)
    return card


def _config(model: PeftModel) -> dict[str, Any]:
    """PEFT's settings without what only this machine knows, in a fixed order."""
    config = cast(Any, model).peft_config["default"].to_dict()
    config["target_modules"] = sorted(config["target_modules"])
    # The card says which weights the adapter is for; a path on this machine tells nobody.
    return {**config, "base_model_name_or_path": "", "inference_mode": True}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    path.write_text(text + "\n", encoding="utf-8")
