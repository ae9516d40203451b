"""Tensors with a JSON object beside them, in one safetensors file, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from memedit.errors import BakeError
from memedit.files import write_atomically

_META = "memedit"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Writes a file in the place of the one that may be there.

    Raises:
        OSError: It cannot be written; the old file is as it was.
    """
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(dict(meta), ensure_ascii=False, sort_keys=True)
    write_atomically(path, [save(kept, metadata={"format": "pt", _META: text})])


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the object of a file.

    Raises:
        BakeError: It is no such file, or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {})[_META])
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BakeError(
            f"file: {str(path)!r} cannot be read ({error}).",
            hint="Give a file that memedit has written, or make it again.",
        ) from error
