"""The contract of all methods, and the methods by name."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from memedit.edit import Edit
from memedit.errors import BakeError

if TYPE_CHECKING:
    from memedit.bake.delta import Delta
    from memedit.bake.editable import Editable
    from memedit.bake.moments import Moments
    from memedit.models.architecture import Blocks

# What is being done, how many of it are done, and how many there are.
Watch = Callable[[str, int, int], None]

_MODULES = {
    "alphaedit": "memedit.bake.alphaedit",
    "dem": "memedit.bake.dem",
    "ft-m": "memedit.bake.ftm",
    "memit": "memedit.bake.memit",
    "pmet": "memedit.bake.pmet",
    "rome": "memedit.bake.rome",
}


@dataclass(frozen=True)
class Method:
    """A way to write edits into weights.

    Attributes:
        name: As on the command line and in ``hparams/``.
        settings: The class of its settings.
    """

    name: str
    settings: type[BaseModel]
    _compute: Callable[..., Delta]
    _compute_each: Callable[..., list[Delta]] | None = None

    @property
    def batches(self) -> bool:
        """Whether :meth:`compute_each` takes less time than one edit after the other."""
        return self._compute_each is not None

    def compute(
        self,
        model: Editable,
        edits: Sequence[Edit],
        settings: BaseModel,
        *,
        moments: Moments,
        seed: int = 0,
        watch: Watch | None = None,
    ) -> Delta:
        """The change of weights that writes ``edits``, on top of the deltas that are on.

        Args:
            model: The model. Its weights are the same bits afterwards, also after an error.
            edits: What to write; see :func:`~memedit.bake.contexts.refusals` for what cannot be.
            settings: Of the class :attr:`settings`.
            moments: Second moments of the base's keys; methods that need none leave it alone.
            seed: Decides everything random.
            watch: Told of progress.

        Raises:
            BakeError: An edit cannot be written, or memory does not suffice; no weight has been
                touched.
        """
        self._check(model, settings)
        return self._compute(
            model, edits, settings, moments=moments, seed=seed, watch=watch or _ignore
        )

    def compute_each(
        self,
        model: Editable,
        edits: Sequence[Edit],
        settings: BaseModel,
        *,
        moments: Moments,
        seed: int = 0,
        watch: Watch | None = None,
    ) -> list[Delta]:
        """A delta for each edit alone, all on the weights as they are.

        The same as :meth:`compute` for one edit after the other, up to rounding; methods with
        target vectors optimise them in batches. Arguments and errors are those of
        :meth:`compute`.
        """
        self._check(model, settings)
        given: dict[str, Any] = {"moments": moments, "seed": seed, "watch": watch or _ignore}
        if self._compute_each is not None:
            return self._compute_each(model, edits, settings, **given)
        return [self._compute(model, [edit], settings, **given) for edit in edits]

    def _check(self, model: Editable, settings: BaseModel) -> None:
        if not isinstance(settings, self.settings):
            raise BakeError(
                f"settings: {self.name} takes its own, not a {type(settings).__name__}.",
                hint=f"Read them with load_settings({self.name!r}, ...).",
            )
        last = max(layers_of(settings), default=0)
        if last >= len(model.blocks):
            raise BakeError(
                f"layers: there is no layer {last}; the model has {len(model.blocks)}.",
                hint="Give settings made for this model.",
            )


def layers_of(settings: Any) -> tuple[int, ...]:
    """The layers a method with these settings changes; see :func:`weights_of`."""
    if (layer := getattr(settings, "layer", None)) is not None:
        return (layer,)
    return tuple(getattr(settings, "layers", ()))


def weights_of(settings: Any, blocks: Blocks) -> list[str]:
    """Paths of the weights that a method with these settings may change in a model."""
    if (may_change := getattr(settings, "may_change", None)) is not None:
        return list(may_change(blocks))
    return [blocks.mlp_out_path(layer) for layer in layers_of(settings)]


def method_names() -> list[str]:
    """The names of all methods."""
    return sorted(_MODULES)


def get_method(name: str) -> Method:
    """The method of a name.

    Raises:
        BakeError: There is none.
    """
    if name not in _MODULES:
        close = difflib.get_close_matches(name, _MODULES, 1)
        raise BakeError(
            f"method: there is none called {name!r}.",
            hint=f"Did you mean {close[0]!r}?" if close else f"One of {', '.join(method_names())}.",
        )
    module = importlib.import_module(_MODULES[name])
    return Method(name, module.Settings, module.compute, getattr(module, "compute_each", None))


def _ignore(_what: str, _done: int, _of: int) -> None:
    pass
