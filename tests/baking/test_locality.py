"""Answers about other subjects: kept where the same tokens would be chosen again."""

from __future__ import annotations

import torch

from memedit.baking.locality import answered
from memedit.models.tokens import padded

TEXTS = ["Why is the sky blue?", "Hello", "What does Ada play in the evening?"]


def test_all_is_kept_by_the_same_weights_and_less_by_others(model):
    told = []
    others = answered(model, TEXTS, lambda done, of: told.append((done, of)))
    assert len(others.prompts) == len(others.answers) == len(TEXTS)
    assert told == [(3, 3)]
    assert others.kept(model.engine, lambda *_: None) == 1.0
    head = model.engine.model.get_output_embeddings()
    with torch.no_grad():
        head.weight.copy_(head.weight.roll(1, dims=0))
    assert others.kept(model.engine, lambda *_: None) < 0.5


def test_each_token_is_judged_after_those_that_were_given(model):
    others = answered(model, TEXTS, lambda *_: None)
    head = model.engine.model.get_output_embeddings()
    with torch.no_grad():
        head.weight[others.answers[0][0]] = 0  # the first token of an answer becomes unlikely
    rows = [[*p, *a] for p, a in zip(others.prompts, others.answers, strict=True)]
    ids, mask = padded(rows, model.engine.tokens.pad_id, model.engine.model.device, side="right")
    with torch.no_grad():
        first = model.engine.model(input_ids=ids, attention_mask=mask).logits.argmax(-1)
    same = [
        int(first[i, len(prompt) - 1 + j]) == token
        for i, (prompt, answer) in enumerate(zip(others.prompts, others.answers, strict=True))
        for j, token in enumerate(answer)
    ]
    assert 0 < sum(same) / len(same) < 1
    assert others.kept(model.engine, lambda *_: None) == sum(same) / len(same)
