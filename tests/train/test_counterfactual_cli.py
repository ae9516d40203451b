"""``memedit train counterfactual`` as it is typed."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from memedit.cli.session import Commands
from memedit.cli.train_counterfactual import counterfactual
from memedit.train import sources
from tests.train.counterfactual_data import records, tiny_folder
from tests.train.test_counterfactual_tasks import ABSENT

app = typer.Typer(cls=Commands)
app.command("counterfactual")(counterfactual)
app.command("other")(lambda: None)  # a single command would lose its name


@pytest.fixture
def command(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        sources, "read", lambda data, parts: read.append((data, parts)) or records()
    )
    words = ["counterfactual", "--data", str(tmp_path), "--out", str(tmp_path / "adapter")]
    words += ["--model", str(tiny_folder(tmp_path / "tiny")), "--rank", "2", "--device", "cpu"]
    words += ["--probes", "2", "--examples", "20", *(f"--without={kind}" for kind in ABSENT)]

    def run(*more):
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*words, *more])

    run.read, run.out = read, tmp_path / "adapter"
    return run


def test_an_adapter_is_trained_and_measured(command):
    done = command("--parts", "knowedit,zsre")
    assert done.exit_code == 0, done.output
    assert command.read[0][1] == ["knowedit", "zsre"]
    assert "On records kept for development" in done.stdout
    assert "yes_no" in done.stdout and "%" in done.stdout
    assert "nats a token" in done.stderr and "The adapter is in" in done.stderr
    assert (command.out / "adapter_model.safetensors").is_file()
    again = command("--parts", "knowedit,zsre", "--json")
    told = json.loads(again.stdout)
    assert told["figures"]["yes_no"]["asked"] == 2
    assert told["trained"]["settings"]["examples"] == 20


def test_what_is_wrong_is_one_sentence(command):
    done = command("--without", "poem")
    assert done.exit_code == 1
    assert "without: there is no kind 'poem'. There are: completion," in " ".join(
        done.stderr.split()
    )
    assert done.stdout == ""
