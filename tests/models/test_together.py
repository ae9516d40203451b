"""Many prompts at once: the tokens and the scores of each alone."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage

from memedit.models.decoding import Decoding
from memedit.models.scoring import score_of
from memedit.models.together import can_decode_together, keeps_everything, shared_prefix
from memedit.models.tokens import common_prefix
from tests.models.tiny import tiny_chat_model, tiny_network


def conversations(n: int, seed: int = 0) -> list[list[HumanMessage]]:
    rng = random.Random(seed)
    return [
        [HumanMessage("".join(rng.choices("abc defg", k=rng.randint(1, 60))) + ".")]
        for _ in range(n)
    ]


def test_together_each_gets_the_answer_it_gets_alone() -> None:
    model = tiny_chat_model(max_tokens=24)
    asked = conversations(80)
    alone = [model.generate_many([messages])[0] for messages in asked]
    together = model.generate_many(asked, exact=True)
    assert [m.content for m in together] == [m.content for m in alone]
    assert [m.usage_metadata for m in together] == [m.usage_metadata for m in alone]
    assert [m.response_metadata for m in together] == [m.response_metadata for m in alone]


def test_stop_strings_end_a_row_where_they_end_it_alone() -> None:
    model = tiny_chat_model(max_tokens=24)
    asked = conversations(24, seed=1)
    text = str(model.generate_many(asked[:1])[0].content)
    stop = [text[3:5], text[6:7] or text[:1]]
    alone = [model.generate_many([messages], stop=stop)[0].content for messages in asked]
    assert [m.content for m in model.generate_many(asked, stop=stop, exact=True)] == alone
    assert any(stop[0] not in str(answer) for answer in alone)


def test_long_prompts_that_fill_the_context_are_answered_beside_short_ones() -> None:
    model = tiny_chat_model(max_tokens=40)
    asked = [[HumanMessage("x" * 440)], *conversations(5)]
    alone = [model.generate_many([messages])[0].content for messages in asked]
    assert [m.content for m in model.generate_many(asked, exact=True)] == alone


def test_a_model_whose_own_settings_change_greedy_decoding_goes_the_slow_way() -> None:
    network = tiny_network()
    assert can_decode_together(network, Decoding())
    assert not can_decode_together(network, Decoding(temperature=0.5))
    network.generation_config.repetition_penalty = 1.3
    assert not can_decode_together(network, Decoding())


def test_a_sliding_window_is_not_cut_into_prefixes() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    config = MistralConfig(
        vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, sliding_window=8,
    )  # fmt: skip
    assert not keeps_everything(MistralForCausalLM(config))


def test_an_out_of_memory_error_halves_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    from memedit.models import engine

    model = tiny_chat_model(max_tokens=8)
    asked = conversations(9)
    wanted = [m.content for m in model.generate_many(asked)]
    whole, sizes = engine.decode_together, []

    def small(network: object, prompts: list[list[int]], *args: object, **kwargs: object) -> object:
        sizes.append(len(prompts))
        if len(prompts) > 3:
            raise torch.OutOfMemoryError("none left")
        return whole(network, prompts, *args, **kwargs)

    monkeypatch.setattr(engine, "decode_together", small)
    monkeypatch.setattr(torch.accelerator, "empty_cache", lambda: None)
    assert [m.content for m in model.generate_many(asked)] == wanted
    assert sizes[0] == 9 and max(s for s in sizes if s <= 3) <= 3


def whole_scores(model, pairs):
    engine = model.engine
    return engine._score_whole([engine.tokens.joined(p, c) for p, c in pairs])


def test_scores_are_those_of_each_text_read_as_a_whole() -> None:
    model = tiny_chat_model()
    rng = random.Random(3)
    pairs = []
    for messages in conversations(30, seed=4):
        prompt = str(messages[0].content)
        for _ in range(rng.randint(1, 3)):
            pairs.append((prompt, " " + "".join(rng.choices("abc", k=rng.randint(1, 9)))))
    rng.shuffle(pairs)
    got = model.score([p for p, _ in pairs], [c for _, c in pairs])
    want = whole_scores(model, pairs)
    for a, b in zip(got, want, strict=True):
        assert a.log_prob == pytest.approx(b.log_prob, abs=1e-4)
        assert (a.tokens, a.hits) == (b.tokens, b.hits)


def test_hits_count_the_models_own_first_choices() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    score = score_of(logits, [1, 1, 2])
    assert (score.tokens, score.hits) == (3, 2)
    # log softmax of the chosen: 2 - ln(1 + e^2 + e), 0 - ln(e^3 + 2), 5 - ln(e^5 + 2)
    assert score.log_prob == pytest.approx(-0.40761 - 3.09489 - 0.01339, abs=1e-4)


@given(st.lists(st.lists(st.integers(0, 3), max_size=8), min_size=1, max_size=5))
def test_common_prefix_is_what_all_rows_begin_with(rows: list[list[int]]) -> None:
    prefix = common_prefix(rows)
    assert all(row[: len(prefix)] == prefix for row in rows)
    longer = len(prefix) + 1
    assert len({tuple(row[:longer]) for row in rows}) > 1 or len(rows[0]) == len(prefix)


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(2, 5))
def test_a_shared_prefix_leaves_every_prompt_a_token(length: int, rows: int) -> None:
    prefix = shared_prefix([list(range(length)) for _ in range(rows)])
    assert len(prefix) < length
