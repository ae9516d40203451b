"""The public names, and that importing them is cheap."""

from __future__ import annotations

import subprocess
import sys

import memedit


def test_public_names():
    assert memedit.__all__ == [
        "Answer", "Decision", "Edit", "EditMemory", "EditedModel", "load_edits", "load_model",
    ]  # fmt: skip
    assert all(getattr(memedit, name).__doc__ for name in memedit.__all__)


def test_importing_memedit_imports_no_model_library():
    code = (
        "import sys, memedit; memedit.Edit; memedit.EditMemory; memedit.load_edits;"
        "print({'torch', 'transformers', 'faiss', 'sentence_transformers'} & set(sys.modules))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "set()"
