"""Bakes, each in a process of its own that is killed at one step; ``python -m`` with a folder.

Each step has a store of its own in the folder. The processes are forks of one that has loaded
everything and opened nothing, so that a kill costs no more than what it interrupts.
"""

from __future__ import annotations

import os
import pkgutil
import shutil
import signal
import sys
from pathlib import Path
from unittest import mock

import torch

from memedit.baking.make import bake
from memedit.baking.undo import unbake
from memedit.memory import EditMemory
from tests.baking.conftest import ADA, BOB, CID
from tests.baking.learning import ANY, LEARNING, Settings
from tests.memory.conftest import HashEncoder
from tests.models.tiny import tiny_chat_model

QUICK = Settings(steps=40)

# By name, what the process dies in, and whether before or after it is done.
BAKING = {
    "computing": ("memedit.baking.make.verify", "before"),
    "applied": ("memedit.bake.Editable.apply", "after"),
    "torn file": ("os.fsync", "before"),
    "whole file, not yet named": ("pathlib.Path.replace", "before"),
    "file in its place": ("memedit.bake.save_delta", "after"),
    "row written": ("memedit.memory.bakes.BakedMemory._insert", "after"),
    "edits marked": ("memedit.memory.bakes.write_changes", "after"),
    "recorded": ("memedit.memory.bakes.BakedMemory.record_bake", "after"),
}
UNBAKING = {
    "edits returned": ("memedit.memory.bakes.write_changes", "after"),
    "bake ended": ("memedit.memory.bakes.mark_ended", "after"),
    "file still there": ("pathlib.Path.unlink", "before"),
    "file gone": ("pathlib.Path.unlink", "after"),
}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    model = tiny_chat_model()
    for baked in (False, True):
        assert _in_a_process(_prepare, _prepared(folder, baked), model, baked) == 0
    for number, step in enumerate([*BAKING, *UNBAKING]):
        path = folder / f"{number}.db"
        _copy(_prepared(folder, step in UNBAKING), path)
        work = _bake if step in BAKING else _unbake
        where, when = {**BAKING, **UNBAKING}[step]
        died = _in_a_process(_dying, where, when, work, path, model)
        assert died == -signal.SIGKILL, (step, died)


def _prepared(folder: Path, baked: bool) -> Path:
    return folder / ("baked.db" if baked else "fresh.db")


def _copy(store: Path, path: Path) -> None:
    shutil.copy(store, path)
    if (deltas := store.with_name(f"{store.name}.bakes")).is_dir():
        shutil.copytree(deltas, path.with_name(f"{path.name}.bakes"))


def _in_a_process(work, *args) -> int:
    child = os.fork()
    if child == 0:
        try:
            work(*args)
        except BaseException as error:  # noqa: BLE001 - shown, and told by the exit status
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _prepare(path, model, baked):
    with EditMemory.open(path, encoder=HashEncoder()) as memory:
        memory.add([ADA, BOB, CID])
    if baked:
        _bake(path, model)


def _bake(path, model):
    with EditMemory.open(path, encoder=HashEncoder()) as memory:
        edits = [memory.get("ada"), memory.get("cid")]
        bake(memory, model, edits, LEARNING, QUICK, moments=None, limits=ANY)


def _unbake(path, model):
    with EditMemory.open(path, encoder=HashEncoder()) as memory:
        unbake(memory, [made.id for made in memory.bakes()], lambda: model)


def _dying(where, when, work, *args):
    """``work``, killed before or after the first call of one function."""
    original = pkgutil.resolve_name(where)

    def die(*given, **named):
        if when == "after":
            original(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    with mock.patch(where, die):
        work(*args)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
