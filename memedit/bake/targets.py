"""Target vectors: what to add at the subject's last token so that the model says the target.

For each edit a vector delta is optimised (Meng et al. 2022, arXiv 2202.05262, equation 4, as its
implementation has it; Meng et al. 2023, arXiv 2210.07229, equation 16; Li et al. 2024,
arXiv 2308.08742, for two at once). The loss of one edit is

    mean over its texts of  -log P(target | text, delta) / tokens of the target
    + kl * KL(P(. | "{subject} is a", delta) || P(. | "{subject} is a"))
    + weight_decay * |delta| / |v0|**2

with v0 the value without delta. DEM (Huang et al. 2024, arXiv 2410.23844) has the divergence on the
answer to the prompt itself instead; see ``kl_on``. Vectors have no term in common, so many are
optimised in one batch and each is what it would be alone, up to rounding.

What is known of a subject reaches the weights as one key, whatever is asked of it behind it: where
two edits say something of one subject, vectors that are found apart come out as their mean, which
says neither. With ``joint`` such edits have one vector, whose loss is the mean of theirs. None of
the papers has this; their data sets change one thing of a subject.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from memedit.bake.align import Aligned, by_key
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
        joint: Whether edits that are written at one key (:func:`~memedit.bake.align.by_key`) share
            a vector. In the published methods each has its own.
        at_once: How many edits share a batch; more where one vector has more.
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
    joint: bool = False
    at_once: int = Field(64, ge=1)
    reuse: bool = True
    mixed: bool = False


@dataclass(frozen=True)
class Wanted:
    """What one vector is to bring about.

    Attributes:
        texts: For each edit its prompt with its target, first alone, then behind each prefix.
        essence: "{subject} is a", whose prediction at the subject is to stay; None without one.
        sizes: ``|v0|`` at each part.
    """

    texts: tuple[tuple[Aligned, ...], ...]
    essence: Aligned | None
    sizes: tuple[float, ...]


@dataclass(frozen=True)
class Found:
    """The vectors of all edits.

    Attributes:
        vectors: For each part ``[edits, width]``, in float32 or float64.
        losses: The loss each edit's vector ended with.
        target_nll: The mean negative log-likelihood per token of its targets then, in nats.
        steps: How many times its loss was evaluated.
    """

    vectors: dict[Part, Tensor]
    losses: tuple[float, ...]
    target_nll: tuple[float, ...]
    steps: tuple[int, ...]

    def only(self, numbers: Sequence[int]) -> Found:
        """Those of some edits, in the order of ``numbers``."""
        some = list(numbers)
        return Found(
            {part: vectors[some] for part, vectors in self.vectors.items()},
            tuple(self.losses[i] for i in some),
            tuple(self.target_nll[i] for i in some),
            tuple(self.steps[i] for i in some),
        )


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
        wanted: The edits, one in each.
        layer: Where the vectors are added.
        parts: At which outputs of the layer.
        settings: How.
        watch: Called after every step with how many edits' worth of steps is done.
    """
    groups = [[i] for i in range(len(wanted))]
    if settings.joint:
        groups = by_key([edit.texts[0] for edit in wanted])
    # What is of alike length shares a batch, so that little is padding.
    groups.sort(key=lambda group: max(len(t.ids) for i in group for t in wanted[i].texts[0]))
    chunks, done = [], 0
    for some in _batches(groups, settings.at_once):
        size = sum(len(group) for group in some)

        def step_done(step: int, done: int = done, size: int = size) -> None:
            if watch:
                watch(done + size * step // settings.steps)

        chosen = [
            replace(
                wanted[group[0]],
                texts=tuple(wanted[i].texts[0] for i in group),
            )
            for group in some
        ]
        chunks.append(_optimise_chunk(model, chosen, layer, parts, settings, step_done))
        step_done(settings.steps)
        done += size
    own = {i: number for number, group in enumerate(groups) for i in group}
    return Found(
        {part: torch.cat([chunk.vectors[part] for chunk in chunks]) for part in parts},
        *(
            tuple(value for chunk in chunks for value in getattr(chunk, name))
            for name in ("losses", "target_nll", "steps")
        ),
    ).only([own[i] for i in range(len(wanted))])


def _batches(groups: Sequence[list[int]], at_once: int) -> list[list[list[int]]]:
    """Groups in order, as many together as have at most ``at_once`` edits, or one with more."""
    batches: list[list[list[int]]] = []
    room = 0
    for group in groups:
        if len(group) > room or not batches:
            batches.append([])
            room = at_once
        batches[-1].append(group)
        room -= len(group)
    return batches


@dataclass(frozen=True)
class Terms:
    """The loss's parts for each vector that is still optimised, ``[vectors]`` each.

    ``divergence`` has its factors in it; ``first`` is whether the targets are the model's first
    choice throughout.
    """

    loss: Tensor
    nll: Tensor
    divergence: Tensor
    first: Tensor


class Objective:
    """The losses of a batch of vectors as a function of them.

    Args:
        model: The model.
        wanted: What each is to bring about.
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
        kept: list[float] = []  # each read's factor in its vector's divergence
        for owner, want in enumerate(wanted):
            edits, texts = len(want.texts), len(want.texts[0])
            for number, text in ((n, text) for own in want.texts for n, text in enumerate(own)):
                read = tuple(range(text.target - 1, len(text.ids) - 1))
                rows.append(Row(text.ids[:-1], text.subject, owner, read))
                golds += text.targets
                shares += [1 / (len(read) * texts * edits)] * len(read)
                stays = settings.kl_on == "answer" and number == 0
                kept += [settings.kl / (len(read) * edits) if stays else 0.0] * len(read)
            if settings.kl_on == "essence" and want.essence is not None:
                at = want.essence.subject
                rows.append(Row(want.essence.upto_subject, at, owner, (at,)))
                golds.append(0)
                shares.append(0.0)
                kept.append(settings.kl)
        self.live = LivePass(model, rows, layer, parts, reuse=settings.reuse, mixed=settings.mixed)
        device = model.network.device
        self.settings = settings
        self.parts = tuple(parts)
        dtype = torch.promote_types(model.network.dtype, torch.float32)
        self.sizes = torch.tensor([want.sizes for want in wanted], dtype=dtype, device=device)
        order = self.live.order
        self._golds = torch.tensor(golds, device=device)[order]
        self._shares = torch.tensor(shares, dtype=dtype, device=device)[order]
        self._kept = torch.tensor(kept, dtype=dtype, device=device)[order]
        self._clean: Tensor | None = None
        # PMET's factor of each vector's likelihood in the next step.
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
        loss = self.weights * nll + divergence + self.settings.weight_decay * decay
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
        """Drops the vectors where ``going`` is False."""
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
    # Of what still goes on: places, vectors and Adam's two means of each.
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
    """Which vectors have not reached their end; sets the weights of an adaptive loss."""
    going = terms.loss.detach() >= STOP_LOSS
    if settings.adaptive:
        objective.weights = torch.where(terms.first, 0.1, 1.0).to(terms.loss.dtype)
        going &= ~(terms.first & (terms.divergence.detach() <= 0.01))
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
