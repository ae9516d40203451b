"""Attention to a shared prefix: the numbers of a copy for every row, and nothing left behind."""

from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from memedit.errors import ModelError
from memedit.models import shared_attention, together
from memedit.models.attention import can_replace
from memedit.models.decoding import Decoding
from memedit.models.shared_attention import SharedRows
from memedit.models.together import CopiedRows, decode_together, read_prefix
from memedit.models.tokens import Tokens, padded
from tests.models.tiny import tiny_network, tiny_tokenizer

PREFIX = list(range(30, 70))
SUFFIXES = [[5, 6, 7], [9], [1, 2, 3, 4, 5, 6, 8]]


def gpt2() -> GPT2LMHeadModel:
    """A random GPT-2: as many key heads as heads, learned positions."""
    config = GPT2Config(
        vocab_size=80, n_embd=32, n_layer=2, n_head=4, n_positions=128, initializer_range=0.3,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GPT2LMHeadModel(config).eval()


NETWORKS = {"llama": lambda: tiny_network().eval(), "gpt2": gpt2}


@torch.inference_mode()
def logits(
    model: PreTrainedModel, batch: SharedRows | CopiedRows, steps: list[list[int]]
) -> torch.Tensor:
    """Logits ``[steps, rows, vocabulary]``; the second row is left behind after two steps."""
    ids, mask = padded(SUFFIXES, 0, model.device, side="left")
    positions = (mask.cumsum(1) - 1).clamp_min(0) + len(PREFIX)
    found = []
    for step, tokens in enumerate(steps):
        out = batch.read(ids, mask, positions)
        if step == 2:
            keep = torch.tensor([0, 2])
            batch.keep(keep)
            mask, positions, out = mask[keep], positions[keep], out[keep]
        found.append(out[[0, -1]])
        ids, positions = torch.tensor(tokens[: len(mask)])[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return torch.stack(found)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-12), (torch.bfloat16, 0.25)]
)
def test_logits_are_those_of_a_copy_for_every_row(
    name: str, dtype: torch.dtype, close: float
) -> None:
    model = NETWORKS[name]().to(dtype)
    assert can_replace(model)
    prefix = read_prefix(model, PREFIX, None).cache
    assert prefix is not None
    before = [layer.keys.clone() for layer in prefix.layers]
    steps = [[11, 12, 13], [14, 15, 16], [17, 18, 19], [20, 21, 22]]
    shared = logits(model, SharedRows(model, prefix), steps)
    copied = logits(model, CopiedRows(model, prefix, len(SUFFIXES)), steps)
    assert (shared - copied).abs().max() <= close * copied.abs().max()
    assert all(torch.equal(a, b.keys) for a, b in zip(before, prefix.layers, strict=True))


def test_written_out_attention_is_the_kernels() -> None:
    query, key, value = (torch.randn(2, 3, n, 8) for n in (4, 5, 5))
    mask = torch.zeros(2, 1, 4, 5).masked_fill_(torch.arange(5) > 2, -torch.inf)
    out, sums = shared_attention._attend(query, key, value, mask, 0.3)
    wider = torch.cat([value, value], dim=-1)  # a width the kernel does not take
    written, same = shared_attention._attend(query, key, wider, mask, 0.3)
    assert torch.allclose(written[..., :8], out, atol=1e-6)
    assert torch.allclose(sums, same, atol=1e-6)


def test_tokens_and_margins_are_those_of_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_network().eval()
    tokens = Tokens(tiny_tokenizer(), "tiny", None)
    prefix = read_prefix(model, PREFIX, None)
    prompts = [[*PREFIX, *suffix] for suffix in SUFFIXES]
    rows = {}
    for least in (0, 10_000):
        monkeypatch.setattr(together, "LEAST_SHARED", least)
        rows[least] = decode_together(
            model, prompts, Decoding(max_tokens=24), prefix=prefix, tokens=tokens
        )
    for shared, copied in zip(rows[0], rows[10_000], strict=True):
        assert shared.ids == copied.ids
        assert shared.margin == pytest.approx(copied.margin, abs=1e-4)


def test_the_models_own_attention_is_back_after_an_error() -> None:
    model = tiny_network().eval()
    prefix = read_prefix(model, PREFIX, None).cache
    assert prefix is not None
    one = torch.ones(1, 1, dtype=torch.long)
    with pytest.raises(IndexError):
        SharedRows(model, prefix).read(one * 10_000, one, one)
    assert model.config._attn_implementation == "sdpa"
    with pytest.raises(LookupError):
        shared_attention._CALL.get()


def test_layers_that_do_not_come_by_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_network().eval()
    prefix = read_prefix(model, PREFIX, None).cache
    assert prefix is not None
    monkeypatch.setattr(shared_attention, "NAME", "sdpa")  # its own attention goes on
    one = torch.ones(1, 1, dtype=torch.long)
    with pytest.raises(ModelError, match="eager"):
        SharedRows(model, prefix).read(one, one, one)


def test_other_attention_than_plain_is_left_alone() -> None:
    model = tiny_network()
    model.set_attn_implementation("eager")
    assert not can_replace(model)


def test_a_model_that_adds_to_its_scores_is_refused() -> None:
    some = torch.zeros(1, 1, 1, 4)
    with pytest.raises(ModelError, match="position_bias"):
        shared_attention._attention(torch.nn.Identity(), some, some, some, None, position_bias=some)
