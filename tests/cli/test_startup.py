"""What is not needed is not loaded: help and listings start at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODELS = {"torch", "transformers", "sentence_transformers", "faiss", "langchain_core", "peft"}
DATA = {"sqlite_utils", "numpy"}

RUN = """
import sys
from memedit.cli import main
try:
    main()
except SystemExit as end:
    code = end.code or 0
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


def loaded(*words):
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()), done.stdout


@pytest.mark.parametrize("words", [("--help",), ("ask", "--help"), ("--version",)])
def test_help_loads_neither_models_nor_data(words):
    modules, shown = loaded(*words)
    assert not modules & (MODELS | DATA)
    assert shown.strip()


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("show", "peru"),
        ("history",),
        ("stats",),
        ("export",),
        ("conflicts",),
        ("bakes",),
        ("retire", "peru"),
    ],
)
def test_reading_loads_no_models(cli, words):
    cli.ok(
        "add",
        "-",
        input='{"id": "peru", "subject": "Peru", "relation": "capital", "target_new": "X"}',
    )
    modules, _ = loaded("--store", str(cli.store), *words)
    assert not modules & MODELS


def test_completion_offers_ids_with_their_words(cli, monkeypatch):
    cli.ok(
        "add",
        "-",
        input='{"id": "peru", "subject": "Peru", "relation": "capital", "target_new": "X"}',
    )
    script = {
        "_MEMEDIT_COMPLETE": "complete_bash",
        "COMP_WORDS": f"memedit --store {cli.store} show p",
        "COMP_CWORD": "4",
    }
    for name, value in script.items():
        monkeypatch.setenv(name, value)
    run = "import sys; sys.argv = ['memedit']; from memedit.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["peru"], done.stderr
