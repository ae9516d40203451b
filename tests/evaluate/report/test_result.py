import json

import pytest

from memedit.evaluate.report.result import Result, ResultError, read_result


def test_round_trip_through_json(full, small):
    for result in (full, small):
        assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_the_json_has_the_documented_form(full):
    data = full.to_dict()
    assert data["schema"] == 1
    assert data["metrics"]["reliability"] == {
        "value": 0.775, "low": 0.75, "high": 0.8, "n": 80, "base": 0.0125
    }  # fmt: skip
    assert data["by_relation"]["capital"]["locality"] == [1.0, 200]
    assert data["cases"]["dropped"] == {
        "the target is already true": {"count": 8, "examples": ["4", "9"]}
    }
    assert data["k"] == ["1", "10", "all"]


def test_what_may_be_left_out_has_defaults(small):
    data = small.to_dict()
    for name in ("description", "method_settings", "seed", "limit", "machine", "sweep",
                 "reliability_diagram", "latency", "by_relation"):  # fmt: skip
        del data[name]
    assert Result.from_dict(data) == small


def test_figures_of_the_largest_k_join_those_of_the_sweep(full):
    assert full.largest_k == "all"
    assert "peak_rss_mb" in full.at("all")
    assert "peak_rss_mb" not in full.at("1")
    assert full.at("1")["es"].value == 0.95
    assert full.at("1000") == {}


def test_missing_fields_are_all_named(small):
    data = small.to_dict()
    del data["suite"], data["model"]["name"]
    with pytest.raises(ResultError, match=r"^run\.json: suite is missing; model\.name is missing"):
        Result.from_dict(data, name="run.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": {"es": {"value": 0.5, "n": 3}}}, "metrics.es.low is missing; metrics.es.high"),
        ({"metrics": {"es": {"value": float("nan"), "low": 0, "high": 1, "n": 3}}},
         "metrics.es.value is nan"),
        ({"protocol": "batches"}, "protocol is 'batches'"),
        ({"k": "all"}, "k is 'all'"),
        ({"metric": {}}, "metric is unknown"),
        ({"schema": 2}, "schema is 2, not 1"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named_with_their_value(small, change, message):
    with pytest.raises(ResultError) as caught:
        Result.from_dict({**small.to_dict(), **change})
    assert message in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("data", [[], "text", None, {}])
def test_what_is_no_result_is_refused(data):
    with pytest.raises(ResultError, match="schema is None"):
        Result.from_dict(data)


def test_reading_a_file(tmp_path, full):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(full.to_dict()), encoding="utf-8")
    assert read_result(path) == full


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(ResultError, match=r"none\.json: cannot be read"):
        read_result(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"schema": 1, ', encoding="utf-8")
    with pytest.raises(ResultError, match=r"half\.json: is not JSON"):
        read_result(tmp_path / "half.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(ResultError, match=r"bytes\.json: is not JSON"):
        read_result(tmp_path / "bytes.json")
