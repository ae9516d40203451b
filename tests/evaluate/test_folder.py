from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from memedit.errors import EvaluationError
from memedit.evaluate.folder import BASE, RunFolder, outcomes_name, read_outcomes
from memedit.evaluate.outcome import Likelihood, Outcome, Output

IDENTITY = {"suite": {"name": "made", "k": ["all"]}, "seed": 0, "model": {"hash": "ab"}}
MANIFEST = {"key": "k1", "identity": IDENTITY}


def outcome(case: str, text: str = "t", **fields) -> Outcome:
    output = Output("p", "edit", text, answers=("a",), new=Likelihood(-1.5, 2, 1), hops=({"a": 1},))
    return Outcome(case, (output,), **fields)


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "run")
    yield folder
    folder.close()


def path(folder, name):
    return folder.path / f"{name}.jsonl"


def test_outcomes_come_back_as_they_went(folder):
    name = outcomes_name("100")
    assert folder.outcomes(name) == []
    one, two = outcome("a", "\u2028 日本 \n x"), outcome("b", failed="E: x", after="own")
    folder.append(name, [one])
    folder.append(name, [])
    folder.append(name, [two])
    assert folder.outcomes(name) == read_outcomes(folder.path, name) == [one, two]
    assert path(folder, name).read_bytes().count(b"\n") == 2
    assert "日本" in path(folder, name).read_text(encoding="utf-8")


def test_of_one_case_and_test_the_last_one_counts(folder):
    own, end, again = outcome("a", after="own"), outcome("a", "1"), outcome("a", "2")
    folder.append(BASE, [own, end, again])
    assert folder.outcomes(BASE) == [own, again]


@pytest.mark.parametrize("torn", [b'{"case": "c", "outp', b"{", b'{"case": "\xe6\x97'])
def test_a_torn_last_line_is_passed_over_and_then_cut(folder, torn):
    folder.append(BASE, [outcome("a")])
    folder.close()
    with path(folder, BASE).open("ab") as file:
        file.write(torn)
    again = RunFolder(folder.path)
    assert again.outcomes(BASE) == [outcome("a")]
    again.append(BASE, [outcome("b")])
    assert again.outcomes(BASE) == [outcome("a"), outcome("b")]
    again.close()


def test_a_file_that_is_nothing_but_a_torn_line(folder):
    path(folder, BASE).write_bytes(b'{"case"')
    assert folder.outcomes(BASE) == []
    folder.append(BASE, [outcome("b")])
    assert folder.outcomes(BASE) == [outcome("b")]


def test_a_damaged_line_is_named_with_its_file(folder):
    path(folder, BASE).write_bytes(b"\0\0\0\n" + json.dumps({"case": "a"}).encode() + b"\n")
    with pytest.raises(EvaluationError, match=r"base\.jsonl") as error:
        folder.outcomes(BASE)
    assert "Delete" in error.value.hint


def test_half_of_a_surrogate_pair_is_kept(folder):
    folder.append(BASE, [outcome("a", "\ud83d")])
    assert folder.outcomes(BASE) == [outcome("a", "\ud83d")]


def test_numbers_that_json_does_not_have_are_not_written(folder):
    broken = Outcome("a", (Output("p", "edit", "t", seconds=float("nan")),))
    with pytest.raises(ValueError, match="JSON"):
        folder.append(BASE, [broken])
    assert folder.outcomes(BASE) == []


# -- whose folder it is --------------------------------------------------------------------------


def test_a_folder_is_claimed_once_and_known_again(folder):
    assert folder.claim(MANIFEST | {"started": "then"})["started"] == "then"
    assert folder.claim(MANIFEST | {"started": "now"})["started"] == "then"


def test_another_run_is_refused_by_what_differs(folder):
    folder.claim(MANIFEST)
    other = {**IDENTITY, "suite": {"name": "made", "k": ["1"]}, "seed": 3, "limit": 5}
    with pytest.raises(EvaluationError) as error:
        folder.claim({"key": "k2", "identity": other})
    assert "suite.k is ['all'], not ['1']" in error.value.message
    assert "seed is 0, not 3" in error.value.message
    assert "limit is None, not 5" in error.value.message
    assert "hash" not in error.value.message and "name" not in error.value.message


def test_outcomes_without_a_manifest_are_nobodys(folder):
    folder.append(BASE, [outcome("a")])
    with pytest.raises(EvaluationError, match=r"holds outcomes but no run\.json"):
        folder.claim(MANIFEST)


def test_a_broken_manifest_is_named(folder):
    (folder.path / "run.json").write_text("{")
    with pytest.raises(EvaluationError, match=r"run\.json.* is not valid JSON"):
        folder.claim(MANIFEST)


def test_whole_files_are_replaced_whole(folder, monkeypatch):
    folder.write_json("result.json", {"a": "日本"})
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        folder.write_json("result.json", {"a": 2})
    assert folder.read_json("result.json") == {"a": "日本"}
    assert folder.read_json("none.json") is None


# -- one process at a time -----------------------------------------------------------------------


def test_a_second_process_is_refused_until_the_first_is_done(folder):
    script = (
        "import sys; from pathlib import Path\n"
        "from memedit.errors import EvaluationError\n"
        "from memedit.evaluate.folder import RunFolder\n"
        "try: RunFolder(Path(sys.argv[1]))\n"
        "except EvaluationError as error: sys.exit(error.message)\n"
    )
    command = [sys.executable, "-c", script, str(folder.path)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert refused.returncode == 1 and "another process is running in" in refused.stderr
    with pytest.raises(EvaluationError, match="another process"):
        RunFolder(folder.path)
    folder.close()
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == 0


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(EvaluationError, match="cannot be written"):
        RunFolder(tmp_path / "run")
