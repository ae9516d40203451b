"""Putting an attention of one's own in place of a model's, through transformers' interface."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from memedit.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# What some models' attention adds to plain softmax attention, by the names they pass it under.
ADDED = ("position_bias", "softcap", "s_aux")


def can_replace(model: PreTrainedModel) -> bool:
    """Whether the model's attention can be replaced.

    It has to go through transformers' attention interface, and to be set to SDPA, which is plain
    softmax attention; models that add something, such as a cap or a sink, do not allow that.
    """
    supported = bool(getattr(model, "_supports_attention_backend", False))
    config: Any = model.config
    plain = config.get_text_config(decoder=True)._attn_implementation == "sdpa"
    return supported and plain and not config.is_encoder_decoder


@contextlib.contextmanager
def attending(model: PreTrainedModel, name: str) -> Iterator[None]:
    """The model with the attention registered as ``name`` inside the block."""
    config: Any = cast(Any, model.config).get_text_config(decoder=True)
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before


def refuse_added(given: Mapping[str, Any]) -> None:
    """Makes sure that a layer's attention is plain.

    Args:
        given: What else it tells its attention.

    Raises:
        ModelError: It adds something to its scores.
    """
    added = [name for name in ADDED if given.get(name) is not None]
    if added:
        raise ModelError(
            f"model: its attention takes {', '.join(added)}, which leaves no way to put another "
            "in its place.",
            hint="Load it with attn_implementation='eager'.",
        )


def check_came_by(model: PreTrainedModel, layers: set[int], wanted: set[int]) -> None:
    """Makes sure that every layer attended through the interface.

    Args:
        model: The model.
        layers: Those that did.
        wanted: Those that had to.

    Raises:
        ModelError: Some have an attention of their own after all.
    """
    if layers != wanted:
        raise ModelError(
            f"model: {type(model).__name__} does not attend through transformers' interface in "
            "every layer.",
            hint="Load it with attn_implementation='eager'.",
        )
