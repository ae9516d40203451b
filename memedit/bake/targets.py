"""Target vectors: what to add at the subject's last token so that the model says the target.

For each edit a vector delta is optimised (Meng et al. 2022, arXiv 2202.05262, equation 4, as its
implementation has it; Meng et al. 2023, arXiv 2210.07229, equation 16; Li et al. 2024,
arXiv 2308.08742, for two at once). The loss of one edit is

    mean over its texts of  -log P(target | text, delta) / tokens of the target
    + kl * KL(P(. | "{subject} is a", delta) || P(. | "{subject} is a"))
    + weight_decay * |delta| / |v0|**2

with v0 the value without delta. DEM (Huang et al. 2024, arXiv 2410.23844) has the divergence on the
answer to the prompt itself instead; see ``kl_on``. Edits have no term in common, so many are
optimised in one batch and each is what it would be alone, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from memedit.bake.align import Aligned
from memedit.bake.likelihood import Told, tell
from memedit.bake.live import LivePass, Row
from memedit.bake.reading import Part, frozen
from memedit.errors import BakeError

if TYPE_CHECKING:
    from memedit.bake.editable import Editable

STOP_LOSS = 0.05
ADAM_BETAS, ADAM_EPS = (0.9, 0.999), 1e-8


class TargetSettings(BaseModel):
    """How a target vector is optimised.

    Args:
        steps: The most evaluations of the loss; one fewer updates are made.
        learning_rate: Adam's.
        weight_decay: Factor of ``|delta| / |v0|**2``.
        clamp: ``|delta|`` is at most this many times ``|v0|``.
        kl: Factor of the divergence.
        kl_on: Where it is measured: after "{subject} is a" (an edit without a subject has none),
            or where the target is predicted after the prompt alone, as a mean over its tokens.
        adaptive: PMET's rule: a text whose target is the first choice everywhere weighs a tenth,
            and the edit stops once its divergence is at most 0.01.
        at_once: How many edits share a batch.
        reuse: Whether to compute once what the vectors do not change; False runs whole texts
            through the whole network at every step, as the published implementations do.
        mixed: Whether a float32 network multiplies matrices in bfloat16 meanwhile; vectors and
            losses stay in float32. Four times faster on processors made for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    clamp: float = Field(gt=0)
    kl: float = Field(ge=0)
    kl_on: Literal["essence", "answer"] = "essence"
    adaptive: bool = False
    at_once: int = Field(64, ge=1)
    reuse: bool = True
    mixed: bool = False


@dataclass(frozen=True)
class Wanted:
    """What one edit's vector is to bring about.

    Attributes:
        texts: Its prompt with its target, first alone, then behind each prefix.
        essence: "{subject} is a", whose prediction at the subject is to stay; None without one.
        sizes: ``|v0|`` at each part.
    """

    texts: tuple[Aligned, ...]
    essence: Aligned | None
    sizes: tuple[float, ...]


@dataclass(frozen=True)
class Found:
    """The vectors of all edits.

    Attributes:
        vectors: For each part ``[edits, width]``, in float32 or float64.
        losses: The loss each edit ended with.
        target_nll: The mean negative log-likelihood per token of its target then, in nats.
        steps: How many times its loss was evaluated.
    """

    vectors: dict[Part, Tensor]
    losses: tuple[float, ...]
    target_nll: tuple[float, ...]
    steps: tuple[int, ...]


def optimise(
    model: Editable,
    wanted: Sequence[Wanted],
    layer: int,
    parts: Sequence[Part],
    settings: TargetSettings,
    watch: Callable[[int], None] | None = None,
) -> Found:
    """The target vectors of many edits.

    Args:
        model: The model; its weights are read only.
        wanted: The edits.
        layer: Where the vectors are added.
        parts: At which outputs of the layer.
        settings: How.
        watch: Called after every step with how many edits' worth of steps is done.
    """
    # Edits of alike length share a batch, so that little is padding.
    order = sorted(range(len(wanted)), key=lambda i: max(len(text.ids) for text in wanted[i].texts))
    chunks = []
    for start in range(0, len(order), settings.at_once):
        chosen = [wanted[i] for i in order[start : start + settings.at_once]]

        def step_done(step: int, start: int = start, size: int = len(chosen)) -> None:
            if watch:
                watch(start + size * step // settings.steps)

        chunks.append(_optimise_chunk(model, chosen, layer, parts, settings, step_done))
        step_done(settings.steps)
    back = [order.index(i) for i in range(len(order))]
    return Found(
        {part: torch.cat([chunk.vectors[part] for chunk in chunks])[back] for part in parts},
        *(
            tuple([value for chunk in chunks for value in getattr(chunk, name)][i] for i in back)
            for name in ("losses", "target_nll", "steps")
        ),
    )


@dataclass(frozen=True)
class Terms:
    """The loss's parts for each edit that is still optimised, ``[edits]`` each.

    ``first`` is whether the target is the model's first choice throughout.
    """

    loss: Tensor
    nll: Tensor
    divergence: Tensor
    first: Tensor


class Objective:
    """The losses of a batch of edits as a function of their vectors.

    Args:
        model: The model.
        wanted: The edits.
        layer: Where the vectors are added.
        parts: At which outputs of the layer.
        settings: The factors.
    """

    def __init__(
        self,
        model: Editable,
        wanted: Sequence[Wanted],
        layer: int,
        parts: Sequence[Part],
        settings: TargetSettings,
    ) -> None:
        rows: list[Row] = []
        golds: list[int] = []
        shares: list[float] = []
        kept: list[float] = []  # each read's share in its edit's divergence
        for owner, edit in enumerate(wanted):
            for number, text in enumerate(edit.texts):
                read = tuple(range(text.target - 1, len(text.ids) - 1))
                rows.append(Row(text.ids[:-1], text.subject, owner, read))
                golds += text.targets
                shares += [1 / (len(read) * len(edit.texts))] * len(read)
                stays = settings.kl_on == "answer" and number == 0
                kept += [1 / len(read) if stays else 0.0] * len(read)
            if settings.kl_on == "essence" and edit.essence is not None:
                at = edit.essence.subject
                rows.append(Row(edit.essence.upto_subject, at, owner, (at,)))
                golds.append(0)
                shares.append(0.0)
                kept.append(1.0)
        self.live = LivePass(model, rows, layer, parts, reuse=settings.reuse, mixed=settings.mixed)
        device = model.network.device
        self.settings = settings
        self.parts = tuple(parts)
        dtype = torch.promote_types(model.network.dtype, torch.float32)
        self.sizes = torch.tensor([e.sizes for e in wanted], dtype=dtype, device=device)
        order = self.live.order
        self._golds = torch.tensor(golds, device=device)[order]
        self._shares = torch.tensor(shares, dtype=dtype, device=device)[order]
        self._kept = torch.tensor(kept, dtype=dtype, device=device)[order]
        self._clean: Tensor | None = None
        # PMET's factor of each edit's likelihood in the next step.
        self.weights = torch.ones(len(wanted), dtype=dtype, device=device)

    def terms(self, vectors: dict[Part, Tensor]) -> Terms:
        """The losses at ``vectors``; the first call must be at zero, where the model is itself."""
        told = self._told(vectors)
        owners = self.live.read_owners
        zeros = torch.zeros_like(self.sizes[:, 0])
        nll = zeros.index_add(0, owners, told.nll * self._shares)
        stays = self._kept > 0
        divergence = zeros.index_add(0, owners[stays], told.divergence * self._kept[stays])
        decay = sum(
            vectors[part].norm(dim=1) / self.sizes[:, i] ** 2 for i, part in enumerate(self.parts)
        )
        loss = (
            self.weights * nll + self.settings.kl * divergence + self.settings.weight_decay * decay
        )
        missed = ~told.first & (self._shares > 0)
        first = zeros.index_add(0, owners, missed.to(zeros.dtype)) == 0
        return Terms(loss, nll, divergence, first)

    def _told(self, vectors: dict[Part, Tensor]) -> Told:
        """What all logits say; the first call remembers where they are to stay."""
        found, done, measured = [], 0, 0
        for logits in self.live.logits(vectors):
            here = slice(done, done + len(logits))
            stays = (self._kept[here] > 0).nonzero()[:, 0]
            clean = None if self._clean is None else self._clean[measured : measured + len(stays)]
            found.append(tell(logits, self._golds[here], stays, clean))
            done, measured = done + len(logits), measured + len(stays)
        told = Told(*(torch.cat(values) for values in zip(*found, strict=True)))
        if self._clean is None:
            self._clean = told.logs
        return told

    def keep(self, going: Tensor) -> None:
        """Drops the edits where ``going`` is False."""
        reads = going[self.live.read_owners]
        self.live.keep(going.nonzero()[:, 0])
        if self._clean is not None:
            self._clean = self._clean[reads[self._kept > 0]]
        self._golds, self._shares = self._golds[reads], self._shares[reads]
        self._kept = self._kept[reads]
        self.sizes, self.weights = self.sizes[going], self.weights[going]


def _optimise_chunk(
    model: Editable,
    wanted: Sequence[Wanted],
    layer: int,
    parts: Sequence[Part],
    settings: TargetSettings,
    step_done: Callable[[int], None],
) -> Found:
    objective = Objective(model, wanted, layer, parts, settings)
    device, dtype = objective.sizes.device, objective.sizes.dtype
    width = model.blocks.width
    result = {part: torch.zeros(len(wanted), width, dtype=dtype, device=device) for part in parts}
    losses, nlls, steps = ([0.0] * len(wanted) for _ in range(3))
    # Of the edits that still go on: their places, vectors and Adam's two means of each.
    places = torch.arange(len(wanted), device=device)
    state = {part: torch.zeros(3, len(wanted), width, dtype=dtype, device=device) for part in parts}
    with frozen(model):
        for step in range(settings.steps):
            vectors = {part: state[part][0].clone().requires_grad_() for part in parts}
            terms = objective.terms(vectors)
            going = _goes_on(objective, terms, settings)
            now = zip(terms.loss.tolist(), terms.nll.tolist(), strict=True)
            for place, (loss, nll) in zip(places.tolist(), now, strict=True):
                losses[place], nlls[place], steps[place] = loss, nll, step + 1
            for part in parts:
                result[part][places] = state[part][0]
            if step == settings.steps - 1 or not going.any():
                break
            step_done(step + 1)
            grads = torch.autograd.grad(terms.loss.sum(), [vectors[part] for part in parts])
            for i, part in enumerate(parts):
                _adam(state[part], grads[i], step + 1, settings.learning_rate)
                _clamp(state[part][0], settings.clamp * objective.sizes[:, i])
            if not going.all():
                objective.keep(going)
                places = places[going]
                state = {part: state[part][:, going] for part in parts}
    if not all(torch.isfinite(vectors).all() for vectors in result.values()):
        raise BakeError(
            f"target: a vector is not finite in {model.network.dtype}.",
            hint="Load the model in bfloat16 or float32, or lower target.learning_rate.",
        )
    return Found(result, tuple(losses), tuple(nlls), tuple(int(n) for n in steps))


def _goes_on(objective: Objective, terms: Terms, settings: TargetSettings) -> Tensor:
    """Which edits have not reached their end; sets the weights of an adaptive loss."""
    going = terms.loss.detach() >= STOP_LOSS
    if settings.adaptive:
        objective.weights = torch.where(terms.first, 0.1, 1.0).to(terms.loss.dtype)
        going &= ~(terms.first & (settings.kl * terms.divergence.detach() <= 0.01))
    return going


def _adam(state: Tensor, grad: Tensor, step: int, learning_rate: float) -> None:
    """One step of Adam (Kingma & Ba 2015, arXiv 1412.6980, algorithm 1), vector by vector."""
    value, mean, square = state
    mean.lerp_(grad, 1 - ADAM_BETAS[0])
    square.lerp_(grad**2, 1 - ADAM_BETAS[1])
    first = mean / (1 - ADAM_BETAS[0] ** step)
    second = square / (1 - ADAM_BETAS[1] ** step)
    value -= learning_rate * first / (second.sqrt() + ADAM_EPS)


def _clamp(vectors: Tensor, most: Tensor) -> None:
    """Shortens vectors ``[edits, width]`` to at most the lengths ``most``."""
    sizes = vectors.norm(dim=1)
    vectors *= (most / sizes.clamp_min(1e-30)).clamp_max(1)[:, None]
