"""The benchmark of commonsense edits: what it makes of outcomes and of chosen layers."""

from __future__ import annotations

from commonsense import WAYS, Bounded, layer_maps, layer_table

from memedit.bake import load_settings, method_names
from memedit.bake.dem import Settings

LAYERS = {
    "dem": {
        "all": {"edits": 4, "chosen": [0, 4, 3, 1]},
        "others want to": {"edits": 3, "chosen": [0, 3, 3, 0]},
        "which means": {"edits": 1, "chosen": [0, 1, 0, 1]},
    }
}


def test_layers_are_shown_by_relation_in_per_cent_of_the_edits():
    lines = layer_table(LAYERS).splitlines()
    assert lines[3] == "| relation | edits | 1 | 2 | 3 |"
    assert lines[5:] == [
        "| all | 4 | 100 | 75 | 25 |",
        "| others want to | 3 | 100 | 100 | 0 |",
        "| which means | 1 | 100 | 0 | 100 |",
    ]


def test_the_picture_has_a_row_for_each_relation_the_commonest_first():
    [found] = layer_maps(LAYERS)
    assert (found.title, found.rows) == ("dem", ("all", "others want to", "which means"))
    assert found.values.tolist() == [[0, 1, 0.75, 0.25], [0, 1, 1, 0], [0, 1, 0, 1]]


def test_an_interval_of_ones_own_is_kept():
    found = Bounded("dem less memit", -0.25, 30, low=-0.4, high=-0.1).to_dict()
    assert (found["value"], found["low"], found["high"], found["n"]) == (-0.25, -0.4, -0.1, 30)


def test_every_ablation_changes_settings_that_there_are():
    known = load_settings("dem", source="smollm2-135m").model_dump()
    for method, update in WAYS.values():
        assert method in {"base", "in-context", "memory", *method_names()}
        if method == "dem":
            assert all(known[name] != value for name, value in update.items())
            Settings.model_validate(known | update)
