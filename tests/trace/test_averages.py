"""Averages over prompts: by group, with intervals, against sums by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from memedit.evaluate.tracing.averages import averages, curve_of, mean_of
from memedit.evaluate.tracing.traced import from_dict, to_dict
from memedit.trace import KINDS, Trace, place
from tests.bake.small import TOKENS


def made(template="{} is", subject="ab", rise=0.0, layers=6):
    asked = place(TOKENS, template, subject, "x")
    shape = (asked.begin, layers)
    restored = {part: np.full(shape, 0.25) for part in KINDS}
    restored["mlp_out"][asked.last, 1] += 0.5 + rise
    restored["attn_out"][-1, 4] += 0.25
    return Trace(asked, "answer", 2, 0.9, 0.25, restored)


def test_a_mean_over_prompts_with_its_interval():
    found = mean_of([0.0, 1.0, np.nan, 1.0, 0.0])
    assert (found.value, found.n) == (0.5, 4)
    assert 0.0 <= found.low < 0.5 < found.high <= 1.0
    same = curve_of(np.array([[2.0, 3.0], [2.0, 3.0]]))
    assert (same.values, same.low, same.high, same.peak) == ((2.0, 3.0),) * 3 + (1,)


def test_effects_are_averaged_by_group_and_the_peak_is_found():
    came = averages([made(), made(rise=0.2), made("Then {} was")])
    assert came.n == 3
    assert came.total_effect.value == pytest.approx(0.65)
    early = came.effects["mlp_out"]["last subject token"]
    assert (early.peak, early.n) == (1, 3)
    assert early.values[1] == pytest.approx((0.5 + 0.7 + 0.5) / 3)
    assert early.low[1] <= early.values[1] <= early.high[1]
    late = came.effects["attn_out"]["last token"]
    assert (late.peak, late.values[4]) == (4, pytest.approx(0.25))
    # A group that one prompt lacks is averaged over the others; one that all lack is missing.
    assert came.effects["block_out"]["further tokens"].n == 3
    assert "middle subject tokens" not in came.effects["block_out"]


def test_the_published_shape_is_told_by_differences():
    claims = averages([made(), made(rise=0.1)]).contrasts
    early = claims["early site: the same less attention there"]
    assert early.value == pytest.approx(0.55 / 4)  # one of the four lower layers of six
    assert early.low > 0
    late = claims["late site: the same less MLPs there"]
    assert late.value == pytest.approx(0.25 / 4)
    assert claims["whole layers at the last token: upper third less lower third"].value == 0


def test_a_prompt_that_ends_in_its_subject_has_no_late_site():
    claims = averages([made("It is {}", "ab")]).contrasts
    assert not any("late" in name or "last token:" in name for name in claims)


def test_what_is_kept_is_read_back():
    one = made()
    back = from_dict(json.loads(json.dumps(to_dict(one))))
    assert back.prompt == one.prompt
    for part in KINDS:
        np.testing.assert_allclose(back.effects(part), one.effects(part), atol=1e-6)
    assert to_dict(back) == to_dict(one)


def test_what_was_not_tried_is_null_in_the_numbers():
    from memedit.evaluate.tracing.drawing import average_maps, curve_plots, map_plots
    from memedit.evaluate.tracing.reports import numbers

    one = made()
    for values in one.restored.values():
        values[:, 1::2] = np.nan
    came = averages([one, one])
    curve = numbers(came)["effects"]["attn_out"]["last token"]
    assert curve["values"][4] == pytest.approx(0.25) and curve["values"][1] is None
    json.dumps(numbers(came), allow_nan=False)
    pytest.importorskip("matplotlib")
    assert len(map_plots(average_maps(came), "x")) == len(curve_plots(came)) == 3
