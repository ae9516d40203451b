"""What a bake must leave alone, measured before and after: canary texts and other subjects."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from memedit.edit import Edit
from memedit.errors import BakeError

if TYPE_CHECKING:
    from memedit.models.engine import LocalEngine

TEXT_TOKENS = 64  # of a canary text that are read
_MOST_PROMPTS = 60  # of a locality sample


@dataclass(frozen=True)
class Limits:
    """What a bake may change besides its edits; beyond one of these it is given up.

    The defaults lie between what was measured on the embedded model with 100 edits by MEMIT: as
    computed a weight changes by 0.45 to 0.62, KL is 0.07 to 0.13, perplexity 1.01 to 1.06 times
    that of before and 88 to 90 % of tokens are kept; with the same change two and a half times as
    large, which loses a quarter of the edits themselves, 1.1 to 1.5, 0.98 to 1.12, 2.2 to 2.6 and
    60 to 68 %.

    Attributes:
        relative: Most ``|change| / |weight|`` of any weight (Frobenius).
        kl: Most KL divergence of the next token on the canary texts, before from after, in nats.
        perplexity: Most perplexity on the canary texts, as a multiple of the one before.
        locality: Least share of the tokens of earlier answers about other subjects that are chosen
            again; see :class:`~memedit.baking.locality.Answered`.
    """

    relative: float = 1.0
    kl: float = 0.4
    perplexity: float = 1.2
    locality: float = 0.7

    def __post_init__(self) -> None:
        for name, least, most in (
            ("relative", 0.0, math.inf),
            ("kl", 0.0, math.inf),
            ("perplexity", 1.0, math.inf),
            ("locality", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise BakeError(
                    f"{name}: {value} is no limit.",
                    hint=f"Give a number from {least:g}" + (f" to {most:g}." if most == 1 else "."),
                )

    def tripped(self, harm: Harm) -> str:
        """Which limit is passed, as a sentence; empty where none is."""
        measured = [
            ("relative", harm.relative > self.relative),
            ("kl", harm.kl > self.kl),
            ("perplexity", harm.perplexity > self.perplexity),
            ("locality", harm.locality < self.locality),
        ]
        return "; ".join(
            f"{name} is {getattr(harm, name):.3g}, the limit {getattr(self, name):g}"
            for name, passed in measured
            if passed or not math.isfinite(getattr(harm, name))
        )


@dataclass(frozen=True)
class Harm:
    """What a bake changed besides its edits.

    Attributes:
        relative: See :class:`Limits`; so are the others.
        kl: In nats.
        perplexity: As a multiple.
        locality: A share.
        perplexity_before: Of the canary texts, without the bake.
        asked: Prompts in the locality sample.
    """

    relative: float
    kl: float
    perplexity: float
    locality: float
    perplexity_before: float
    asked: int


@dataclass(frozen=True)
class Reading:
    """A model's next-token distributions on the canary texts.

    Attributes:
        log_probs: float32 ``[tokens, vocabulary]``, on the CPU.
        gold: The tokens that came, ``[tokens]``.
    """

    log_probs: Tensor
    gold: Tensor

    @property
    def perplexity(self) -> float:
        """Exp of the mean negative log-likelihood per token."""
        nll = -self.log_probs.gather(1, self.gold[:, None]).double().mean()
        return float(nll.exp())

    def kl(self, after: Reading) -> float:
        """Mean KL divergence of ``after`` from this, in nats per token."""
        ratio = self.log_probs - after.log_probs
        # Where a token is impossible its share is nought, whatever the ratio.
        terms = torch.where(self.log_probs.isneginf(), 0.0, self.log_probs.exp() * ratio)
        return float(terms.double().sum(1).mean().clamp_min(0))


@torch.inference_mode()
def read_canaries(engine: LocalEngine) -> Reading:
    """Reads the canary texts with the weights as they are, without adapters."""
    log_probs, gold = [], []
    with engine.using(None) as model:
        for text in canaries()["texts"]:
            ids = engine.tokens.encode_text(text)[:TEXT_TOKENS]
            tokens = torch.tensor([ids], device=model.device)
            logits = cast(Any, model)(input_ids=tokens, use_cache=False).logits[0, :-1]
            log_probs.append(logits.float().log_softmax(-1).cpu())
            gold.append(tokens[0, 1:].cpu())
    return Reading(torch.cat(log_probs), torch.cat(gold))


def locality_prompts(baked: Iterable[Edit], others: Sequence[Edit]) -> list[str]:
    """Prompts about other subjects than those of the edits: the memory's own, and common ones.

    Args:
        baked: The edits that are written.
        others: Further edits of the memory, from which every so manieth is taken.
    """
    subjects = {name.casefold() for edit in baked for name in edit.names}
    own = [edit.cloze for edit in others if not subjects & {name.casefold() for name in edit.names}]
    asked = [
        text
        for text in canaries()["questions"]
        if not any(subject in text.casefold() for subject in subjects)
    ]
    room = max(1, _MOST_PROMPTS - len(asked))
    step = max(1, math.ceil(len(own) / room))
    return list(dict.fromkeys([*own[::step], *asked]))


@cache
def canaries() -> dict[str, list[str]]:
    """The shipped ``questions`` and ``texts``."""
    text = resources.files("memedit.baking").joinpath("canaries.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
