from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, MixtralConfig

from memedit.errors import ModelError
from memedit.models.architecture import FAMILIES, Blocks, architecture_of, discover, weight_of
from tests.bake.small import CONFIGS, KEYS, LAYERS, WIDTH, network


@pytest.mark.parametrize("family", CONFIGS)
def test_table_and_structure_agree(family):
    model = network(family)
    found = discover(model)
    assert architecture_of(model) == FAMILIES.get(model.config.model_type, found)
    assert found == FAMILIES.get(model.config.model_type, found)
    blocks = Blocks(model)
    assert len(blocks) == LAYERS
    assert (blocks.width, blocks.key_width) == (WIDTH, KEYS)
    assert blocks.mlp_out(2) is model.get_submodule(blocks.mlp_out_path(2))
    assert weight_of(blocks.attn_out(0)).shape == (WIDTH, WIDTH)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_weight_reads_as_out_by_in_whatever_the_module(family):
    module = Blocks(network(family)).mlp_out(1)
    x = torch.randn(3, KEYS, dtype=torch.float64)
    expected = module(x) - (module.bias if getattr(module, "bias", None) is not None else 0)
    assert torch.allclose(x @ weight_of(module).T, expected)
    weight_of(module).zero_()  # it shares memory with the parameter
    assert not module.weight.any()


def test_a_mixture_of_experts_is_refused_with_what_was_looked_for():
    config = MixtralConfig(
        vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, num_local_experts=2,
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"looked for in each block of model\.layers one linear"):
        architecture_of(AutoModelForCausalLM.from_config(config))


def test_a_model_without_blocks_is_refused():
    model = network()
    model.model.layers = nn.ModuleList([model.model.layers[0]])
    with pytest.raises(ModelError, match="looked for one list of 4 blocks; found none"):
        discover(model)


def test_quantised_weights_are_refused():
    model = network("llama", torch.float32)
    layer = model.model.layers[3].mlp.down_proj
    layer.weight = nn.Parameter(layer.weight.to(torch.int8), requires_grad=False)
    with pytest.raises(ModelError, match="not a plain floating-point matrix"):
        Blocks(model)
