"""Where the store is when nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest

from memedit import settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("MEMEDIT_HOME", "MEMEDIT_STORE", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_names_store_and_home(monkeypatch):
    monkeypatch.setenv("MEMEDIT_HOME", "~/here")
    monkeypatch.setenv("MEMEDIT_STORE", "~/mine.db")
    Path("stores").mkdir()
    assert settings.home() == Path.home() / "here"
    assert settings.default_store() == Path.home() / "mine.db"


def test_a_checkout_keeps_its_own_store(monkeypatch):
    monkeypatch.setenv("MEMEDIT_HOME", "/somewhere")
    Path("stores").mkdir()
    assert settings.default_store() == Path("stores/memory.db")


def test_elsewhere_edits_outlive_the_cache(monkeypatch):
    assert settings.home() == Path.home() / ".cache" / "memedit"
    assert settings.default_store() == Path.home() / ".local" / "share" / "memedit" / "memory.db"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert settings.default_store() == Path("/data/memedit/memory.db")
    monkeypatch.setenv("MEMEDIT_HOME", "/somewhere")
    assert settings.default_store() == Path("/somewhere/memory.db")
