"""The edited model on a baked base: the weights answer what is baked, the memory the rest."""

from __future__ import annotations

import pytest
import torch

from memedit import Edit, EditedModel, EditMemory
from memedit.baking.make import bake
from memedit.errors import BakeError
from memedit.models.fingerprint import weights_fingerprint
from tests.baking.conftest import ADA, BOB
from tests.baking.learning import ANY, LEARNING, Settings
from tests.models.tiny import tiny_chat_model

BAKED, IN_MEMORY, ELSEWHERE = "What does Ada play?", "What does Bob play?", "Why is the sky blue?"


@pytest.fixture
def memory(tmp_path):
    with EditMemory.open(tmp_path / "facts.db") as memory:
        memory.add([ADA.changed(question="What does Ada play?"), BOB])
        yield memory


@pytest.fixture
def baked(memory, model):
    """Bakes Ada's edit into the model."""
    edits = [memory.get("ada")]
    report = bake(memory, model, edits, LEARNING, Settings(), moments=None, limits=ANY)
    assert report.count("baked") == 1
    return report.bake


def test_baked_base_and_remaining_memory_together(memory, model, baked):
    edited = EditedModel(tiny_chat_model(), memory)  # a process of its own would load it so
    answer = edited.ask(BAKED, max_tokens=12)
    assert answer.route == "base"
    assert answer.edits == ()
    assert "golf" in answer.text
    assert edited.ask(IN_MEMORY, max_tokens=12).edits == (memory.get("bob"),)
    for query in (BAKED, ELSEWHERE):  # off scope: the baked base's own answer, to the last bit
        _, answering, prompt = edited.prepare_many([query])[0]
        ids, scores = answering.token_ids_and_scores(prompt, max_tokens=12)
        base_ids, base_scores = model.token_ids_and_scores(prompt, max_tokens=12)
        assert ids == base_ids
        assert torch.equal(scores, base_scores)
        text = edited.ask(query, max_tokens=12).text
        assert text == model.invoke(query, max_tokens=12).text
        assert text == edited.ask_base(query, max_tokens=12).text


def test_an_edited_model_bakes_and_unbakes(memory, model):
    edited, before = EditedModel(model, memory), weights_fingerprint(model.engine.model)
    how = {"method": LEARNING, "settings": Settings(), "moments": None, "limits": ANY}
    assert edited.bake("ada", dry_run=True, **how).bake is None
    report = edited.bake("ada", **how)
    assert [bake.id for bake in memory.bakes()] == [report.bake]
    assert edited.route(BAKED).route == "base"
    assert edited.unbake(report.bake).returned == ["ada"]
    assert weights_fingerprint(model.engine.model) == before
    assert edited.route(BAKED).edits == (memory.get("ada"),)


def test_a_newer_edit_wins_from_memory_until_the_bake_is_taken_out(memory, model, baked):
    edited = EditedModel(tiny_chat_model(), memory)
    assert edited.route(BAKED).route == "base"
    newer = Edit(id="newer", subject="Ada", prompt="{} plays", target_new="polo")
    memory.add(newer)
    assert [edit.id for edit in edited.route(BAKED).edits] == ["newer"]
    memory.retire("newer")
    assert "golf" in edited.ask(BAKED, max_tokens=12).text  # the weights still say so


def test_another_process_unbakes_between_two_questions(memory, model, baked):
    base = tiny_chat_model()
    edited = EditedModel(base, memory)
    assert edited.route(BAKED).route == "base"
    with EditMemory.open(memory.path) as other:
        other.end_bake([baked])
    assert [edit.id for edit in edited.route(BAKED).edits] == ["ada"]
    fresh = tiny_chat_model().engine.model.state_dict()
    assert all(torch.equal(w, fresh[k]) for k, w in base.engine.model.state_dict().items())


def test_other_weights_and_other_namespaces_are_refused(memory, model, baked):
    with pytest.raises(BakeError, match="unbake --all"):
        EditedModel(tiny_chat_model(seed=1), memory)
    memory.in_namespace("other").add(BOB.changed(id="b2"))
    with pytest.raises(BakeError, match="another namespace"):
        EditedModel(model, memory.in_namespace("other"))
    untouched = EditedModel(other := tiny_chat_model(), memory.in_namespace("other"))
    assert untouched.route(ELSEWHERE).route == "base"
    EditedModel(other, memory)  # whoever comes second must not change the first one's base
    with pytest.raises(BakeError, match="another namespace"):
        untouched.route(ELSEWHERE)
