"""Real processes, killed at every step of a bake and of taking one out."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from memedit.baking.verify import ask
from memedit.baking.weights import BakedWeights
from memedit.memory import EditMemory
from memedit.memory.bake_files import checksum
from tests.baking.baker import BAKING, UNBAKING
from tests.memory.conftest import HashEncoder
from tests.models.tiny import tiny_chat_model, tiny_network

STEPS = [*BAKING, *UNBAKING]
IN_FORCE = {"recorded", "edits returned", "bake ended"}  # killed there, the bake is live
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are not to be had")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of the stores that the killed processes left."""
    folder = tmp_path_factory.mktemp("killed")
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "tests.baking.baker", str(folder)],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("step", STEPS)
def test_store_and_files_agree_or_the_bake_is_absent(killed, step):
    path = killed / f"{STEPS.index(step)}.db"
    model = tiny_chat_model()
    with EditMemory.open(path, encoder=HashEncoder()) as memory:
        standing = {record.id: record.status for record in memory.list(status="all")}
        live = memory.bakes()
        files = {p for p in path.with_name(f"{path.name}.bakes").iterdir() if p.name[0] != "."}
        assert files == {memory.delta_path(bake.id) for bake in live}  # nothing is left over
        assert not list(path.with_name(f"{path.name}.bakes").glob(".*.safetensors.*"))
        BakedWeights(model, memory).follow()
        baked = "baked" if step in IN_FORCE else "active"
        assert standing == {"ada": baked, "bob": "active", "cid": baked}
        assert [bake.state for bake in memory.bakes(all=True)] in (
            [["live"]] if step in IN_FORCE else [[], ["unbaked"]]
        )
        if step in IN_FORCE:
            (bake,) = live
            assert checksum(memory.delta_path(bake.id)) == bake.checksum
            assert "golf" in ask(model, ["Ada plays"])[0]
        else:
            fresh = tiny_network().state_dict()
            assert all(torch.equal(w, fresh[k]) for k, w in model.engine.model.state_dict().items())
        with memory.baking():
            pass  # the killed process holds no lock
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    raw.close()
