"""Loading a LoRA adapter beside a model's weights, after checking that it was made for them."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from memedit.errors import ModelError
from memedit.models.embedded import quiet_progress
from memedit.models.fingerprint import base_fingerprint
from memedit.models.prompts import prompt_hash

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
CARD_FILE = "memedit.json"
_WEIGHT_KEY = re.compile(r"^base_model\.model\.(.+)\.lora_(?:embedding_)?([AB])(?:\.weight)?$")


class Base(BaseModel):
    """The weights an adapter was made for.

    Attributes:
        name: What the model was loaded as.
        fingerprints: What :func:`~memedit.models.fingerprint.base_fingerprint` gives for them, in
            each number format in which it differs.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    fingerprints: tuple[str, ...]


class Card(BaseModel):
    """What memedit writes beside an adapter it has trained (``memedit.json``).

    Attributes:
        role: The role it was trained for.
        prompt: The template in ``prompts/`` it was trained on.
        prompt_hash: That template's hash then.
        base: The weights it was made for.
        weights: The SHA-256 of the adapter's weights file.
        trained: How it came about: settings, data, seconds, losses. For people, not read here.
        figures: What was measured when it was done, by kind of example. Likewise.
    """

    model_config = ConfigDict(frozen=True)

    role: str
    prompt: str
    prompt_hash: str
    base: Base
    weights: str
    trained: dict[str, Any] = {}
    figures: dict[str, Any] = {}

    @property
    def adapter_name(self) -> str:
        """What the adapter is called beside the weights: other weights have another name."""
        return f"{self.role}-{self.weights[:8]}"

    def fits(self, model: PreTrainedModel) -> bool:
        """Whether the adapter was made for this model's weights."""
        return base_fingerprint(model) in self.base.fingerprints


def read_card(path: Path) -> Card | None:
    """What memedit knows about the adapter in ``path``; None for one it has not trained.

    Raises:
        ModelError: The file is not as it was written, or the adapter was trained on a prompt that
            has changed since.
    """
    file = path / CARD_FILE
    if not file.is_file():
        return None
    try:
        card = Card.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelError(
            f"adapter: {str(file)!r} cannot be read ({where}: {first['msg']}).",
            hint="Train the adapter again, or delete that file to use it without its checks.",
        ) from error
    if card.prompt_hash != prompt_hash(card.prompt):
        raise ModelError(
            f"adapter: {str(path)!r} was trained on other words than prompt {card.prompt!r} has.",
            hint="Train it again, or put the prompt back.",
        )
    return card


def load_into(model: PreTrainedModel, path: Path, name: str) -> None:
    """Adds the adapter in ``path`` to ``model`` under ``name`` and leaves it switched off.

    Args:
        model: A transformers model; its layers are wrapped, its weights are not changed.
        path: A folder in PEFT's format.
        name: What the adapter is called from now on.

    Raises:
        ModelError: The folder holds no LoRA adapter, or one that was made for another base or
            that would change the base's own weights.
    """
    config = _read_config(path)
    _check_kind(path, config)
    _check_base(path, config, model)
    _check_shapes(path, model)
    with quiet_progress(), _quiet_loading():
        model.load_adapter(str(path), adapter_name=name)
    model.disable_adapters()


@contextlib.contextmanager
def _quiet_loading() -> Iterator[None]:
    """Without two false alarms: that there are several adapters, that the base is "missing"."""

    def keep(record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()

    logger = logging.getLogger("transformers.integrations.peft")
    logger.addFilter(keep)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
            yield
    finally:
        logger.removeFilter(keep)


def _read_config(path: Path) -> dict[str, Any]:
    missing = [file for file in (CONFIG_FILE, WEIGHTS_FILE) if not (path / file).is_file()]
    if missing:
        raise ModelError(
            f"adapter: {str(path)!r} has no {missing[0]}.",
            hint="Give a folder written by PEFT's save_pretrained.",
        )
    try:
        config: dict[str, Any] = json.loads((path / CONFIG_FILE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            f"adapter: {path / CONFIG_FILE} is not valid JSON ({error}).", hint="Write it anew."
        ) from error
    return config


def _check_kind(path: Path, config: dict[str, Any]) -> None:
    """Only what can be switched off without a trace: LoRA, no trained biases or whole modules."""
    kind = config.get("peft_type")
    if kind != "LORA" or config.get("bias", "none") != "none" or config.get("modules_to_save"):
        raise ModelError(
            f"adapter: {str(path)!r} is not a plain LoRA adapter (peft_type {kind!r}, bias "
            f"{config.get('bias')!r}, modules_to_save {config.get('modules_to_save')!r}).",
            hint="Train it as LoRA with bias='none' and without modules_to_save.",
        )


def _check_base(path: Path, config: dict[str, Any], model: PreTrainedModel) -> None:
    """This must be the base that the adapter was made for.

    By its weights where memedit trained the adapter, else by name: converted models are named by
    checksum.
    """
    if card := read_card(path):
        if not card.fits(model):
            raise ModelError(
                f"adapter: {str(path)!r} was made for other weights than this model's (it was "
                f"trained on {card.base.name!r}).",
                hint="Load that model, or train an adapter for this one: memedit train "
                f"{card.role} --model NAME.",
            )
        return
    named = config.get("base_model_name_or_path")
    own = model.config.name_or_path
    if named and own and PurePath(named).name != PurePath(own).name:
        raise ModelError(
            f"adapter: {str(path)!r} was made for the base {named!r}, not for {own!r}.",
            hint="Load that base; if the weights are the same, correct base_model_name_or_path "
            f"in its {CONFIG_FILE}.",
        )


def _check_shapes(path: Path, model: PreTrainedModel) -> None:
    from safetensors import safe_open

    with safe_open(path / WEIGHTS_FILE, framework="pt") as weights:
        shapes = {key: weights.get_slice(key).get_shape() for key in weights.keys()}  # noqa: SIM118
    for key, shape in shapes.items():
        found = _WEIGHT_KEY.match(key)
        weight = _base_weight(model, found.group(1)) if found else None
        if found is None or weight is None:
            raise ModelError(
                f"adapter: {str(path)!r} changes {key!r}, which this model does not have.",
                hint="Load the base the adapter was made for.",
            )
        # A is [rank, in] and B is [out, rank]; a weight is [out, in], or transposed in GPT-2.
        size = shape[1] if found.group(2) == "A" else shape[0]
        if size not in weight:
            raise ModelError(
                f"adapter: {str(path)!r} has {key!r} of size {size}; this model's layer is "
                f"{' x '.join(map(str, weight))}.",
                hint="Load the base the adapter was made for.",
            )


def _base_weight(model: PreTrainedModel, module: str) -> tuple[int, ...] | None:
    """Shape of a layer's weight, also where an earlier adapter wraps the layer."""
    try:
        layer = model.get_submodule(module)
    except AttributeError:
        return None
    weight = getattr(getattr(layer, "base_layer", layer), "weight", None)
    return tuple(weight.shape) if weight is not None else None
