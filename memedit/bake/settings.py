"""Settings from ``hparams/METHOD/FAMILY.toml``: found by what a model is, checked when read."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from memedit.bake.methods import get_method
from memedit.errors import BakeError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PACKAGE = "memedit._hparams"


def load_settings(
    method: str, model: PreTrainedModel | None = None, *, source: str | Path | None = None
) -> BaseModel:
    """A method's settings for a model.

    Args:
        method: The method's name.
        model: The model, whose configuration decides the family.
        source: Instead, a family's name such as ``"gpt-j"``, or the path of a file of one's own.

    Raises:
        BakeError: There is no such file, none fits the model, or a value is malformed.
    """
    if source is not None and Path(source).suffix == ".toml":
        path = Path(source)
        if not path.is_file():
            raise BakeError(
                f"settings: there is no file {str(path)!r}.", hint="Give a TOML file's path."
            )
        return _parsed(method, path.read_text(encoding="utf-8"), str(path))
    known = families(method)
    if source is not None:
        if source not in known:
            raise BakeError(
                f"settings: {method} has none for {str(source)!r}.",
                hint=f"One of {', '.join(known)}, or the path of a TOML file.",
            )
        return _parsed(method, known[str(source)], f"{method}/{source}.toml")
    if model is None:
        raise BakeError("settings: neither a model nor a source is given.", hint="Give one.")
    fitting = [name for name, text in known.items() if _fits(text, model.config)]
    if len(fitting) != 1:
        config: Any = model.config.get_text_config(decoder=True)
        raise BakeError(
            f"settings: {method} has none for a {config.model_type} of {config.num_hidden_layers} "
            f"layers of width {config.hidden_size}.",
            hint=f"Give a TOML file of your own; there are some for {', '.join(known)}.",
        )
    return _parsed(method, known[fitting[0]], f"{method}/{fitting[0]}.toml")


def families(method: str) -> dict[str, str]:
    """The families that come with memedit, and their files' contents.

    Raises:
        BakeError: There is no such method.
    """
    get_method(method)
    folder = resources.files(PACKAGE) / method
    found = sorted(folder.iterdir(), key=lambda file: file.name) if folder.is_dir() else []
    return {
        file.name.removesuffix(".toml"): file.read_text(encoding="utf-8")
        for file in found
        if file.name.endswith(".toml")
    }


def _fits(text: str, config: Any) -> bool:
    """Whether the configuration has the values the file asks for under ``[fits]``."""
    wanted = tomllib.loads(text).get("fits", {})
    return bool(wanted) and all(getattr(config, k, None) == v for k, v in wanted.items())


def _parsed(method: str, text: str, where: str) -> BaseModel:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BakeError(
            f"settings: {where} is not valid TOML ({error}).", hint="Correct it."
        ) from error
    data.pop("fits", None)
    try:
        return get_method(method).settings.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "settings"
        raise BakeError(
            f"{field}: {where} has {first.get('input')!r:.80} ({first['msg']}).",
            hint="Correct it; hparams/ has an example for each method.",
        ) from error
