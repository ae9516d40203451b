"""An examination of the installation and of one store: what is there, what is wrong, the remedy."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from memedit.errors import EncoderError, MemEditError, ModelError
from memedit.settings import DEFAULT_MODEL, home

State = Literal["ok", "note", "wrong"]

_OPENAI = "openai:"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Args:
        name: What it is.
        state: ``wrong`` where something will fail, ``note`` where it is worth knowing.
        found: What was found.
        remedy: What to do about it; empty where nothing needs doing.
    """

    name: str
    state: State
    found: str
    remedy: str = ""


def examine(store: Path, model: str = DEFAULT_MODEL) -> list[Check]:
    """Looks at packages, hardware, models, folders and the store; changes nothing.

    Args:
        store: The store's file; it need not exist.
        model: The language model's name, as for ``load_model``.
    """
    encoder, fingerprint = _encoder()
    return [
        Check("python", "ok", f"{platform.python_version()}, {platform.platform(terse=True)}"),
        *_packages(),
        _torch(),
        _language_model(model),
        encoder,
        _home(),
        *_store(store, fingerprint),
    ]


def _packages() -> Iterator[Check]:
    """The requirements as the installed package declares them."""
    from packaging.requirements import Requirement

    versions, faults = [], []
    for line in importlib.metadata.requires("memedit") or []:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            faults.append((f"{requirement.name} is not installed", requirement))
            continue
        versions.append(f"{requirement.name} {version}")
        if not requirement.specifier.contains(version, prereleases=True):
            faults.append(
                (f"{requirement.name} {version} is not {requirement.specifier}", requirement)
            )
    own = importlib.metadata.version("memedit")
    yield Check("packages", "ok", f"memedit {own}, {', '.join(sorted(versions))}")
    for found, requirement in faults:
        yield Check("packages", "wrong", found, f"pip install '{requirement}'")


def _torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library of its own cannot be loaded
        return Check("torch", "wrong", f"cannot be imported ({error})", "Reinstall torch.")
    found = f"{torch.__version__}, {torch.get_num_threads()} threads"
    if torch.accelerator.is_available():
        return Check("torch", "ok", f"{found}, {torch.accelerator.current_accelerator()}")
    if torch.version.cuda:
        return Check(
            "torch", "note", f"{found}, built for CUDA {torch.version.cuda}, but there is no GPU",
            "A CPU build takes less room.",
        )  # fmt: skip
    return Check("torch", "ok", f"{found}, on the CPU")


def _language_model(name: str) -> Check:
    from memedit.models.embedded import EMBEDDED_NAME, EMBEDDED_SHA256, embedded_gguf, model_cache

    if name.startswith(_OPENAI):
        return Check("model", "note", f"{name}: on a server, which was not asked")
    if name != EMBEDDED_NAME:
        place = "a local folder or file" if Path(name).exists() else "to be got from a model hub"
        return Check("model", "note", f"{name}: {place}, not loaded here")
    folder = model_cache() / EMBEDDED_SHA256[:16]
    try:
        source = embedded_gguf()
    except ModelError as error:
        return Check("model", "wrong", error.message, error.hint)
    if folder.is_dir():
        return Check("model", "ok", f"{name}, converted in {folder}")
    return Check(
        "model", "note", f"{name} from {source}, to be converted at its first use into {folder}"
    )


def _encoder() -> tuple[Check, str | None]:
    from memedit.scope.encoder import EMBEDDED_NAME, load_encoder

    try:
        fingerprint = load_encoder().fingerprint
    except (EncoderError, ImportError) as error:
        remedy = error.hint if isinstance(error, EncoderError) else "Install what is missing."
        found = error.message if isinstance(error, EncoderError) else str(error)
        return Check("encoder", "wrong", found, remedy), None
    return Check("encoder", "ok", f"{EMBEDDED_NAME}, fingerprint {fingerprint}"), fingerprint


def _home() -> Check:
    """Whether converted models can be kept; the folder itself need not exist yet."""
    folder = home()
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if there.is_dir() and os.access(there, os.W_OK):
        return Check("home", "ok", str(folder))
    remedy = "Set MEMEDIT_HOME to a folder you may write to."
    return Check("home", "wrong", f"{folder} cannot be written", remedy)


def _store(path: Path, fingerprint: str | None) -> Iterator[Check]:
    from memedit.memory import EditMemory

    if not path.exists():
        yield Check("store", "note", f"{path} is not there yet; the first edit makes it")
        return
    try:
        with EditMemory.open(path, create=False, read_only=True) as memory:
            stats = memory.stats()
            bakes = [
                (bake.id, memory.delta_path(bake.id))
                for namespace in stats.namespaces
                for bake in memory.in_namespace(namespace).bakes()
            ]
    except MemEditError as error:
        yield Check("store", "wrong", error.message, error.hint)
        return
    spaces = ", ".join(f"{name} ({count})" for name, count in stats.namespaces.items()) or "none"
    found = f"{path}, schema {stats.schema_version}, revision {stats.revision}, edits: {spaces}"
    yield Check("store", "ok", found)
    yield _integrity(path)
    for bake_id, file in bakes:
        if not file.is_file():
            remedy = f"Run: memedit unbake {bake_id}; its edits return to memory."
            yield Check("bakes", "wrong", f"the delta file {file} is missing", remedy)
    yield from _indexes(path, list(stats.namespaces), stats.revision)
    if fingerprint and stats.encoder not in (None, fingerprint):
        yield Check(
            "vectors", "wrong", f"made by the encoder {stats.encoder}, not {fingerprint}",
            "Run: memedit doctor --reencode, or open the store with that encoder.",
        )  # fmt: skip


def _indexes(path: Path, namespaces: list[str], revision: int) -> Iterator[Check]:
    """The index files: each can be missing, old or damaged without harm."""
    from memedit.memory.index_file import IndexFile

    folder = path.absolute().with_name(f"{path.name}.index")
    for namespace in namespaces:
        file = IndexFile(folder, namespace)
        if not file.path.exists():
            continue
        read = file.read()
        if read is None:
            yield Check("index", "note", f"{file.path} is damaged; the next search makes it anew")
            continue
        covers = int(read[0]["revision"])
        state = "up to date" if covers == revision else f"at revision {covers}, caught up when used"
        yield Check("index", "ok", f"{namespace}: {read[1].ntotal:,} vectors, {state}")


def _integrity(path: Path) -> Check:
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            faults = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
        finally:
            connection.close()
    except sqlite3.Error as error:
        faults = [str(error)]
    if faults == ["ok"]:
        return Check("database", "ok", "sound")
    remedy = "Restore it from a backup, or save what is left with: sqlite3 FILE .recover"
    return Check("database", "wrong", "; ".join(faults), remedy)
