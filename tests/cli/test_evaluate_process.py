"""``memedit eval`` as a process: stopped and killed in mid-run, it goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from memedit.models.embedded import model_cache
from tests.cli.test_startup import MODELS, loaded

TOWNS = ("Ys", "Vineta", "Kitezh", "Lyonesse", "Rungholt", "Atlantis", "Dunwich", "Cantref",
         "Iram", "Dvaraka", "Saeftinghe", "Olous")  # fmt: skip
# A shell may start its background jobs with SIGINT ignored, and they pass that on.
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from memedit.cli import main
main()
"""
LONGEST_WAIT = 120  # seconds


def record(n):
    return {
        "subject": TOWNS[n],
        "src": f"Which king ruled {TOWNS[n]}?",
        "rephrase": f"By which king was {TOWNS[n]} ruled?",
        "alt": f"King Mark {n}",
        "answers": ["Gradlon"],
        "loc": f"nq question: how many legs have {n + 2} cows",
        "loc_ans": str(4 * (n + 2)),
    }


class Process:
    """One command on made-up records with the embedded model, begun as often as wanted."""

    def __init__(self, folder, home):
        self.out = folder / "run"
        self.data = folder / "zsre_mend_eval.json"
        self.data.write_text(json.dumps([record(n) for n in range(len(TOWNS))]))
        suite = folder / "short.toml"
        suite.write_text(
            'description = "Few questions."\ndataset = "zsre"\nscore = false\nkinds = ["edit"]\n'
        )
        self.words = ["eval", str(suite), "--data", str(self.data), "--k", "1,all", "--alone", "3",
                      "--max-tokens", "6", "--out", str(self.out)]  # fmt: skip
        self.environment = os.environ | {"MEMEDIT_HOME": str(home)}

    def begin(self):
        return subprocess.Popen(
            [sys.executable, "-c", MAIN, *self.words],
            env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def send(self, number, name):
        """Begins, sends the signal once the run's file has a line, and gives code and stderr."""
        process = self.begin()
        end = time.monotonic() + LONGEST_WAIT
        while not self.lines(name) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(number)
        _, told = process.communicate(timeout=LONGEST_WAIT)
        assert self.lines(name), told
        assert not (self.out / "result.json").exists()
        return process.returncode, told

    def lines(self, name):
        path = self.out / name
        return path.read_text().splitlines() if path.exists() else []

    def cases(self, name):
        return Counter(
            (line["case"], line.get("after")) for line in map(json.loads, self.lines(name))
        )


@pytest.fixture
def process(tmp_path, smollm2):  # the model is converted once it has been loaded
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(model_cache())
    return Process(tmp_path, home)


@pytest.mark.real_model
def test_interrupted_and_killed_it_goes_on_and_ends_with_every_case_once(process):
    code, told = process.send(signal.SIGINT, "base.jsonl")
    assert code == 130
    assert told.splitlines()[-1] == "Stopped. The same command goes on from here."
    assert "Traceback" not in told
    before = process.lines("base.jsonl")

    code, _ = process.send(signal.SIGKILL, "outcomes.k=1.jsonl")
    assert code == -signal.SIGKILL
    assert process.lines("base.jsonl") == before
    first = process.lines("outcomes.k=1.jsonl")

    done = process.begin()
    shown, told = done.communicate(timeout=LONGEST_WAIT)
    assert done.returncode == 0, told
    assert "memory on short" in shown
    assert f"base: {len(TOWNS)}/{len(TOWNS)}, on record" in told
    result = json.loads((process.out / "result.json").read_text())
    assert (result["cases"]["evaluated"], result["cases"]["failed"]) == (len(TOWNS), 0)
    assert result["sweep"]["1"]["reliability"]["n"] == len(TOWNS)
    assert process.lines("base.jsonl") == before
    assert process.lines("outcomes.k=1.jsonl")[: len(first)] == first
    for name in ("base.jsonl", "outcomes.k=1.jsonl", "outcomes.k=all.jsonl"):
        counts = process.cases(name)
        assert len(counts) == len(TOWNS)
        assert set(counts.values()) == {1}
    asked = Counter((a["case"], a["query"]) for a in map(json.loads, process.lines("alone.jsonl")))
    assert len(asked) == 3
    assert set(asked.values()) == {1}


@pytest.mark.parametrize(
    "words", [("eval", "--help"), ("eval", "zsre", "--help"), ("eval", "list")]
)
def test_help_and_listing_load_no_models(words):
    modules, shown = loaded(*words)
    assert not modules & MODELS - {"langchain_core"}
    assert shown.strip()


def test_completion_offers_commands_and_a_suites_options():
    def offered(*words):
        script = {
            "_MEMEDIT_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(["memedit", *words]),
            "COMP_CWORD": str(len(words)),
        }
        run = "import sys; sys.argv = ['memedit']; from memedit.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", run], env=os.environ | script,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout.split()

    assert offered("eval", "l") == ["lm-eval", "list"] or offered("eval", "l") == [
        "list",
        "lm-eval",
    ]
    assert "--method" in offered("eval", "zsre", "--m")
