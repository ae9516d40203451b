"""Fitting an adapter: what is learnt, how it goes on after a kill, what is refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
import torch
from langchain_core.messages import HumanMessage

from memedit.errors import ModelError, TrainingError
from memedit.models.adapters import WEIGHTS_FILE, read_card
from memedit.models.load import load_local_model
from memedit.models.roles import trained_role
from memedit.train.counterfactual import Settings, train
from memedit.train.counterfactual.examples import encode, messages_of
from memedit.train.counterfactual.fitting import FitSettings, with_adapter
from memedit.train.counterfactual.tasks import OF_BASE, draw, pools
from memedit.train.counterfactual.training import ROLE
from tests.train.counterfactual_data import record, records, tiny_folder
from tests.train.test_counterfactual_tasks import ABSENT

QUESTION = [HumanMessage("Who?")]


def settings(model, **changes):
    fit = {"rank": 2, "learning_rate": 0.01, "batch_rows": 8, "every": 2, **changes.pop("fit", {})}
    values = {"examples": 80, "probes": 2, "longest": 480, "bank": False, **changes}
    return Settings(
        model=str(model), device="cpu", without=tuple(sorted(ABSENT)), fit=FitSettings(**fit),
        **values,
    )  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_folder(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    seen = []
    out = tmp_path_factory.mktemp("trained") / "adapter"
    found = train(records(), out, settings(base), lambda p: seen.append((p.step, p.loss)))
    return found, seen


def test_the_loss_falls_and_the_held_back_examples_are_looked_at(trained):
    found, seen = trained
    steps = found.progress.steps
    assert [step for step, _ in seen] == list(range(1, steps + 1))
    held = found.progress.held
    assert set(held) == {*range(0, steps, 2), steps}
    for kind in ("question", "completion"):
        assert held[steps][kind] < 0.9 * held[0][kind]


def test_the_folder_says_what_it_is(trained, base):
    found, _ = trained
    card = read_card(found.path)
    assert card == found.card
    assert (card.role, card.prompt, card.base.name) == (ROLE.name, ROLE.prompt, str(base))
    assert card.trained["steps"] == found.progress.step
    assert set(card.figures) == {result.kind for result in found.results} >= {"yes_no", "text"}
    config = json.loads((found.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == ""
    assert {name.rpartition(".")[2] for name in config["target_modules"]} == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    }  # fmt: skip
    assert not found.path.with_name("adapter.training").exists()


def test_the_adapter_answers_and_the_base_stays_itself(trained, base):
    never, model = load_local_model(str(base)), load_local_model(str(base))
    role = trained_role(model, trained[0].path)
    ids, logits = model.token_ids_and_scores(QUESTION)
    before = never.token_ids_and_scores(QUESTION)
    assert ids == before[0] and torch.equal(logits, before[1])
    adapted = role.model(model)
    assert not torch.equal(adapted.token_ids_and_scores(QUESTION)[1][0], logits[0])
    assert adapted.score(["a"], ["b"]) != model.score(["a"], ["b"]) == never.score(["a"], ["b"])
    assert trained_role(model, trained[0].path) == role  # loaded once, however often it is asked


def test_half_the_bits_are_the_same_base_and_other_weights_are_refused(trained, base, tmp_path):
    path = trained[0].path
    for dtype in ("bfloat16", "float16"):
        assert trained_role(load_local_model(str(base), dtype=dtype), path).adapter
    other = load_local_model(str(tiny_folder(tmp_path / "tiny", seed=1)))
    with pytest.raises(ModelError, match=r"made for other weights.*memedit train counterfactual"):
        trained_role(other, path)
    assert other.engine.adapters == ()


def test_a_finished_training_is_not_done_again(trained, base):
    found, _ = trained
    again = train(records(), found.path, settings(base, probes=5), pytest.fail)
    assert (again.card, again.progress) == (found.card, None)
    with pytest.raises(TrainingError, match="already holds something else"):
        train(records(), found.path, settings(base, examples=81), pytest.fail)


SCRIPT = """
import os, signal, sys
from pathlib import Path
from tests.train.counterfactual_data import records
from tests.train.test_counterfactual_training import settings
from memedit.train.counterfactual import fitting, train
fitting.CHECKPOINT_EVERY = 2
def watch(progress):
    if progress.step == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
train(records(), Path(sys.argv[2]), settings(sys.argv[1]), watch)
"""


def test_a_killed_training_goes_on_and_ends_alike(trained, base, tmp_path):
    out = tmp_path / "adapter"
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(base), str(out), "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not out.exists()
    steps = []
    found = train(records(), out, settings(base), lambda p: steps.append(p.step))
    assert steps[0] == 3  # the last checkpoint was after two
    first = trained[0].path
    assert (out / WEIGHTS_FILE).read_bytes() == (first / WEIGHTS_FILE).read_bytes()
    assert found.progress.held == trained[0].progress.held


def test_the_work_of_another_training_is_refused(base, tmp_path):
    out = tmp_path / "adapter"

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(records(), out, settings(base), stop)
    with pytest.raises(TrainingError, match="holds the work of another training"):
        train(records(), out, settings(base, fit={"rank": 3}), pytest.fail)
    assert train(records(), out, settings(base, fit={"minutes": 9}), lambda p: None).progress


def test_a_training_that_was_stopped_while_it_was_measured_is_measured(base, tmp_path, monkeypatch):
    from memedit.train.counterfactual import training

    def stop(*_):
        raise KeyboardInterrupt

    out, chosen = tmp_path / "adapter", settings(base, examples=16)
    with monkeypatch.context() as during:
        during.setattr(training, "_measured", stop)
        with pytest.raises(KeyboardInterrupt):
            train(records(), out, chosen, lambda p: None)
    assert read_card(out).figures == {}
    found = train(records(), out, chosen, pytest.fail)
    assert found.progress is None and found.card.figures
    assert read_card(out) == found.card
    assert not out.with_name("adapter.training").exists()


def test_a_time_budget_ends_the_training(base, tmp_path):
    limit = {"minutes": 1e-4}
    found = train(records(), tmp_path / "a", settings(base, probes=0, fit=limit), lambda p: None)
    assert 1 <= found.progress.step < found.progress.steps
    assert found.results == ()


def test_nothing_of_development_is_learnt(base, monkeypatch, tmp_path):
    from memedit.train.counterfactual import training

    learnt = []
    monkeypatch.setattr(training, "encode", lambda model, role, tasks, **_: learnt.extend(tasks))
    with pytest.raises(TrainingError, match="longest"):  # nothing came back
        train(records(), tmp_path / "a", settings(base), pytest.fail)
    subjects = {edit.subject for task in learnt for edit in task.edits}
    dev = {r.edit.subject for r in records() if r.dev}
    assert subjects and dev and not subjects & dev
    assert not [task for task in learnt if any(name in task.query for name in dev)]


def test_what_cannot_be_trained_is_refused(base, tmp_path):
    out = tmp_path / "a"
    with pytest.raises(TrainingError, match="records: there is none to learn from"):
        train([record(0, dev=True)], out, settings(base), pytest.fail)
    with pytest.raises(TrainingError, match="kind 'lead_in': no record"):
        train(records(), out, Settings(model=str(base), bank=False), pytest.fail)
    with pytest.raises(TrainingError, match="without: there is no kind 'poem'"):
        train(records(), out, Settings(model=str(base), without=("poem",)), pytest.fail)
    with pytest.raises(TrainingError, match="longest: no example has 9 tokens"):
        train(records(), out, settings(base, longest=9), pytest.fail)


def test_examples_are_what_the_role_will_read(base):
    model = load_local_model(str(base))
    tasks = draw({k: v for k, v in pools(records()).items() if v}, 2, 0, each=True)
    for task, example in ((t, e) for t in tasks for e in encode(model, ROLE, [t], longest=512)):
        if task.form == "chat":
            assert list(example.prompt) == model.prompt_ids(messages_of(task, ROLE))
        if task.kind in OF_BASE:
            plain = list(example.plain)
            assert example.answer and plain != list(example.prompt)
            if task.form == "chat":
                [said] = model.generate_many([messages_of(task, None)], max_tokens=16)
                assert model.engine.tokens.decode(example.answer) == said.text
        elif task.form == "chat":
            assert model.engine.tokens.decode(example.answer) == task.said
            assert example.answer[-1] == model.engine.tokens.tokenizer.eos_token_id


def test_every_linear_layer_but_the_output_is_adapted(base):
    adapted = with_adapter(load_local_model(str(base)).engine.model, FitSettings(rank=2))
    wrapped = [name for name, _ in adapted.named_parameters() if ".lora_A." in name]
    assert len(wrapped) == 14  # seven in each of two layers
    assert not [name for name in wrapped if "lm_head" in name]
