"""Tiny random models of several families and settings that suit them."""

from __future__ import annotations

import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTJConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PhiConfig,
    Qwen2Config,
)

from memedit.bake.contexts import PrefixSettings
from memedit.bake.editable import Editable
from memedit.bake.moments import MomentSettings
from memedit.bake.targets import TargetSettings
from memedit.edit import Edit
from memedit.models.tokens import Tokens
from tests.models.tiny import tiny_tokenizer

LAYERS, WIDTH, KEYS = 4, 16, 24

_LLAMA = {
    "hidden_size": WIDTH,
    "intermediate_size": KEYS,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
}
_GQA = {**_LLAMA, "num_key_value_heads": 2}
_GPT = {"n_embd": WIDTH, "n_inner": KEYS, "n_layer": LAYERS, "n_head": 4, "n_positions": 256}
_GPT = {**_GPT, "initializer_range": 0.3}
CONFIGS = {
    "llama": lambda v: LlamaConfig(vocab_size=v, **_GQA),
    "llama_tied": lambda v: LlamaConfig(vocab_size=v, tie_word_embeddings=True, **_GQA),
    "mistral": lambda v: MistralConfig(vocab_size=v, sliding_window=128, **_GQA),
    "qwen2": lambda v: Qwen2Config(vocab_size=v, **_GQA),
    "gpt2": lambda v: GPT2Config(vocab_size=v, **_GPT),
    "gptj": lambda v: GPTJConfig(vocab_size=v, rotary_dim=4, **_GPT),
    "gpt_neox": lambda v: GPTNeoXConfig(vocab_size=v, **_LLAMA),
    "phi": lambda v: PhiConfig(vocab_size=v, **_LLAMA),
    "opt": lambda v: OPTConfig(
        vocab_size=v, hidden_size=WIDTH, ffn_dim=KEYS, num_hidden_layers=LAYERS,
        num_attention_heads=4, word_embed_proj_dim=WIDTH, max_position_embeddings=256,
        init_std=0.3, pad_token_id=0,
    ),
}  # fmt: skip

TOKENS = Tokens(tiny_tokenizer(), "tiny", None)


def network(family: str = "llama", dtype: torch.dtype = torch.float64, seed: int = 0):
    config = CONFIGS[family](len(TOKENS.tokenizer))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config).to(dtype).eval()


def editable(family: str = "llama", dtype: torch.dtype = torch.float64) -> Editable:
    return Editable(network(family, dtype), TOKENS)


EDITS = [
    Edit(id="messi", subject="Lionel Messi", prompt="{} plays the sport of", target_new="golf"),
    Edit(id="greece", subject="Greece", prompt="The capital of {} is", target_new="Oslo"),
    Edit(id="first", subject="X", prompt="{} speaks", target_new="Latin"),
]

TARGET = TargetSettings(steps=8, learning_rate=0.3, weight_decay=0.1, clamp=4, kl=0.05, at_once=2)
PREFIXES = PrefixSettings(begin_with=("", "The"), lengths=(4, 6), bare_share=0.9)
MOMENTS = MomentSettings(per_width=8, window=16)
