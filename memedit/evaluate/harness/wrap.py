"""An edited model as one of lm-evaluation-harness's, which is imported only when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memedit.errors import ModelError

if TYPE_CHECKING:
    from memedit.evaluate.harness.model import EditedLM
    from memedit.pipeline import EditedModel

MODEL_NAME = "memedit"


def edited_lm(edited: EditedModel, **options: Any) -> EditedLM:
    """An edited model as a model of lm-evaluation-harness, for ``lm_eval.simple_evaluate``.

    Args:
        edited: The edited model. Base and counterfactual model have to be local ones.
        **options: ``HFLM``'s, such as ``batch_size``, ``max_batch_size``, ``max_length``.

    Raises:
        ModelError: lm-eval is not installed, or a model is no local one.
    """
    return _model_class()(edited, **options)


def register() -> None:
    """Makes the model class known to lm-evaluation-harness under the name ``memedit``.

    ``simple_evaluate(model="memedit", model_args="store=edits.db,model=smollm2")`` then works.
    Arguments are ``store``, ``model``, ``namespace``, ``threshold``, ``device``, ``batch_size``,
    ``max_batch_size`` and ``max_length``. The store is opened for reading. Doing it again changes
    nothing.

    Raises:
        ModelError: lm-eval is not installed.
    """
    cls = _model_class()
    from lm_eval.api.registry import register_model

    register_model(MODEL_NAME)(cls)


def _model_class() -> type[EditedLM]:
    try:
        from memedit.evaluate.harness.model import EditedLM
    except ImportError as error:
        raise ModelError(
            f"lm-evaluation-harness cannot be imported ({error}).",
            hint="Run: pip install 'memedit[lm-eval]'",
        ) from error
    return EditedLM
