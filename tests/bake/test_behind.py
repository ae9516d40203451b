"""What stands behind the subjects is read as it should be, and is left alone by what is written."""

from __future__ import annotations

import pytest
import torch

from memedit.bake import behind as behind_module
from memedit.bake import get_method
from memedit.bake.behind import with_behind
from memedit.bake.contexts import go_on, prepare
from memedit.bake.moments import products
from memedit.bake.reading import Site, read_last
from memedit.edit import Edit
from memedit.models.tokens import Tokens
from tests.bake.small import EDITS, MOMENTS, PREFIXES, TOKENS, editable
from tests.bake.test_methods import MADE, SETTINGS


def test_a_model_goes_on_with_what_is_likeliest_as_far_as_it_can_read():
    model = editable()
    rows = [tuple(TOKENS.encode_text(text)) for text in ("Oslo is", "The capital of Greece is")]
    expected = []
    for row in rows:  # one by one, without a cache or padding
        ids = list(row)
        for _ in range(5):
            with torch.no_grad():
                ids.append(int(model.network(torch.tensor([ids])).logits[0, -1].argmax()))
        expected.append(tuple(ids[len(row) :]))
    assert go_on(model, rows, 5) == expected
    assert go_on(model, rows, 0) == [(), ()]
    long = rows[0] * 200
    assert [len(found) for found in go_on(model, [long[:254], long[:256]], 5)] == [0, 0]
    assert [len(found) for found in go_on(model, [long[:254]], 5)] == [2]
    model.tokens = Tokens(TOKENS.tokenizer, "tiny", [expected[0][2]])
    first = expected[0].index(expected[0][2])
    assert go_on(model, rows[:1], 5) == [expected[0][:first]]


@pytest.mark.parametrize("part", ["mlp_in", "attn_in"])
def test_keys_behind_the_subjects_are_added(part, monkeypatch):
    model = editable()
    monkeypatch.setattr(behind_module, "ROWS", 2)  # several batches
    prepared = prepare(model, EDITS, PREFIXES, seed=0)
    made = MADE.of(model, [1, 2], MOMENTS, part=part)
    assert with_behind(model, prepared, made, 0.0, part=part) is made
    found = with_behind(model, prepared, made, 0.5, part=part)
    for layer in (1, 2):
        keys = []
        for texts in prepared.texts:
            prompt = texts[0].ids[: texts[0].target]
            row = prompt + go_on(model, [prompt], behind_module.TOKENS)[0]
            for end in range(texts[0].subject + 1, len(row)):  # each as the last of its text
                site = Site(layer, part)
                keys.append(read_last(model, [row[: end + 1]], [site])[site][0])
        stacked = torch.stack(keys)
        expected = made[layer] + 0.5 * stacked.T @ stacked / len(keys)
        assert torch.allclose(found[layer], expected, atol=1e-10)


def test_products_count_from_where_they_are_told_to():
    model = editable()
    rows = [tuple(TOKENS.encode_text(text)) for text in ("Oslo is", "The capital of Greece is")]
    whole = products(model, rows, [1], "mlp_in")[1]
    tail = products(model, rows, [1], "mlp_in", starts=[0, len(rows[1]) - 1])[1]
    head = products(model, [rows[1][:-1]], [1], "mlp_in")[1]
    assert torch.allclose(whole, tail + head, atol=1e-10)


@pytest.mark.parametrize("name", ["dem", "memit", "pmet"])
def test_what_stands_behind_is_changed_less(name):
    edits = [
        Edit(id=f"e{i}", subject=subject, prompt="{}, as a result, others want", target_new="golf")
        for i, subject in enumerate(("X mends a tire", "Y sings", "Z goes to Oslo"))
    ]
    model, site = editable(), Site(2, "mlp_out")
    prepared = prepare(model, edits, PREFIXES, seed=0)
    rows = [texts[0].ids[:end] for texts in prepared.texts
            for end in range(texts[0].subject + 2, texts[0].target + 1)]  # fmt: skip
    before = read_last(model, rows, [site])[site]
    moved = []
    for behind in (0.0, 1000.0):
        settings = SETTINGS[name].model_copy(update={"behind": behind})
        if name == "dem":
            settings = settings.model_copy(update={"dynamic": False, "token": "subject"})
        delta = get_method(name).compute(model, edits, settings, moments=MADE)
        model.apply(delta)
        moved.append(float((read_last(model, rows, [site])[site] - before).norm()))
        model.revert(delta.id)
    assert moved[1] < 0.8 * moved[0]
