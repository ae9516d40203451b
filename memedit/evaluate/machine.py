"""What a figure depends on beside the code: the machine, versions, weights, and the code itself."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import resource
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from memedit.models.fingerprint import weights_fingerprint
from memedit.models.local import LocalChatModel

PACKAGES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "faiss-cpu",
    "numpy",
    "sqlite-utils",
    "langchain-core",
    "peft",
)
# What decides results: the package's own files, wherever they are installed.
_SOURCES = ("memedit", "memedit._prompts", "memedit._suites")
_SUFFIXES = (".py", ".j2", ".json", ".txt", ".toml", ".safetensors")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, accelerator and the versions that matter."""
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts | {name: metadata.version(name) for name in PACKAGES}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


@functools.cache
def code_version() -> str:
    """The package's version and 12 hexadecimal digits over every source file of it."""
    digest = hashlib.sha256()
    for package in _SOURCES:
        root = resources.files(package)
        files = [path for path in Path(str(root)).rglob("*") if path.suffix in _SUFFIXES]
        for path in sorted(files):
            digest.update(f"{package}/{path.relative_to(str(root))}".encode())
            digest.update(path.read_bytes())
    return f"{metadata.version('memedit')}+{digest.hexdigest()[:12]}"


def commit(folder: Path) -> str | None:
    """The git commit checked out in ``folder``, marked where the tree differs; None outside git."""
    git = ["git", "-C", str(folder)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def model_facts(model: BaseChatModel, name: str) -> dict[str, str | None]:
    """Name, weight hash, number format, device and form of a model, as results record them.

    A model behind a server has no hash: its name is all there is to know.
    """
    if not isinstance(model, LocalChatModel):
        return {"name": name, "hash": None, "dtype": None, "device": None, "form": "chat"}
    network = model.engine.model
    return {
        "name": name,
        "hash": weights_fingerprint(network, salt=_format(model)),
        "dtype": str(network.dtype).removeprefix("torch."),
        "device": str(network.device),
        "form": "completion" if model.completion else "chat",
    }


def _format(model: LocalChatModel) -> str:
    """What beside the weights decides a local model's greedy answers."""
    tokens = model.engine.tokens
    generation = model.engine.model.generation_config.to_json_string()
    return f"{tokens.tokenizer.chat_template}{generation}{model.adapter}"


def versions() -> dict[str, str]:
    """The libraries that compute answers and vectors."""
    return {name: metadata.version(name) for name in PACKAGES[:3]}


def peak_rss_mb() -> float:
    """The most memory this process has held at once, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def peak_gpu_mb() -> float | None:
    """The most GPU memory this process has held in tensors at once, in MiB; None without one."""
    import torch

    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None
