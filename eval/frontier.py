"""Settings that were tried on the embedded model, around those in ``hparams/``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from memedit.bake import Editable, Moments
from memedit.bake.alphaedit import Settings, compute_from
from memedit.bake.contexts import Prepared, prepare
from memedit.bake.spread import Goal, find_goal
from memedit.evaluate.cases import Case
from memedit.models.local import LocalChatModel

# Method, name, and what is other than in hparams/METHOD/smollm2-135m.toml.
TRIED: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("rome", "as shipped", {}),
    ("rome", "layer 2", {"layer": 2}),
    ("rome", "layer 5", {"layer": 5}),
    ("rome", "layer 8", {"layer": 8}),
    ("rome", "6 steps of 2", {"target": {"steps": 6, "learning_rate": 2.0}}),
    ("memit", "as shipped", {}),
    ("memit", "share 0.5", {"share": 0.5}),
    ("memit", "share 0.9", {"share": 0.9}),
    ("memit", "layers 3 to 6, share 0.9", {"layers": (3, 4, 5, 6), "share": 0.9}),
    ("memit", "layers 4 to 8", {"layers": (4, 5, 6, 7, 8)}),
)

# AlphaEdit's, in sequence: how vectors are optimised, and for each what is other than in
# hparams/alphaedit/smollm2-135m.toml when they are written.
PLAIN: Mapping[str, Any] = {"penalty": "size"}
IN_SEQUENCE: tuple[tuple[str, Mapping[str, Any], tuple[Mapping[str, Any], ...]], ...] = (
    (
        "clamp 4",
        {"clamp": 4.0},
        (
            {**PLAIN, "share": 0.9},
            {**PLAIN, "share": 0.5},
            {"share": 0.8},
        ),
    ),
    (
        "clamp 0.75",
        {"clamp": 0.75},
        (
            {**PLAIN, "share": 0.9},
            {**PLAIN, "share": 0.5},
            {"share": 0.9},
            {"share": 0.8},
            {"share": 0.5},
            {"share": 0.8, "null_energy": 0.2},
            {"share": 0.8, "null_energy": 0.9},
        ),
    ),
    ("clamp 0.5", {"clamp": 0.5}, ({"share": 0.8}, {"share": 0.95})),
)


def changed(settings: BaseModel, update: Mapping[str, Any]) -> BaseModel:
    """The settings with other values; those of a group are changed one by one."""
    values = settings.model_dump()
    for name, value in update.items():
        values[name] = values[name] | value if isinstance(value, Mapping) else value
    return type(settings).model_validate(values)


def _quiet(_what: str, _done: int, _of: int) -> None:
    pass


@dataclass(frozen=True)
class Vectors:
    """Target vectors of AlphaEdit on a model without edits, to be written in several ways.

    Attributes:
        model: The model.
        chat: The same, as it is asked.
        prepared: The edits.
        goal: Their vectors.
    """

    model: Editable
    chat: LocalChatModel
    prepared: Prepared
    goal: Goal

    @classmethod
    def of(
        cls, model: Editable, chat: LocalChatModel, cases: Sequence[Case], settings: Settings
    ) -> Vectors:
        """Those of the cases' edits."""
        with chat.engine.using(None):
            edits = [case.edits[0] for case in cases]
            prepared = prepare(model, edits, settings.prefixes, seed=0)
            layer, target = settings.layers[-1], settings.target
            goal = find_goal(model, prepared, layer, ["block_out"], target, _quiet)
        return cls(model, chat, prepared, goal)

    @contextlib.contextmanager
    def written(self, settings: Settings, moments: Moments, step: int) -> Iterator[Iterator[int]]:
        """Batches, one after the other: each is on the weights when its first edit is given."""

        def batches() -> Iterator[int]:
            for begin in range(0, len(self.prepared.edits), step):
                numbers = range(begin, min(begin + step, len(self.prepared.edits)))
                with self.chat.engine.using(None):
                    self._write(numbers, settings, moments)
                yield begin

        try:
            yield batches()
        finally:
            with self.chat.engine.using(None):
                self.model.revert_all()

    def _write(self, numbers: Sequence[int], settings: Settings, moments: Moments) -> None:
        prepared, goal = self.prepared.only(*numbers), self.goal.only(*numbers)
        now = prepared.read_bare(self.model, [goal.site])[goal.site]
        wanted = now + goal.found.vectors[goal.site.part].to(now)
        goal = replace(goal, values=wanted)
        self.model.apply(
            compute_from(
                goal, self.model, prepared, settings, moments=moments, seed=0, watch=_quiet
            )
        )
