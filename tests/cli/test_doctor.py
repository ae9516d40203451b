"""What the doctor finds: a sound installation, and each thing that can be wrong with a store."""

from __future__ import annotations

import importlib.metadata
import sqlite3

import pytest

from memedit.doctor import examine


def checks(store, name):
    return [check for check in examine(store) if check.name == name]


def states(store):
    return {check.name: check.state for check in examine(store)}


@pytest.fixture
def store(cli):
    cli.add("--subject", "France", "--relation", "capital", "--target", "Lyon")
    return cli.store


def test_all_is_well(cli, store):
    report = cli.json("doctor")
    assert report["ok"]
    found = {check["name"]: check for check in report["checks"]}
    assert found["encoder"]["found"].startswith("minilm")
    assert "revision 1, edits: default (1)" in found["store"]["found"]
    assert found["database"]["state"] == "ok"
    assert "sound" in cli.ok("doctor")


def test_no_store_yet_is_nothing_wrong(cli):
    assert cli.json("doctor")["ok"]
    (check,) = checks(cli.store, "store")
    assert (check.state, check.found) == (
        "note",
        f"{cli.store} is not there yet; the first edit makes it",
    )
    assert not cli.store.exists()


def test_what_is_no_store_is_wrong(cli):
    cli.store.write_text("a letter to the editor, long enough to be mistaken for a database file")
    result = cli("doctor")
    assert result.exit_code == 1
    assert "WRONG" in result.stdout and "is not a" in result.stdout


def test_a_damaged_database_is_found(store):
    with store.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\xff" * 4096)
    assert "wrong" in states(store).values()
    assert all(c.remedy for c in examine(store) if c.state == "wrong")


def test_another_encoder_is_found_and_mended(cli, store):
    connection = sqlite3.connect(store)
    connection.execute("UPDATE store SET encoder = 'another'")
    connection.commit()
    connection.close()
    (check,) = checks(store, "vectors")
    assert check.state == "wrong" and "doctor --reencode" in check.remedy
    assert cli.json("doctor", "--reencode")["ok"]
    assert cli.json("search", "France")[0]["record"]["edit"]["subject"] == "France"


def test_missing_and_old_packages_are_named(monkeypatch, tmp_path):
    needs = ["numpy>=999", "no-such-package>=1", 'other; extra == "openai"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: needs)
    _, *faults = checks(tmp_path / "memory.db", "packages")
    assert [(fault.state, fault.remedy) for fault in faults] == [
        ("wrong", "pip install 'numpy>=999'"),
        ("wrong", "pip install 'no-such-package>=1'"),
    ]


def test_a_model_not_converted_yet_is_worth_a_note(own_home, tmp_path):
    (check,) = checks(tmp_path / "memory.db", "model")
    assert check.state == "note" and str(own_home) in check.found
    assert not own_home.exists()


def test_a_home_that_cannot_be_written_is_wrong(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEMEDIT_HOME", str(tmp_path / "file" / "home"))
    (check,) = checks(tmp_path / "memory.db", "home")
    assert check.state == "wrong" and "MEMEDIT_HOME" in check.remedy
