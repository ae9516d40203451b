"""Restorations the published way: the whole text through the whole network, once for each.

Meng et al. 2022 (arXiv 2202.05262, appendix B.1). It needs nothing of a network but its modules,
and is what the quicker way is tested against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from memedit.bake.reading import Site, hidden_of, hooks, in_rows, module_at, with_hidden
from memedit.trace.heads import Reading, read_only
from memedit.trace.noise import added_noise
from memedit.trace.prompts import Prompt

if TYPE_CHECKING:
    from memedit.bake.editable import Editable
    from memedit.trace.runs import Restoration

_TOGETHER = 16  # restorations


def restored_plainly(
    model: Editable,
    prompt: Prompt,
    noise: Tensor,
    clean: Mapping[Site, Tensor],
    restorations: Sequence[Restoration],
) -> Tensor:
    """Log-probabilities ``[restorations, samples, answer tokens]`` of a prompt's answer.

    Args:
        model: The model.
        prompt: The prompt.
        noise: ``[samples, subject tokens, width]``.
        clean: What the clean run had at each site, ``[tokens, width]``.
        restorations: What is put back in each run.
    """
    reading = Reading.of(prompt, model.network.device)
    ids = torch.tensor([prompt.read_ids], device=model.network.device)
    found = []
    for start in range(0, len(restorations), _TOGETHER):
        some = restorations[start : start + _TOGETHER]
        with (
            hooks(put_back(model, clean, some, len(noise))),
            added_noise(model, prompt.first, noise.repeat(len(some), 1, 1)),
            read_only(model, reading.places),
        ):
            rows = ids.repeat(len(some) * len(noise), 1)
            logits = cast(Any, model.network)(input_ids=rows, use_cache=False).logits
        found.append(reading.log_probs(logits).view(len(some), len(noise), -1))
    return torch.cat(found)


def put_back(
    model: Editable,
    clean: Mapping[Site, Tensor],
    restorations: Sequence[Restoration],
    samples: int,
    *,
    rows: int | None = None,
) -> list[Any]:
    """Hooks that put clean states back in a batch of whole texts.

    Args:
        model: The model.
        clean: What the clean run had at each site, ``[tokens, width]``.
        restorations: Of each ``samples`` rows one after the other.
        samples: How many rows each has.
        rows: How many there are in all, where nothing is put back in the last ones.
    """
    count = len(restorations) * samples if rows is None else rows
    sites: dict[Site, list[tuple[int, int]]] = {}
    for place, (token, layers, part) in enumerate(restorations):
        for layer in layers:
            sites.setdefault(Site(layer, part), []).append((place, token))
    return [
        _hook(model, site, clean[site], places, samples, count) for site, places in sites.items()
    ]


def _hook(
    model: Editable,
    site: Site,
    clean: Tensor,
    places: Sequence[tuple[int, int]],
    samples: int,
    count: int,
) -> Any:
    rows = torch.tensor([place * samples + n for place, _ in places for n in range(samples)])
    tokens = torch.tensor([token for _, token in places for _ in range(samples)])

    def put(_module: nn.Module, _args: Any, output: Any) -> Any:
        hidden = hidden_of(output)
        changed = in_rows(hidden.clone(), count)
        changed[rows.to(hidden.device), tokens.to(hidden.device)] = clean[tokens].to(hidden.device)
        return with_hidden(output, changed.view(hidden.shape))

    return module_at(model, site).register_forward_hook(put)
