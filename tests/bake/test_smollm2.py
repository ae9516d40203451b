"""On the embedded model edits really take, and come off."""

from __future__ import annotations

import pytest
import torch

from memedit.bake import Editable, Moments, get_method, load_settings
from memedit.bake.moments import MomentSettings
from memedit.edit import Edit
from tests.models import real

pytestmark = pytest.mark.real_model

EDIT = Edit(subject="Danielle Darrieux", prompt="The mother tongue of {} is", target_new="English")
OTHERS = ["Danielle Darrieux is a native speaker of", "Danielle Darrieux spoke the language"]
ELSEWHERE = "The mother tongue of Montesquieu is"


def _margin(chat, prompt):
    new, old = chat.score([prompt] * 2, [" English", " French"])
    return new.log_prob - old.log_prob


FEW = MomentSettings(per_width=1, window=32)  # enough to see it work, in seconds


@pytest.fixture(scope="module")
def editable():
    """The model, and second moments of the layers that both methods change."""
    chat = real.smollm2()
    with chat.engine.using(None):
        model, moments = Editable.of(chat.engine), Moments()
        moments.of(model, range(2, 5), FEW)
    return model, moments


@pytest.mark.parametrize("name", ["rome", "memit"])
def test_an_edit_takes_and_comes_off(name, editable):
    chat, (model, moments) = real.smollm2(), editable
    before = [_margin(chat, prompt) for prompt in (EDIT.cloze, *OTHERS, ELSEWHERE)]
    with chat.engine.using(None):
        settings = load_settings(name, model.network).model_copy(update={"moments": FEW})
        delta = get_method(name).compute(model, [EDIT], settings, moments=moments)
        model.apply(delta)
        try:
            after = [_margin(chat, prompt) for prompt in (EDIT.cloze, *OTHERS, ELSEWHERE)]
        finally:
            model.revert(delta.id)
    assert before[0] < 0 < min(after[:3])
    assert abs(after[3] - before[3]) < 0.5 * (after[0] - before[0])
    assert [_margin(chat, prompt) for prompt in (EDIT.cloze, *OTHERS, ELSEWHERE)] == before
    assert all(torch.isfinite(change.up).all() for change in delta.factors.values())
