"""What a step of the matcher's training reads."""

from __future__ import annotations

import random

import pytest

from memedit.scope.encoder import load_encoder
from memedit.train.groups import Item, ItemGroups, RelationGroups, draw_step
from memedit.train.wordings import Labelled, Relation


@pytest.fixture(scope="session")
def encoder():
    return load_encoder()


def relations(family="bank"):
    made = {
        "mother tongue": ("The mother tongue of it is", "it grew up speaking"),
        "capital": ("The capital of it is", "Which city governs it?"),
        "coach": ("The coach of it is", "Who trains it?"),
        "manager": ("The manager of it is", "Who leads it?"),
    }
    return [
        Relation(family, name, list(texts), [texts[0]], [f"{name} object"])
        for name, texts in made.items()
    ]


def test_every_query_belongs_to_its_own_edit(encoder):
    group = RelationGroups(relations(), encoder).draw(random.Random(0), 4)
    owners = {text: r.name for r in relations() for text in r.asked}
    for query, edit in zip(group.queries, group.edits, strict=True):
        assert edit.endswith(f"{owners[query]} object")
    assert len(set(group.edits)) == 4
    assert not group.skip.any()


def test_kin_is_no_counterexample(encoder):
    known = relations()
    known[2].kin.add("manager")
    group = RelationGroups(known, encoder).draw(random.Random(0), 4)
    names = [edit.split()[-2] for edit in group.edits]
    coach, manager = names.index("coach"), names.index("manager")
    assert group.skip[coach, manager] and group.skip[manager, coach]
    assert group.skip.sum() == 2


def test_a_labelled_query_is_set_against_its_own_edit_alone(encoder):
    outside = Labelled("bank", "The coach's wife of it is", "The coach of it is", "x", label=False)
    group = RelationGroups(relations(), encoder, [outside]).draw(random.Random(0), 4)
    assert group.queries[-1] == outside.query
    counted = [edit for edit, skip in zip(group.edits, group.skip[-1], strict=True) if not skip]
    assert counted == ["The coach of it is coach object"]


def test_texts_of_one_prompt_are_not_compared(encoder):
    items = [
        Item("Rain falls, so people want shelter.", ("it rains, so",), same="Rain falls, so"),
        Item("Rain falls, so people want tea.", ("it pours, so",), ("it snows",), "Rain falls, so"),
        Item("Sun shines, so people want shade.", ("it is sunny, so",), same="Sun shines, so"),
    ]  # fmt: skip
    group = ItemGroups(items, encoder).draw(random.Random(1), 3)
    rain = [i for i, edit in enumerate(group.edits) if edit.startswith("Rain")]
    assert group.skip[rain[0], rain[1]] and group.skip[rain[1], rain[0]]
    assert group.queries[3:] == ["it snows"]
    assert (~group.skip[3]).sum() == 1


def test_a_step_is_the_same_whatever_was_drawn_before(encoder):
    sources = {"bank": (1.0, RelationGroups(relations(), encoder))}
    first = [group.queries for group in draw_step(sources, 0, 7, 3, 3)]
    draw_step(sources, 0, 8, 3, 3)
    assert [group.queries for group in draw_step(sources, 0, 7, 3, 3)] == first
    assert [group.queries for group in draw_step(sources, 1, 7, 3, 3)] != first


def test_chat_is_out_of_scope_of_every_edit(encoder):
    chat = ["I met it yesterday."]
    group = RelationGroups(relations(), encoder, chat=chat).draw(random.Random(0), 4)
    assert group.queries[-1] == chat[0]
    assert not group.skip[-1].any()
