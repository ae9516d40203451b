"""DEM: MLP and attention of layers that each edit chooses (Huang et al. 2024, arXiv 2410.23844).

1. Each edit chooses its layers; see :mod:`memedit.bake.chosen`.
2. At the last of them, L, a vector on the attention's output and one on the MLP's are optimised
   together. The loss is alpha KL(P_edited(y | p) || P(y | p)) + beta times the mean over prefixes
   of -log P_edited(y | prefix + p); :class:`~memedit.bake.targets.TargetSettings` has alpha / beta
   as ``kl``.
3. From the lowest layer up, and within a layer the attention first, each module changes by
   ``R K^T (C0 + K K^T)^-1`` with keys, residuals and second moments of its own. The edits of a
   layer are those that chose it. What is below has changed by then, so keys and residuals are read
   anew each time, as MEMIT does.

The paper has no code. What it leaves open is a setting here, and ``hparams/dem`` says what was
tried: the layer's two states (``similarity``), the token the keys are read at (``token``), the
factor of C0 (``moment_weight`` or ``share``), what is missing where (``residual``) and how it is
divided among the layers (``divide``). Not the paper's, which writes one edit at a time: ``hold``,
``names``, ``behind`` and ``target.joint``, by which many edits get into each other's way less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field, NonNegativeInt, model_validator
from torch import Tensor

from memedit.bake.align import by_key
from memedit.bake.chosen import Similarity, choose, mean_of, similarities
from memedit.bake.contexts import Prepared, new_delta, prepare, refusals
from memedit.bake.delta import Delta, LowRank
from memedit.bake.memit import Settings as MemitSettings
from memedit.bake.memit import closed_form
from memedit.bake.memory import within_memory
from memedit.bake.methods import Watch
from memedit.bake.moments import Moments
from memedit.bake.placeholders import named
from memedit.bake.reading import Part, Site, read_with
from memedit.bake.spread import Solve, check_adds_up
from memedit.bake.targets import TargetSettings, optimise
from memedit.edit import Edit
from memedit.errors import BakeError

if TYPE_CHECKING:
    from memedit.bake.editable import Editable
    from memedit.models.architecture import Blocks


class Settings(MemitSettings):
    """DEM's settings: MEMIT's, and these.

    Args:
        layers: The layers of every edit where ``dynamic`` is off; else not used.
        dynamic: Whether each edit chooses its layers.
        top: How many it chooses (the paper's k).
        similarity: What they are chosen by; see :func:`~memedit.bake.chosen.similarities`.
        among: The layers they choose from, ascending; all where None. Not the paper's.
        boundary: So many of the first and of the last layers are never chosen where ``among`` does
            not say which may be. Not the paper's either.
        mlp: Whether MLPs are changed.
        attention: Whether attentions are changed.
        token: Where vectors are added and keys are read: at the prompt's last token or at the
            subject's. At the subject's, a vector in the last layer has no effect.
        residual: What is still missing: of the module's own output in layer L, or of that layer's
            output as a whole (``stream``), as in MEMIT.
        divide: What a residual is divided by: the square root of the number of layers that remain
            (PMET) or the number itself (MEMIT). Of the stream, modules count instead of layers.
        hold: Whether the edits that did not choose a layer are to give there what they gave
            before: keys with a residual of zero beside those that chose it. The paper has one edit
            at a time.
        names: Names in place of PersonX, PersonY and PersonZ, by threes; not the paper's. An edit
            with such placeholders is also written at the keys it has with each three, with the
            vectors that are found for it as it stands.
        attention_share: ``share`` of the attentions; the same where None. Their keys are narrower
            than the MLPs' and more alike, so that as large a share of a residual moves much else.
    """

    dynamic: bool = True
    top: int = Field(3, ge=1)
    similarity: Similarity = "block"
    among: tuple[NonNegativeInt, ...] | None = None
    boundary: int = Field(0, ge=0)
    mlp: bool = True
    attention: bool = True
    token: Literal["last", "subject"] = "last"
    residual: Literal["module", "stream"] = "module"
    divide: Literal["root", "count"] = "root"
    hold: bool = False
    names: tuple[tuple[str, str, str], ...] = ()
    attention_share: float | None = Field(None, gt=0, lt=1)

    @model_validator(mode="after")
    def _check_modules(self) -> Settings:
        if not (self.mlp or self.attention):
            raise ValueError("one of mlp and attention must be on")
        return self

    @property
    def modules(self) -> tuple[Module, ...]:
        """What is changed in a layer, in order."""
        return tuple(module for module, on in ((ATTENTION, self.attention), (MLP, self.mlp)) if on)

    def open_layers(self, count: int) -> Sequence[int]:
        """The layers that edits choose from in a model of ``count``."""
        return self.among or range(self.boundary, count - self.boundary)

    def may_change(self, blocks: Blocks) -> list[str]:
        """Paths of the weights that edits may change in a model."""
        layers = self.open_layers(len(blocks)) if self.dynamic else self.layers
        return [module.path(blocks, layer) for layer in layers for module in self.modules]


@dataclass(frozen=True)
class Module:
    """A projection that is changed.

    Attributes:
        key: What goes into it.
        value: What it gives.
    """

    key: Part
    value: Part

    def path(self, blocks: Blocks, layer: int) -> str:
        """Its path in a layer."""
        of = blocks.mlp_out_path if self.value == "mlp_out" else blocks.attn_out_path
        return of(layer)


ATTENTION = Module("attn_in", "attn_out")
MLP = Module("mlp_in", "mlp_out")


@dataclass(frozen=True)
class Aim:
    """What some edits' modules are to give.

    Attributes:
        layers: Each edit's layers, ascending.
        values: By site part, float64 ``[edits, width]``: what the edit's last layer is to give.
        vectors: The optimised vectors by part, ``[edits, width]``.
        sizes: ``|v0|`` by part, ``[edits]``.
        losses: The loss each edit ended with.
        target_nll: The target's negative log-likelihood per token then, in nats.
        steps: How many times its loss was evaluated.
    """

    layers: list[tuple[int, ...]]
    values: dict[Part, Tensor]
    vectors: dict[Part, Tensor]
    sizes: dict[Part, Tensor]
    losses: list[float]
    target_nll: list[float]
    steps: list[int]


def compute(
    model: Editable,
    edits: Sequence[Edit],
    settings: Settings,
    *,
    moments: Moments,
    seed: int,
    watch: Watch,
) -> Delta:
    """See :class:`~memedit.bake.methods.Method`.

    Figures of each edit: ``layers`` it chose and its ``similarities`` there, ``loss``,
    ``target_nll`` and ``steps`` of its vectors, and for each part ``relative`` (a vector's length
    by ``|v0|``) and ``reached`` (the share of what was missing that the changed weights bring
    about).
    """
    prepared = _prepare(model, edits, settings, seed)
    cosines = similarities(model, prepared, settings.similarity)
    layers = _layers(model, prepared, cosines, settings)
    used = sorted({layer for own in layers for layer in own})
    _check_reach(model, prepared, layers, settings)
    lowest = min(own[-1] for own in layers)
    target = within_memory(
        model, prepared, used, settings.target, matrices=len(settings.modules), at=lowest
    )
    if settings.residual == "stream":
        check_adds_up(model, prepared.texts[0][0].ids, used[-1])
    solves = _solves(model, prepared, moments, used, settings, watch)
    aim = _aim(model, prepared, layers, settings, target, watch)
    others, of = _named(model, edits, settings, seed)
    everyone, aim_of_all = prepared, aim
    if others:
        everyone = prepared.and_others(others)
        aim_of_all = _for_others(model, everyone, aim, of)
    factors, reached = _write(model, everyone, aim_of_all, settings, solves, watch)
    figures = _figures(prepared, aim, cosines, reached)
    return new_delta(model, prepared, "dem", settings, seed, factors, {"edits": figures})


# -- edits ----------------------------------------------------------------------------------------


def _prepare(model: Editable, edits: Sequence[Edit], settings: Settings, seed: int) -> Prepared:
    prepared = prepare(model, edits, settings.prefixes, seed=seed)
    return prepared.at_last() if settings.token == "last" else prepared


def _layers(
    model: Editable, prepared: Prepared, cosines: Tensor, settings: Settings
) -> list[tuple[int, ...]]:
    """Each edit's layers; edits that share a vector choose together, as it is added at one."""
    if not settings.dynamic:
        return [settings.layers] * len(prepared.edits)
    groups = by_key(prepared.texts) if settings.target.joint else []
    among = settings.open_layers(len(model.blocks))
    return choose(mean_of(cosines, groups), settings.top, among)


def _named(
    model: Editable, edits: Sequence[Edit], settings: Settings, seed: int
) -> tuple[Prepared | None, list[int]]:
    """The edits with names in place of placeholders, and each one's number in ``edits``.

    What cannot be aligned with a name is left out.
    """
    found = {}
    for number, edit in enumerate(edits):
        for place, names in enumerate(settings.names):
            if other := named(edit, names, id=f"{number}:{place}"):
                found[other] = number
    refused = refusals(model, list(found), settings)
    good = {edit: number for edit, number in found.items() if edit.id not in refused}
    others = _prepare(model, list(good), settings, seed) if good else None
    return others, list(good.values())


def _for_others(model: Editable, everyone: Prepared, aim: Aim, of: Sequence[int]) -> Aim:
    """The aim with that of others behind it: each is to change by what one of the edits does.

    Args:
        model: The model as it is.
        everyone: The edits, and the others.
        aim: That of the edits.
        of: For each of the others the number of its edit.
    """
    own = [*range(len(aim.layers)), *of]
    layers = [aim.layers[i] for i in own]
    values = {}
    for part, wanted in aim.values.items():
        now = _given(model, everyone, layers, range(len(own)), part)
        values[part] = now + (wanted - now[: len(wanted)])[own]
    return replace(aim, layers=layers, values=values)


# -- vectors ---------------------------------------------------------------------------------------


def _aim(
    model: Editable,
    prepared: Prepared,
    layers: list[tuple[int, ...]],
    settings: Settings,
    target: TargetSettings,
    watch: Watch,
) -> Aim:
    """Optimises the vectors of all edits, those with the same last layer together."""
    total, done = len(layers), 0
    parts = [module.value for module in settings.modules]
    wanted: list[Part] = ["block_out"] if settings.residual == "stream" else parts
    empty = torch.zeros(total, model.blocks.width, dtype=torch.float64)
    aim = Aim(
        layers,
        {part: empty.clone() for part in wanted},
        {part: empty.clone() for part in parts},
        {part: empty[:, 0].clone() for part in parts},
        [0.0] * total,
        [0.0] * total,
        [0] * total,
    )
    for last in sorted({own[-1] for own in layers}):
        members = [i for i, own in enumerate(layers) if own[-1] == last]
        some = prepared.only(*members)
        sites = [Site(last, part) for part in parts]
        now = some.read_bare(model, sites)
        sizes = torch.stack([now[site].norm(dim=1) for site in sites], dim=1)

        def step_done(step: int, before: int = done) -> None:
            watch("target vectors", before + step, total)

        found = optimise(model, some.wanted(sizes.tolist()), last, parts, target, step_done)
        done += len(members)
        rows = [texts[0].upto_subject for texts in some.texts]
        values = read_with(model, rows, last, found.vectors, wanted)
        for place, member in enumerate(members):
            aim.losses[member] = found.losses[place]
            aim.target_nll[member] = found.target_nll[place]
            aim.steps[member] = found.steps[place]
        for part in wanted:
            aim.values[part][members] = values[part].double().cpu()
        for i, part in enumerate(parts):
            aim.vectors[part][members] = found.vectors[part].double().cpu()
            aim.sizes[part][members] = sizes[:, i].cpu()
    return aim


# -- weights ---------------------------------------------------------------------------------------


def _solves(
    model: Editable,
    prepared: Prepared,
    moments: Moments,
    layers: Sequence[int],
    settings: Settings,
    watch: Watch,
) -> dict[Module, Solve]:
    """Each module's closed form, with its own second moments."""
    found = {}
    for module in settings.modules:
        told = partial(watch, "second moments")
        read = moments.of(model, layers, settings.moments, told, part=module.key)
        own = settings
        if module is ATTENTION and settings.attention_share is not None:
            own = settings.model_copy(
                update={"share": settings.attention_share, "moment_weight": None}
            )
        found[module] = closed_form(model, prepared, read, own, part=module.key)
    return found


def _write(
    model: Editable,
    prepared: Prepared,
    aim: Aim,
    settings: Settings,
    solves: dict[Module, Solve],
    watch: Watch,
) -> tuple[dict[str, LowRank], dict[Part, Tensor]]:
    """The changes by path, and what share of what was missing each edit got, by part."""
    factors: dict[str, LowRank] = {}
    everyone = range(len(aim.layers))
    used = sorted({layer for own in aim.layers for layer in own})

    def lacking() -> dict[Part, Tensor]:
        found = {part: _missing(model, prepared, aim, everyone, part) for part in aim.values}
        return {part: missing.norm(dim=1) for part, missing in found.items()}

    whole = lacking()
    with model.scratch():
        for done, layer in enumerate(used):
            members = [i for i in everyone if layer in aim.layers[i]]
            some = prepared if settings.hold else prepared.only(*members)
            for place, module in enumerate(settings.modules):
                path = module.path(model.blocks, layer)
                device = model.weight(path).device
                part: Part = "block_out" if "block_out" in aim.values else module.value
                remain = [sum(1 for other in aim.layers[i] if other >= layer) for i in members]
                if part == "block_out":
                    remain = [n * len(settings.modules) - place for n in remain]
                share = torch.tensor([_divisor(settings, n) for n in remain], dtype=torch.float64)
                missing = _missing(model, prepared, aim, members, part) / share[:, None]
                site = Site(layer, module.key)
                keys = some.read(model, [site])[site].T.to(device)
                solved = solves[module](layer, keys)
                if settings.hold:  # what the others lack here is zero
                    solved = solved[members]
                factors[path] = LowRank.of(missing.T.to(device), solved).smaller()
                model.try_on(path, factors[path])
            watch("layers", done + 1, len(used))
        left = lacking()
    return factors, {part: 1 - left[part] / whole[part].clamp_min(1e-30) for part in left}


def _divisor(settings: Settings, remain: int) -> float:
    return math.sqrt(remain) if settings.divide == "root" else float(remain)


def _missing(
    model: Editable, prepared: Prepared, aim: Aim, members: Sequence[int], part: Part
) -> Tensor:
    """What some edits' last layers do not give yet: float64 ``[members, width]`` on the CPU."""
    return aim.values[part][list(members)] - _given(model, prepared, aim.layers, members, part)


def _given(
    model: Editable,
    prepared: Prepared,
    layers: Sequence[tuple[int, ...]],
    members: Sequence[int],
    part: Part,
) -> Tensor:
    """What some edits' last layers give now: float64 ``[members, width]`` on the CPU."""
    lasts = [layers[i][-1] for i in members]
    sites = [Site(layer, part) for layer in sorted(set(lasts))]
    now = prepared.only(*members).read_bare(model, sites)
    return torch.stack([now[Site(last, part)][place].cpu() for place, last in enumerate(lasts)])


# -- checks and figures ----------------------------------------------------------------------------


def _check_reach(
    model: Editable, prepared: Prepared, layers: list[tuple[int, ...]], settings: Settings
) -> None:
    """Makes sure that no edit's vectors are added where nothing depends on them."""
    end = len(model.blocks) - 1
    for edit, texts, own in zip(prepared.edits, prepared.texts, layers, strict=True):
        if own[-1] == end and texts[0].subject < texts[0].target - 1:
            raise BakeError(
                f"edit {edit.id!r}: its layers end in the last one, {end}, where nothing depends "
                "on its subject's token any more.",
                hint="Set token = 'last', or boundary to at least 1.",
            )


def _figures(
    prepared: Prepared, aim: Aim, cosines: Tensor, reached: dict[Part, Tensor]
) -> dict[str, Any]:
    return {
        edit.id: {
            "layers": list(aim.layers[i]),
            "similarities": [float(cosines[i, layer]) for layer in aim.layers[i]],
            "loss": aim.losses[i],
            "target_nll": aim.target_nll[i],
            "steps": aim.steps[i],
            "relative": {
                part: float(vectors[i].norm() / aim.sizes[part][i])
                for part, vectors in aim.vectors.items()
            },
            "reached": {part: float(shares[i]) for part, shares in reached.items()},
        }
        for i, edit in enumerate(prepared.edits)
    }
