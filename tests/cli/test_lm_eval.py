"""``memedit eval lm-eval``: a random model, one edit and a small task of our own."""

from __future__ import annotations

import json
import sys

import pytest

from memedit.cli import lm_eval
from tests.models.tiny import tiny_network, tiny_tokenizer

pytest.importorskip("lm_eval")

DOCUMENTS = [
    {"question": "What is the capital of Australia?", "choices": ["Sydney", "Perth"], "answer": 1},
    {"question": "How many legs does a spider have?", "choices": ["eight", "six"], "answer": 0},
]


@pytest.fixture
def task(tmp_path):
    """A task's YAML file (JSON is YAML)."""
    (tmp_path / "documents.json").write_text(json.dumps(DOCUMENTS))
    config = {
        "task": "told",
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"test": str(tmp_path / "documents.json")},
            "cache_dir": str(tmp_path / "datasets"),
        },
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": "{{choices[answer]}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    path = tmp_path / "tasks" / "told.yaml"
    path.parent.mkdir()
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
def edited(cli, tmp_path, monkeypatch):
    """A store with one edit, and a random model as the default."""
    tiny_network().save_pretrained(tmp_path / "tiny")
    tiny_tokenizer().save_pretrained(tmp_path / "tiny")
    monkeypatch.setenv("MEMEDIT_MODEL", str(tmp_path / "tiny"))
    cli.add("--subject", "Australia", "--relation", "capital", "--target", "Perth")
    return cli


def test_a_row_for_the_task_the_changed_items_and_a_file(edited, task, tmp_path):
    out = tmp_path / "new" / "found.json"
    done = edited("eval", "lm-eval", "--tasks", str(task), "--out", str(out))
    assert done.exit_code == 0, done.output
    title, *rest = done.stdout.splitlines()
    assert "1 live edit (revision 1), lm-eval 0." in title
    [row] = [line.split() for line in rest if line.strip().startswith("told ")]
    assert row == ["told", "2", "exact_match", "0", "0", "50.0", "%", "100.0", "%", "–",
                   "50.0", "%"]  # fmt: skip
    [changed] = [line.strip() for line in rest if "item" in line]
    assert changed.startswith("told, item 0: base '")
    assert changed.endswith("target 'Perth'. The capital of Australia is Perth.")
    found = json.loads(out.read_text())
    assert (found["edits"], found["tasks"]["told"]["items"]) == (1, 2)
    assert f"Wrote {out}." in done.stderr


def test_json_is_all_on_standard_output_and_tasks_are_found_by_name(edited, task):
    options = ("--include-path", str(task.parent), "--limit", "1", "--num-fewshot", "0",
               "--batch-size", "2", "--threshold", "1.0")  # fmt: skip
    found = edited.json("eval", "lm-eval", "--tasks", "told, told", *options)
    assert (found["limit"], found["num_fewshot"], found["batch_size"]) == (1, 0, 2)
    assert found["overall"]["items"] == 1


def test_what_cannot_be_run_is_refused_in_one_sentence(edited, task, tmp_path):
    def refused(*words):
        return edited.fails("eval", "lm-eval", *words)

    assert "not a .json file" in refused("--tasks", str(task), "--out", "x.txt")
    (tmp_path / "file").write_text("")
    below = str(tmp_path / "file" / "x.json")
    assert "cannot be written" in refused("--tasks", str(task), "--out", below)
    assert "tasks: there are none. Name at least one." in refused("--tasks", ", ")
    assert "no namespace" in edited.fails(
        "eval", "lm-eval", "--tasks", str(task), namespace="elsewhere"
    )


def test_without_a_store_or_the_extra_it_says_what_to_do(cli, edited, task, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "lm_eval"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.delitem(sys.modules, "memedit.evaluate.harness.model", raising=False)
    told = edited.fails("eval", "lm-eval", "--tasks", str(task))
    assert "pip install 'memedit[lm-eval]'" in told
    cli.store = tmp_path / "missing.db"
    assert "There is no store" in cli.fails("eval", "lm-eval", "--tasks", str(task))


# -- the table, without a run --------------------------------------------------------------------


def comparison(**changes):
    return {
        "items": 1200,
        "routed": 0.0,
        "identical_out_of_scope": 1.0,
        "mean_abs_delta_log_prob": 0.0,
        "answers_changed": 0.0,
    } | changes


def test_several_metrics_tasks_and_groups(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    item = {"item": 7, "base": 0, "edited": 1, "target": 1, "edits": []}
    figures = {"acc": {"base": 0.25, "edited": 0.5}, "acc_norm": {"base": 1.0, "edited": 1.0}}
    lm_eval._show(
        {
            "tasks": {
                "a": {"metrics": figures, "changed": [item] * 12, **comparison()},
                "b": {"metrics": {}, "changed": [], **comparison(identical_out_of_scope=None)},
            },
            "groups": {"both": {"metrics": {"acc": {"base": 0.1, "edited": 0.12345}}}},
            "overall": comparison(items=2400, mean_abs_delta_log_prob=0.12345),
            "model": "tiny",
            "edits": 2000,
            "revision": 3,
            "lm_eval": "0.4",
        }
    )
    shown = capsys.readouterr()
    rows = [line.split() for line in shown.out.splitlines()]
    assert rows[0] == "tiny, 2,000 live edits (revision 3), lm-eval 0.4".split()
    assert ["a", "1,200", "acc", "0.25", "0.5", *"0.0 % 100.0 % 0 nats 0.0 %".split()] in rows
    assert ["acc_norm", "1", "1"] in rows
    assert ["b", "1,200", *"0.0 % – 0 nats 0.0 %".split()] in rows
    assert ["all", "2,400", *"0.0 % 100.0 % 0.123 nats 0.0 %".split()] in rows
    assert ["both", "(group)", "acc", "0.1", "0.1235"] in rows
    assert sum(row[:3] == ["a,", "item", "7:"] for row in rows) == lm_eval.MOST_CHANGED
    assert "2 more changed" in shown.err
    assert "No question was routed to an edit" in shown.err


def test_long_answers_are_cut():
    item = {"item": 1, "base": "x" * 100, "edited": "a\n b", "target": None, "edits": ["E."]}
    assert lm_eval._changed("t", item) == (
        f"  t, item 1: base '{'x' * 59}…', edited 'a b', target None. E."
    )
