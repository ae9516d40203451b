from __future__ import annotations

import re
import subprocess

import torch

from memedit.evaluate import machine as facts
from tests.evaluate.running import Told
from tests.models.tiny import tiny_chat_model


def test_the_machine_and_its_versions():
    found = facts.machine()
    assert found["torch"] == torch.__version__ and found["cores"] >= 1
    assert found["memory_gib"] > 0 and found["processor"]
    assert set(facts.PACKAGES) <= set(found)


def test_the_code_has_a_version_that_every_file_changes(tmp_path, monkeypatch):
    assert re.fullmatch(r"\d[\w.]*\+[0-9a-f]{12}", facts.code_version())
    monkeypatch.setattr(facts, "_SOURCES", ("made",))
    monkeypatch.setattr(facts.resources, "files", lambda name: tmp_path)

    def version():
        facts.code_version.cache_clear()
        return facts.code_version()

    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.py").write_text("1")
    (tmp_path / "note.md").write_text("1")
    first = version()
    assert version() == first
    (tmp_path / "note.md").write_text("2")
    assert version() == first  # decides nothing
    (tmp_path / "deep" / "a.py").write_text("2")
    second = version()
    (tmp_path / "deep" / "a.py").rename(tmp_path / "b.py")
    assert len({first, second, version()}) == 3
    facts.code_version.cache_clear()


def test_a_local_model_is_known_by_its_weights():
    one = facts.model_facts(tiny_chat_model(), "mine")
    assert one == facts.model_facts(tiny_chat_model(), "mine")
    assert (one["name"], one["dtype"], one["device"]) == ("mine", "float32", "cpu")
    going_on = tiny_chat_model(completion=True)
    assert facts.model_facts(going_on, "mine") == one | {"form": "completion"} != one
    changed = tiny_chat_model()
    changed.engine.model.lm_head.weight.data[0, 0] += 1e-3
    other_turns = tiny_chat_model(template="{{ messages[0]['content'] }}")
    longer = tiny_chat_model()
    longer.engine.model.generation_config.repetition_penalty = 1.5
    hashes = {facts.model_facts(m, "mine")["hash"] for m in (changed, other_turns, longer)}
    assert len(hashes | {one["hash"]}) == 4


def test_of_any_other_model_only_the_name_is_known():
    assert facts.model_facts(Told(), "far") == {
        "name": "far", "hash": None, "dtype": None, "device": None, "form": "chat",
    }  # fmt: skip


def test_memory_is_in_mebibytes():
    assert 50 < facts.peak_rss_mb() < 200_000
    assert (facts.peak_gpu_mb() is None) is not torch.cuda.is_available()


def test_the_commit_says_whether_the_tree_differs(tmp_path):
    assert facts.commit(tmp_path) is None

    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "one")
    assert re.fullmatch(r"[0-9a-f]{12}", facts.commit(tmp_path))
    (tmp_path / "b").write_text("untracked")
    assert "+" not in facts.commit(tmp_path)
    (tmp_path / "a").write_text("2")
    assert facts.commit(tmp_path).endswith("+changes")
