"""The benchmark of commonsense edits: what it makes of outcomes and of chosen layers."""

from __future__ import annotations

import json

import commonsense
import pytest
from commonsense import WAYS, Benchmark, Bounded, layer_maps, layer_table
from frontier import changed

from memedit.bake import load_settings, method_names
from memedit.bake.dem import Settings
from tests.bake.small import MOMENTS, PREFIXES, TARGET
from tests.evaluate.datasets.test_commonsense import record
from tests.models.tiny import tiny_chat_model

LAYERS = {
    "dem": {
        "all": {"edits": 4, "chosen": [0, 4, 3, 1]},
        "others want to": {"edits": 3, "chosen": [0, 3, 3, 0]},
        "which means": {"edits": 1, "chosen": [0, 1, 0, 1]},
    }
}


@pytest.fixture
def benchmark_of_two(tmp_path, monkeypatch):
    """The benchmark over two events, on a tiny random model."""
    events = ["PersonX mends ___ for PersonY", "PersonX sings a song"]
    records = [record(case_id=i) for i in range(2)]
    for data, event in zip(records, events, strict=True):
        data["requested_rewrite"]["subject"] = event
    (tmp_path / "ckebench.json").write_text(json.dumps(records))
    chat = tiny_chat_model()
    small = Settings(layers=(0, 1), top=1, share=0.5, token="subject", target=TARGET,
                     prefixes=PREFIXES, moments=MOMENTS, boundary=0, among=(0,))  # fmt: skip
    monkeypatch.setattr(commonsense, "load_local_model", lambda **_: chat)
    monkeypatch.setattr(commonsense, "load_settings", lambda *_, **__: small)
    monkeypatch.setattr(commonsense, "is_dev", lambda *_: True)
    monkeypatch.setattr(commonsense, "BOUNDARY", 0)
    return Benchmark(tmp_path, tmp_path / "keep", 2, None, None)


def test_every_way_is_measured_and_compared_with_the_others(benchmark_of_two):
    for name in ("base", "dem", "dem, no attention"):
        found = {figure.name: figure for figure in benchmark_of_two.section(name)}
        assert found[f"{name}: reliability"].n == 2
    assert benchmark_of_two.layers["dem"]["all"] == {"edits": 2, "chosen": [2, 0]}
    compared = {figure.name.split(":")[0] for figure in benchmark_of_two.section("tests")}
    assert compared == {"dem less base", "dem less dem, no attention"}


def test_layers_are_chosen_for_events_that_are_not_edited(benchmark_of_two):
    found = {figure.name: figure for figure in benchmark_of_two.section("choice")}
    sets = found["choice by cosines of block: sets of layers that are chosen"]
    assert sets.value in (1, 2)
    assert benchmark_of_two.layers["attention, inner layers"]["all"]["edits"] == 2


def test_layers_are_shown_by_relation_in_per_cent_of_the_edits():
    lines = layer_table(LAYERS).splitlines()
    assert lines[3] == "| relation | edits | 1 | 2 | 3 |"
    assert lines[5:] == [
        "| all | 4 | 100 | 75 | 25 |",
        "| others want to | 3 | 100 | 100 | 0 |",
        "| which means | 1 | 100 | 0 | 100 |",
    ]


def test_the_picture_has_a_row_for_each_relation_the_commonest_first():
    fixed = {"all": {"edits": 4, "chosen": [0, 4, 4, 0]}}
    [found] = layer_maps({**LAYERS, "dem, fixed layers": fixed})
    assert (found.title, found.rows) == ("dem", ("all", "others want to", "which means"))
    assert found.values.tolist() == [[0, 1, 0.75, 0.25], [0, 1, 1, 0], [0, 1, 0, 1]]


def test_an_interval_of_ones_own_is_kept():
    found = Bounded("dem less memit", -0.25, 30, low=-0.4, high=-0.1).to_dict()
    assert (found["value"], found["low"], found["high"], found["n"]) == (-0.25, -0.4, -0.1, 30)


def test_every_ablation_changes_settings_that_there_are():
    for way in WAYS.values():
        assert way.method in {"base", "in-context", "memory", *method_names()}
        if way.update:
            settings = load_settings(way.method, source="smollm2-135m")
            for name, value in way.update.items():
                assert changed(settings, {name: value}) != settings
