"""Where a decoder-only network keeps its blocks and projections: a table, and a search.

Weight editing needs to know which module writes a block's knowledge into the residual stream. For
the families of :data:`FAMILIES` that is data; for any other network it is found by structure, and
where it cannot be found, the error says what was looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from memedit.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BlockOutput = Literal["tensor", "tuple"]


@dataclass(frozen=True)
class Architecture:
    """Module paths of one family.

    Attributes:
        blocks: The list of blocks, from the causal language model.
        mlp_out: A block's down-projection (``W_out``), from the block.
        attn_out: A block's attention output projection, from the block.
        block_output: Whether a block returns its hidden states alone or first in a tuple.
    """

    blocks: str
    mlp_out: str
    attn_out: str
    block_output: BlockOutput = "tensor"


_LLAMA = Architecture("model.layers", "mlp.down_proj", "self_attn.o_proj")

# By the configuration's model_type; block outputs as of transformers 5.
FAMILIES: dict[str, Architecture] = {
    "gpt2": Architecture("transformer.h", "mlp.c_proj", "attn.c_proj"),
    "gptj": Architecture("transformer.h", "mlp.fc_out", "attn.out_proj", "tuple"),
    "gpt_neox": Architecture("gpt_neox.layers", "mlp.dense_4h_to_h", "attention.dense"),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
}


class Blocks:
    """A network's blocks and their projections, also where adapters wrap a layer.

    Args:
        network: The causal language model.
        architecture: Its module paths; None to look them up or find them.

    Raises:
        ModelError: The blocks or projections cannot be found, or their weights are not plain
            floating-point matrices.
    """

    def __init__(self, network: PreTrainedModel, architecture: Architecture | None = None) -> None:
        self.network = network
        self.facts = architecture or architecture_of(network)
        self._list = cast("nn.ModuleList", network.get_submodule(self.facts.blocks))
        for layer in range(len(self._list)):
            for path in (self.facts.mlp_out, self.facts.attn_out):
                try:
                    projection = bare(self._list[layer].get_submodule(path))
                except AttributeError:
                    raise _not_found(
                        network, f"{path} in every block of {self.facts.blocks}", f"none in {layer}"
                    ) from None
                _check_weight(self.facts, projection)

    def __len__(self) -> int:
        return len(self._list)

    @property
    def width(self) -> int:
        """The width of the residual stream."""
        return shape_of(self.mlp_out(0))[0]

    @property
    def key_width(self) -> int:
        """The width of the keys: what goes into the MLPs' down-projections."""
        return shape_of(self.mlp_out(0))[1]

    def block(self, layer: int) -> nn.Module:
        """The block number ``layer``."""
        return self._list[layer]

    def mlp_out(self, layer: int) -> nn.Module:
        """The down-projection of a block's MLP."""
        return bare(self._list[layer].get_submodule(self.facts.mlp_out))

    def attn_out(self, layer: int) -> nn.Module:
        """The output projection of a block's attention."""
        return bare(self._list[layer].get_submodule(self.facts.attn_out))

    def mlp_out_path(self, layer: int) -> str:
        """The down-projection's path from the network, as PEFT and state dicts name it."""
        return f"{self.facts.blocks}.{layer}.{self.facts.mlp_out}"

    def attn_out_path(self, layer: int) -> str:
        """The attention output projection's path from the network."""
        return f"{self.facts.blocks}.{layer}.{self.facts.attn_out}"


def architecture_of(network: PreTrainedModel) -> Architecture:
    """The table's entry for the network's family where it fits, else what its structure shows.

    Raises:
        ModelError: Neither gives an answer; the message says what was looked for.
    """
    known = FAMILIES.get(network.config.model_type)
    if known is not None and _fits(network, known):
        return known
    return discover(network)


def discover(network: PreTrainedModel) -> Architecture:
    """Module paths by structure.

    The blocks are the one list of as many modules as the configuration counts layers. In a block,
    the attention's output projection is the linear layer below a module called like "attention"
    whose output is as wide as the residual stream and whose name ends the list; the MLP's is the
    only linear layer elsewhere that narrows to the residual stream.

    Raises:
        ModelError: There is no such list or layer, or more than one.
    """
    config: Any = network.config.get_text_config(decoder=True)
    hidden, count = config.hidden_size, config.num_hidden_layers
    lists = {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count
    }
    # A list inside another one's module (experts, say) is no list of blocks.
    outer = [path for path in lists if not any(path.startswith(f"{other}.") for other in lists)]
    if len(outer) != 1:
        raise _not_found(
            network, f"one list of {count} blocks", f"found {', '.join(outer) or 'none'}"
        )
    block = lists[outer[0]][0]
    linear = {
        path.removesuffix(".base_layer"): module
        for path, module in block.named_modules()
        if _is_linear(module) and ".lora_" not in path
    }
    narrowing = {path: module for path, module in linear.items() if shape_of(module)[0] == hidden}
    attention = [path for path in narrowing if _in_attention(path)]
    mlp = [
        path
        for path in narrowing
        if not _in_attention(path) and shape_of(narrowing[path])[1] != hidden
    ]
    if len(mlp) != 1 or not attention:
        raise _not_found(
            network,
            f"in each block of {outer[0]} one linear layer outside the attention that narrows to "
            f"{hidden}, and one inside it that ends in {hidden}",
            f"found {', '.join(mlp) or 'none'} and {', '.join(attention) or 'none'} among "
            f"{', '.join(linear) or 'no linear layers'}",
        )
    return Architecture(outer[0], mlp[0], attention[-1], _output_form(network, block))


# -- weights ---------------------------------------------------------------------------------------


def bare(module: nn.Module) -> nn.Module:
    """The module itself, without the adapters that may wrap it."""
    while isinstance(inner := getattr(module, "base_layer", None), nn.Module):
        module = inner
    return module


def weight_of(module: nn.Module) -> Tensor:
    """A projection's weight as ``[out, in]``, sharing memory with the parameter.

    GPT-2's ``Conv1D`` keeps its weight as ``[in, out]``. The module's type decides, never the
    shape, which for square matrices says nothing.
    """
    weight = cast(Tensor, module.weight).detach()
    return weight.T if isinstance(module, Conv1D) else weight


def shape_of(module: nn.Module) -> tuple[int, int]:
    """``(out, in)`` of a projection."""
    out, width = weight_of(module).shape
    return out, width


# -- internal --------------------------------------------------------------------------------------


def _is_linear(module: nn.Module) -> bool:
    own = bare(module)
    return own is module and isinstance(own, nn.Linear | Conv1D) and own.weight.ndim == 2


def _in_attention(path: str) -> bool:
    return any("att" in part.lower() for part in path.split("."))


def _fits(network: PreTrainedModel, facts: Architecture) -> bool:
    try:
        block = cast("nn.ModuleList", network.get_submodule(facts.blocks))[0]
        block.get_submodule(facts.mlp_out), block.get_submodule(facts.attn_out)
    except (AttributeError, IndexError, TypeError):
        return False
    return True


def _output_form(network: PreTrainedModel, block: nn.Module) -> BlockOutput:
    """What a block returns, seen on one token."""
    seen: list[Any] = []
    handle = block.register_forward_hook(lambda _module, _args, output: seen.append(output))
    try:
        with torch.inference_mode():
            cast(Any, network)(torch.zeros(1, 1, dtype=torch.long, device=network.device))
    finally:
        handle.remove()
    return "tuple" if isinstance(seen[0], tuple) else "tensor"


def _check_weight(facts: Architecture, module: nn.Module) -> None:
    weight = getattr(module, "weight", None)
    plain = isinstance(weight, Tensor) and weight.ndim == 2 and weight.is_floating_point()
    if not plain or not _is_linear(module):
        raise ModelError(
            f"model: a projection in {facts.blocks} is a {type(module).__name__} whose weight is "
            "not a plain floating-point matrix.",
            hint="Load the model dequantized, in float32 or bfloat16.",
        )


def _not_found(network: PreTrainedModel, wanted: str, found: str) -> ModelError:
    return ModelError(
        f"model: the layers of a {type(network).__name__} ({network.config.model_type}) cannot be "
        f"found: looked for {wanted}; {found}.",
        hint="Give a decoder-only transformer with one MLP in each block, or add its module paths "
        "to memedit.models.architecture.FAMILIES.",
    )
