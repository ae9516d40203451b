"""The trained matcher: the embedded encoder with a small LoRA adapter that knows what is asked for.

The frozen encoder says what two texts are about, the matcher whether one asks for what the other
tells. It embeds masked sentences and edits with their objects (relations), names, and free texts,
such that the cosine of a query with the edit that answers it is high, and low with any other. It
reads the few candidates that names and the frozen encoder have left.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from memedit.errors import EncoderError
from memedit.scope.cohort import FILE, Cohort
from memedit.scope.encoder import Encoder, SentenceEncoder, Vectors
from memedit.scope.trained_folder import read_about

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MAX_TOKENS = 64
BATCH = 64
CACHED = 65_536  # vectors of edits' texts kept in memory, 96 MiB at most
WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "matcher.json"


class Matcher:
    """Embeds texts with the trained weights.

    Args:
        trunk: The encoder's transformer with the trained change in its weights.
        tokenizer: Its tokenizer.
        about: The contents of ``matcher.json``: encoder, training and figures.
        fingerprint: Names the trained weights.
        cohort: The relations that every match is set against; none until they are known.
    """

    def __init__(
        self,
        trunk: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        about: Mapping[str, Any],
        fingerprint: str,
        cohort: Cohort | None = None,
    ) -> None:
        self.about = about
        self._cohort = cohort
        self.fingerprint = fingerprint
        self._trunk = trunk.train(mode=False)
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Vectors] = OrderedDict()

    @classmethod
    def load(cls, folder: Path, encoder: Encoder) -> Matcher:
        """The matcher in ``folder``, on a copy of the encoder's weights.

        Raises:
            EncoderError: A file is missing, or the matcher was trained on another encoder.
        """
        if not isinstance(encoder, SentenceEncoder):
            raise EncoderError(
                f"matcher: {str(folder)!r} does not fit a {type(encoder).__name__}.",
                hint="Open the memory with a sentence-transformers encoder.",
            )
        about = _read_about(folder)
        if about["encoder"] != encoder.fingerprint:
            raise EncoderError(
                f"matcher: {str(folder)!r} was trained on the encoder {about['encoder']}, not on "
                f"{encoder.fingerprint}.",
                hint="Train one for this encoder: memedit train scope --encoder NAME, "
                "or use the encoder 'minilm'.",
            )
        weights = folder / WEIGHTS_FILE
        transformer = cast(Any, encoder.model)[0]
        trunk = copy.deepcopy(transformer.auto_model)
        merge(trunk, weights, float(about["lora"]["alpha"]) / int(about["lora"]["rank"]))
        digest = hashlib.sha256(weights.read_bytes())
        cohort = Cohort.load(folder)
        if cohort is not None:
            digest.update(cohort.vectors.tobytes())
        return cls(trunk, transformer.tokenizer, about, digest.hexdigest()[:16], cohort)

    @staticmethod
    @functools.lru_cache(maxsize=2)
    def shipped(encoder: Encoder) -> Matcher | None:
        """The matcher that ships with memedit, or None where it was trained on another encoder."""
        with resources.as_file(resources.files("memedit.scope").joinpath("trained")) as folder:
            if _read_about(folder)["encoder"] != encoder.fingerprint:
                return None
            return Matcher.load(folder, encoder)

    @property
    def cohort(self) -> Cohort:
        """The relations that every match is set against.

        Raises:
            EncoderError: The matcher's training was not brought to its end.
        """
        if self._cohort is None:
            raise EncoderError(
                f"matcher: it comes without {FILE}, the relations its matches are set against.",
                hint="Give a folder that memedit train scope has finished.",
            )
        return self._cohort

    @cohort.setter
    def cohort(self, cohort: Cohort) -> None:
        self._cohort = cohort

    def encode(self, texts: Sequence[str], *, keep: bool = False) -> Vectors:
        """Unit vectors of ``texts``: float32, ``[len(texts), d]``.

        Args:
            texts: Any texts.
            keep: Whether they are likely to be asked for again, as the texts of edits are.
        """
        unique = list(dict.fromkeys(texts))
        with self._lock:
            found = {text: self._kept[text] for text in unique if text in self._kept}
            missing = sorted((t for t in unique if t not in found), key=len)
            for start in range(0, len(missing), BATCH):
                chunk = missing[start : start + BATCH]
                found |= dict(zip(chunk, self._embedded(chunk), strict=True))
            if keep:
                self._keep(unique, found)
        return np.stack([found[text] for text in texts])

    def _embedded(self, texts: list[str]) -> Vectors:
        with torch.inference_mode():
            return np.asarray(pooled(self._trunk, tokens(self._tokenizer, texts)).numpy())

    def _keep(self, texts: Sequence[str], found: Mapping[str, Vectors]) -> None:
        for text in texts:
            self._kept[text] = found[text]
            self._kept.move_to_end(text)
        while len(self._kept) > CACHED:
            self._kept.popitem(last=False)


def tokens(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    longest: int = MAX_TOKENS,
    multiple: int | None = None,
) -> dict[str, torch.Tensor]:
    """Texts as a padded batch.

    Args:
        tokenizer: Splits them.
        texts: The texts.
        longest: Tokens after which a text is cut off.
        multiple: The batch's length is padded to a multiple of it.
    """
    batch = tokenizer(
        list(texts),
        padding=True,
        truncation=True,
        max_length=longest,
        pad_to_multiple_of=multiple,
        return_tensors="pt",
    )
    return {key: batch[key] for key in ("input_ids", "attention_mask")}


def pooled(trunk: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The unit mean of the last hidden states, ``[b, d]`` float32, as sentence encoders pool."""
    hidden = trunk(**batch).last_hidden_state.float()
    real = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    return torch.nn.functional.normalize((hidden * real).sum(1) / real.sum(1), dim=-1)


def _read_about(folder: Path) -> dict[str, Any]:
    return read_about(folder, CONFIG_FILE, WEIGHTS_FILE, what="matcher", train="scope")


def merge(trunk: PreTrainedModel, weights: Path, scale: float) -> None:
    """Adds ``scale * B @ A`` to each layer an adapter in PEFT's format names (LoRA, eq. 3)."""
    from safetensors.torch import load_file

    factors = load_file(weights)
    with torch.no_grad():
        for key, a in factors.items():
            module, found, _ = key.removeprefix("base_model.model.").partition(".lora_A")
            if not found:
                continue
            b = factors[key.replace(".lora_A", ".lora_B")]
            layer = trunk.get_submodule(module)
            weight = cast(torch.Tensor, layer.weight)
            weight += (scale * (b.float() @ a.float())).to(weight.dtype)
