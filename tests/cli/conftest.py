"""The command line, run in this process so that encoder and model are loaded once."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from memedit.cli.app import app


class Cli:
    """``memedit`` on a store of the test's own."""

    def __init__(self, store):
        self.store = store

    def __call__(self, *words, input=None, namespace=None):
        options = ["--store", str(self.store), "--actor", "tester"]
        if namespace:
            options += ["--namespace", namespace]
        # The width keeps table cells whole, so that a test can look for them.
        return CliRunner(env={"COLUMNS": "250"}).invoke(app, [*options, *words], input=input)

    def ok(self, *words, **settings):
        """What a command that must succeed prints on stdout."""
        result = self(*words, **settings)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words, **settings):
        return json.loads(self.ok(*words, "--json", **settings))

    def fails(self, *words, **settings):
        """The one sentence on stderr of a command that must fail."""
        result = self(*words, **settings)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)  # the error was caught and told
        assert "Traceback" not in result.output
        assert result.stdout == ""
        return " ".join(result.stderr.split())

    def add(self, *words, **settings):
        (edit_id,) = self.json("add", *words, **settings)["ids"]
        return edit_id


@pytest.fixture
def cli(tmp_path):
    return Cli(tmp_path / "memory.db")


@pytest.fixture
def shared_model(smollm2, monkeypatch):
    """Commands that load the embedded model get the one load of the test run."""
    from memedit.models import load

    def load_model(name, *, base_url=None, max_tokens):
        if name == "smollm2" and base_url is None:
            return smollm2.model_copy(update={"max_tokens": max_tokens})
        return real(name, base_url=base_url, max_tokens=max_tokens)

    real = load.load_model
    monkeypatch.setattr(load, "load_model", load_model)
