"""What conversations were read of is not read again, and changes no answer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from transformers import DynamicCache

from memedit.models import together
from memedit.models.branches import Branch, Branches, put, taken
from tests.models.test_prefix import BEGINNING, QUESTIONS, read_lengths
from tests.models.tiny import tiny_chat_model


def branch(asked, ids):
    """A branch whose keys are its ids, so that it shows which of them it has."""
    layer = torch.tensor(ids, dtype=torch.float32).reshape(1, -1, 1)
    return Branch(tuple(asked), tuple(ids), ((layer, layer + 100),))


def test_a_prompt_goes_on_from_the_branch_it_begins_with_as_far_as_both_agree():
    branches = Branches()
    branches.keep(branch([1, 2], [1, 2, 3, 4]))
    branches.keep(branch([1, 5], [1, 5, 6]))
    found = branches.take([1, 2, 3, 9, 9])
    assert found.ids == (1, 2, 3) and found.layers[0][0].flatten().tolist() == [1, 2, 3]
    assert branches.tokens == 3  # it is no longer kept, the other one is
    assert branches.take([1, 2, 3, 9, 9]) is None


def test_a_branch_is_not_another_conversations():
    branches = Branches()
    branches.keep(branch([1, 2, 7], [1, 2, 7, 8]))
    assert branches.take([1, 2, 3, 4]) is None
    assert branches.tokens == 4


def test_something_is_always_left_to_read():
    branches = Branches()
    branches.keep(branch([1, 2], [1, 2, 3]))
    assert branches.take([1, 2]).ids == (1,)


def test_the_oldest_are_forgotten_first():
    branches = Branches(most=5)
    for first in (1, 2, 3):
        branches.keep(branch([first], [first, 9]))
    assert branches.tokens == 4
    assert branches.take([1, 0]) is None and branches.take([2, 0]) and branches.take([3, 0])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_what_is_taken_from_a_cache_is_put_back_as_it_was(lengths):
    some = [branch(range(10 * i, 10 * i + n), range(10 * i, 10 * i + n)) if n else None
            for i, n in enumerate(lengths)]  # fmt: skip
    cache = DynamicCache()
    mask = put(cache, some, torch.device("cpu"))
    assert mask.sum(1).tolist() == lengths
    for row, one in enumerate(some):
        if one:
            again = taken(cache, row, mask[row], one.asked, one.ids)
            assert torch.equal(again.layers[0][0], one.layers[0][0])
            assert torch.equal(again.layers[0][1], one.layers[0][1])


@pytest.mark.parametrize("said", ["its own reply", "another"])
def test_turns_are_answered_as_if_everything_were_read_again(monkeypatch, said):
    monkeypatch.setattr(together, "LEAST_SHARED", 8)
    model = tiny_chat_model(max_tokens=6)
    talks = [[*BEGINNING, HumanMessage(question)] for question in QUESTIONS]
    prefix = model.read_prefix(BEGINNING)
    lengths = read_lengths(model, monkeypatch)
    for turn in range(3):
        if turn == 2:
            talks.append([*BEGINNING, HumanMessage("One that comes later.")])
        lengths.clear()
        answers = model.generate_many(talks, prefix=prefix)
        read = lengths[0]
        whole = max(len(model.prompt_ids(talk)) for talk in talks) - len(prefix.ids)
        assert read == whole if turn == 0 else read < whole
        expected = [model.generate_many([talk])[0].content for talk in talks]
        assert [answer.content for answer in answers] == expected
        for talk, answer in zip(talks, answers, strict=True):
            talk.append(AIMessage(answer.content if said == "its own reply" else "Ah."))
            talk.append(HumanMessage("And then, pray tell?"))


def test_a_prefix_for_one_call_keeps_nothing(monkeypatch):
    monkeypatch.setattr(together, "LEAST_SHARED", 8)
    kept = []
    monkeypatch.setattr(Branches, "keep", lambda self, branch: kept.append(branch))
    model = tiny_chat_model(max_tokens=2)
    talks = [[*BEGINNING, HumanMessage(question)] for question in QUESTIONS]
    model.generate_many(talks)
    assert kept == []
    model.generate_many(talks, prefix=model.read_prefix(BEGINNING))
    assert len(kept) == len(talks)
