"""What every test runs under: no network but loopback, repeatable property tests."""

from __future__ import annotations

import importlib.metadata
import os

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TQDM_DISABLE", "1")
# As the command line does: threads that spin starve each other where the machine is busy.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# A user's own settings must not reach the tests. MEMEDIT_HOME stays: it holds the converted model
# that every test shares.
for name in ("STORE", "NAMESPACE", "ACTOR", "MODEL", "BASE_URL"):
    os.environ.pop(f"MEMEDIT_{name}", None)

settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

_IN_HEADER = (
    "torch", "transformers", "sentence-transformers", "faiss-cpu", "langchain-core", "sqlite-utils",
)  # fmt: skip


def pytest_report_header(config: pytest.Config) -> str:
    versions = (f"{name} {importlib.metadata.version(name)}" for name in _IN_HEADER)
    return f"memedit with {', '.join(versions)}"


@pytest.fixture(scope="session")
def smollm2():
    """The embedded language model, loaded once for the whole run."""
    from memedit.models.load import load_model

    return load_model("smollm2")


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """An empty MEMEDIT_HOME for tests that look at or fill it."""
    folder = tmp_path / "home"
    monkeypatch.setenv("MEMEDIT_HOME", str(folder))
    return folder
