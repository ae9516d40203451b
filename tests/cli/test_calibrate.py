"""``memedit calibrate``: figures, the page, traffic, and what it refuses."""

from __future__ import annotations

import json

import pytest

EDITS = """\
{"id": "sport", "subject": "Lionel Messi", "prompt": "{} plays the sport of", "target_new": "golf"}
{"id": "capital", "subject": "Peru", "prompt": "The capital of {} is", "target_new": "Cusco",
"question": "What is the capital of Peru?"}
""".replace('",\n"question', '", "question')
TRAFFIC = """\
What is the capital of Peru?

Which language do they speak in Peru?
{"query": "Who is Lionel Messi's mother?"}
Why is the sky blue?
"""


@pytest.fixture
def filled(cli):
    cli.ok("add", "-", input=EDITS)
    return cli


@pytest.fixture
def traffic(tmp_path):
    path = tmp_path / "traffic.txt"
    path.write_text(TRAFFIC)
    return path


def test_it_tells_threshold_promise_and_recall(filled):
    found = filled.json("calibrate")
    assert found["rate"] == 0.01
    assert set(found["thresholds"]) == {"cloze", "question"}
    assert all(0.0 < threshold <= 1.0 for threshold in found["thresholds"].values())
    assert (found["edits"], found["sampled"]) == (2, 2)
    assert found["probes"] == {"cloze": 4, "question": 4}
    assert (found["wordings"], found["recall"]) == (4, 1.0)
    assert found["traffic"] is None
    for expected in found["expected"].values():
        assert 0 <= expected["low"] <= expected["mean"] <= expected["high"] <= 1
    assert sum(one["n"] for one in found["reliability"]) == 4 + 8
    shown = filled.ok("calibrate", "--rate", "0.05")
    assert "at most 5.00 % of near misses" in shown
    assert "100.00 % of 4 find their edit" in shown
    assert "0.9 to 1.0" in shown


def test_the_rate_is_settled_until_it_is_reset(filled):
    assert filled.json("calibrate", "--rate", "0.05")["rate"] == 0.05
    assert filled.json("calibrate")["rate"] == 0.05
    assert filled.json("calibrate", namespace="default")["rate"] == 0.05
    filled.ok("calibrate", "--reset")
    assert filled.json("calibrate")["rate"] == 0.01


def test_traffic_joins_the_probes_but_for_what_is_probably_in_scope(filled, traffic):
    found = filled.json("calibrate", "--traffic", str(traffic))
    seen = found["traffic"]
    assert (seen["queries"], seen["near"]) == (4, 3)
    (likely,) = seen["likely_in_scope"]
    assert (likely["query"], likely["edit"]) == ("What is the capital of Peru?", "capital")
    assert seen["fired"] >= 1
    assert found["probes"] == {"cloze": 4, "question": 6}
    assert filled.json("calibrate")["probes"] == {"cloze": 4, "question": 6}  # it is kept
    shown = filled("calibrate", "--traffic", str(traffic))
    assert "4 queries, 3 near an edit" in shown.stdout
    assert "What is the capital of Peru?" in shown.stdout
    assert "probably in scope" in shown.stderr


def test_the_page_needs_nothing_but_itself(filled, traffic, tmp_path):
    pytest.importorskip("matplotlib")
    page = tmp_path / "calibration.html"
    filled.ok("calibrate", "--traffic", str(traffic), "--report", str(page))
    text = page.read_text()
    assert "<svg" in text
    assert "What is the capital of Peru?" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "cannot be written" in filled.fails("calibrate", "--report", str(tmp_path / "no/p.html"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rate", "0"], "false_fire_rate: 0.0 is not above 0"),
        (["--rate", "0.6"], "false_fire_rate: 0.6 is not above 0 and at most 0.5"),
        (["--reset", "--rate", "0.1"], "another option was given"),
        (["--traffic", "nowhere.txt"], "There is no file 'nowhere.txt'"),
    ],
)
def test_what_is_refused(filled, words, says):
    assert says in filled.fails("calibrate", *words)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n \n", "holds no query"),
        ('What?\n{"question": "x"}\n', "traffic.txt:2"),
        ("{oops\n", "traffic.txt:1"),
        ('{"query": 3}\n', "3 is no text"),
    ],
)
def test_traffic_that_cannot_be_read(filled, tmp_path, text, says):
    path = tmp_path / "traffic.txt"
    path.write_text(text)
    assert says in filled.fails("calibrate", "--traffic", str(path))
    assert filled.json("stats")["revision"] == 1  # nothing was settled


def test_an_empty_memory_has_nothing_to_calibrate_for(filled):
    filled.ok("retire", "sport", "capital")
    assert "no live edit" in filled.fails("calibrate")
    assert "no namespace 'none'" in filled("calibrate", namespace="none").stderr


def test_json_is_all_there_is_on_stdout(filled):
    json.loads(filled.ok("calibrate", "--json"))
