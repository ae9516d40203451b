"""The noise that makes a model forget a subject: drawn once, in the model's own scale.

Meng et al. 2022 (arXiv 2202.05262, section 2 and appendix B.1): Gaussian noise on the embeddings
of the subject's tokens, three times as wide as the embeddings of subjects vary themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from memedit.bake.reading import hooks
from memedit.errors import TraceError
from memedit.trace.prompts import Prompt

if TYPE_CHECKING:
    from memedit.bake.editable import Editable


@dataclass(frozen=True)
class NoiseSettings:
    """How a subject is corrupted.

    Args:
        std: How the model's embeddings of subjects vary; see :func:`embedding_std`.
        times: The noise's standard deviation as a multiple of it.
        samples: How many times noise is drawn; effects are means over them.
        seed: Of the draws. Every prompt has the same ones.
    """

    std: float
    times: float = 3.0
    samples: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or self.times < 0 or self.std < 0:
            raise TraceError(
                f"noise: {self.samples} samples of {self.times} x {self.std} cannot be drawn.",
                hint="Give at least one sample, and a width that is not negative.",
            )

    def draw(self, prompt: Prompt, width: int) -> Tensor:
        """Noise ``[samples, subject tokens, width]`` for a prompt, float32, on the CPU."""
        generator = torch.Generator().manual_seed(self.seed)
        shape = self.samples, prompt.last - prompt.first + 1, width
        return torch.randn(shape, generator=generator) * (self.times * self.std)


@torch.no_grad()
def embedding_std(model: Editable, prompts: Sequence[Prompt]) -> float:
    """The standard deviation of all numbers in the embeddings of the prompts' subjects.

    Tokens are embedded as they stand in their prompts; one that comes twice counts twice, as in
    the published implementation.

    Raises:
        TraceError: There is no prompt.
    """
    if not prompts:
        raise TraceError("prompts: there are none to measure noise on.", hint="Give one.")
    ids = [token for p in prompts for token in p.ids[p.first : p.last + 1]]
    found = _embedding(model)(torch.tensor([ids], device=model.network.device))
    return float(found.to(torch.float64).std())


@contextmanager
def added_noise(model: Editable, at: int, noise: Tensor) -> Iterator[None]:
    """Adds noise to embeddings inside the block.

    Args:
        model: The model.
        at: Index of the first token it is added to.
        noise: ``[rows, tokens, width]``.
    """

    def add(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        changed = output.clone()
        changed[:, at : at + noise.shape[1]] += noise.to(output.device, output.dtype)
        return changed

    with hooks([_embedding(model).register_forward_hook(add)]):
        yield


def _embedding(model: Editable) -> nn.Module:
    return model.network.get_input_embeddings()
