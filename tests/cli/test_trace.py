"""``memedit trace`` on a tiny model: one prompt, a data set, and what it refuses."""

from __future__ import annotations

import json

import pytest

from tests.models.tiny import tiny_chat_model

PROMPT = ("trace", "Oslo lies in", "--subject", "Oslo", "--samples", "2")
FACTS = [
    ("Oslo", "Oslo lies in"),
    ("Bern", "The town of Bern is in"),
    ("Rome", "Rome, said of Rome:"),  # twice: nothing says which one
    ("Riga", "In Riga they speak"),
]


@pytest.fixture
def trace(cli, monkeypatch):
    from memedit.models import load

    monkeypatch.setattr(load, "load_local_model", lambda name, **how: tiny_chat_model())
    return cli


@pytest.fixture
def data(tmp_path):
    facts = [
        {"known_id": i, "subject": subject, "prompt": prompt, "attribute": "x", "relation_id": "P"}
        for i, (subject, prompt) in enumerate(FACTS)
    ]
    path = tmp_path / "known_1000.json"
    path.write_text(json.dumps(facts))
    return path


def test_one_prompt_is_told_and_written(trace, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    shown = trace.ok(*PROMPT, "--answer", "it", "--out", str(out))
    assert "MLPs put back" in shown and "total effect" in shown
    assert shown.count("o *") == 3  # the subject's last token in three tables
    page = (out / "trace.html").read_text()
    assert page.count("<svg") == 3 and "Oslo lies in" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert (out / "trace.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    kept = json.loads((out / "trace.json").read_text())
    assert (kept["subject"], kept["answer"], kept["window"]) == ("Oslo", "it", 1)
    assert len(kept["restored"]["mlp_out"]) == len("Oslo lies in")


def test_json_is_all_there_is_on_stdout(trace, tmp_path):
    words = (*PROMPT, "--answer", "it", "--out", str(tmp_path / "out"))
    once = trace.json(*words)
    assert once == trace.json(*words)
    assert once != trace.json(*words, "--seed", "1")
    assert 0 <= once["corrupted"] <= 1


def test_a_data_set_is_averaged_and_goes_on(trace, data, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    words = ("trace", "--data", str(data), "--samples", "1", "--unknown", "--out", str(out))
    found = trace.json(*words, "--limit", "2")
    assert found["averages"]["n"] == 2
    assert any("exactly once" in name or "{} once" in name for name in found["facts"])
    lines = (out / "prompts.jsonl").read_text().splitlines()
    shown = trace(*words, "--limit", "9")
    assert "only 3 prompts that count, not 9" in " ".join(shown.stderr.split())
    after = (out / "prompts.jsonl").read_text().splitlines()
    assert after[:2] == lines and len(after) == 3
    assert "The published shape" in (out / "trace.html").read_text()
    assert json.loads((out / "trace.json").read_text())["n"] == 3


def test_prompts_answered_otherwise_do_not_count(trace, data, tmp_path):
    words = ("trace", "--data", str(data), "--samples", "1", "--out", str(tmp_path / "out"))
    said = trace.fails(*words)
    assert "not one prompt can be traced" in said
    assert "the model's own first choice is another answer, 3 times" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("trace", "Oslo lies in"), "subject: none is given"),
        (("trace", "Oslo lies in", "--subject", "Rome"), "does not stand in"),
        ((*PROMPT, "--window", "3"), "window: 3 is not between 1 and the model's 2 layers"),
    ],
)
def test_what_is_refused(trace, words, says, tmp_path):
    assert says in trace.fails(*words, "--answer", "it", "--out", str(tmp_path / "out"))


def test_a_prompt_or_data_but_not_both(trace, data):
    assert trace("trace").exit_code == 2
    assert trace(*PROMPT, "--data", str(data)).exit_code == 2
