"""The prompt templates of ``prompts/``: rendered exactly as written, and named by a hash."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources

import jinja2

from memedit.errors import ModelError

PACKAGE = "memedit._prompts"


def render(name: str, **values: object) -> str:
    """The prompt ``name`` with its variables filled in.

    Args:
        name: A template's file name without ``.j2``.
        **values: The template's variables; a value's own braces stay plain text.

    Raises:
        ModelError: There is no such template, or one of its variables is not given.
    """
    try:
        return _environment().from_string(_source(name)).render(values)
    except jinja2.UndefinedError as error:
        raise ModelError(
            f"prompt {name!r}: {error.message}.", hint="Give every variable it names."
        ) from error


def prompt_hash(name: str) -> str:
    """12 hexadecimal digits that change when the prompt's wording does; recorded with results."""
    return hashlib.sha256(_source(name).encode()).hexdigest()[:12]


@functools.cache
def _environment() -> jinja2.Environment:
    # Prompts are the experiment: no escaping, no trimming, and a variable that is missing is an
    # error rather than an empty string. Comments ({# #}) do not reach the model.
    return jinja2.Environment(
        undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=False
    )


@functools.cache
def _source(name: str) -> str:
    file = resources.files(PACKAGE) / f"{name}.j2"
    if not file.is_file():
        raise ModelError(
            f"prompt {name!r}: there is no file {name}.j2 in prompts/.",
            hint="Choose one of the files there.",
        )
    return file.read_text(encoding="utf-8")
