from __future__ import annotations

import torch

from memedit.bake import memory
from memedit.bake.contexts import prepare
from memedit.bake.memory import batch_bytes, within_memory
from memedit.edit import Edit
from tests.bake.small import EDITS, PREFIXES, TARGET, editable


def test_as_many_edits_at_once_as_there_is_room_for(monkeypatch, caplog):
    caplog.set_level("INFO", memory.log.name)
    model = editable()
    prepared = prepare(model, EDITS, PREFIXES, seed=0)
    wanted = TARGET.model_copy(update={"at_once": 64})
    needs = [
        batch_bytes(model, prepared, 1, wanted.model_copy(update={"at_once": n})) for n in (1, 2, 3)
    ]
    assert needs[0] < needs[1] < needs[2]
    solving = (1 + memory._SOLVING) * model.blocks.key_width**2 * 8
    for free, expected in ((solving + needs[2], 3), (solving + needs[2] - 1, 2)):
        monkeypatch.setattr(memory, "free_bytes", lambda _device, free=free: free)
        assert within_memory(model, prepared, [1], wanted).at_once == expected
        assert f"{free / 2**30:.1f} are free); {expected} edits at once" in caplog.text
    assert wanted.at_once == 64


def test_running_whole_texts_needs_more():
    model = editable()
    prepared = prepare(model, EDITS, PREFIXES, seed=0)
    whole = TARGET.model_copy(update={"reuse": False})
    assert batch_bytes(model, prepared, 1, whole) > 2 * batch_bytes(model, prepared, 1, TARGET)


def test_free_memory_is_that_of_the_computer():
    assert 2**20 < memory.free_bytes(torch.device("cpu")) < 2**50


def test_edits_with_one_vector_are_counted_together():
    model = editable()
    edits = [
        Edit(id=f"e{i}", subject="Oslo", prompt="{} is in " + "a" * i, target_new="golf")
        for i in range(4)
    ]
    prepared = prepare(model, edits, PREFIXES, seed=0)
    alone, joint = (TARGET.model_copy(update={"at_once": 2, "joint": on}) for on in (False, True))
    whole = TARGET.model_copy(update={"at_once": 4})
    assert batch_bytes(model, prepared, 1, alone) < batch_bytes(model, prepared, 1, whole)
    assert batch_bytes(model, prepared, 1, joint) == batch_bytes(model, prepared, 1, whole)
