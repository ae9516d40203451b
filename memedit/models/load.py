"""Getting a chat model: by name, by path, from a server, or from what the caller has loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import BaseChatModel

from memedit.errors import ModelError
from memedit.models.embedded import EMBEDDED_NAME, embedded_folder, gguf_folder, quiet_progress
from memedit.models.local import DEFAULT_MAX_TOKENS, LocalChatModel

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

OPENAI_PREFIX = "openai:"
_ACCEPTED = (
    f"Give {EMBEDDED_NAME!r}, a model folder, a .gguf file, a hub id such as 'owner/name', or "
    f"'{OPENAI_PREFIX}NAME' with base_url for an OpenAI-compatible server."
)


def load_model(
    name: str = EMBEDDED_NAME,
    *,
    device: str = "auto",
    dtype: torch.dtype | str | None = None,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    temperature: float = 0.0,
    seed: int | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
) -> BaseChatModel:
    """The chat model called ``name``.

    Args:
        name: ``"smollm2"`` (embedded, no network), a folder or ``.gguf`` file, a hub id, or
            ``"openai:NAME"`` for a server that speaks OpenAI's protocol.
        device: Where a local model runs; ``"auto"`` is the accelerator where there is one.
        dtype: A local model's number format; see :func:`load_local_model`.
        max_tokens: The most tokens of an answer, where a call does not say.
        temperature: 0 for the most deterministic answers.
        seed: Makes sampling repeatable.
        base_url: The server's address, such as ``"http://127.0.0.1:8000/v1"``.
        api_key: The server's key; most local servers take any.

    Returns:
        A :class:`~memedit.models.local.LocalChatModel`, or a ``ChatOpenAI`` for a server.

    Raises:
        ModelError: There is no such model, or it cannot be loaded; the message says what to do.
    """
    if name.startswith(OPENAI_PREFIX):
        settings = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
        return _openai_model(name.removeprefix(OPENAI_PREFIX), base_url, api_key, settings)
    if base_url or api_key:
        raise ModelError(
            f"base_url: {name!r} is a local model and has no server.",
            hint=f"Write '{OPENAI_PREFIX}{name}' for a model behind a server.",
        )
    return load_local_model(
        name,
        device=device,
        dtype=dtype,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
    )


def load_local_model(
    name: str = EMBEDDED_NAME,
    *,
    device: str = "auto",
    dtype: torch.dtype | str | None = None,
    **settings: Any,
) -> LocalChatModel:
    """The transformers model ``name``, which can also score, complete and take adapters.

    Args:
        name: As for :func:`load_model`, servers excluded.
        device: ``"auto"`` or a torch device such as ``"cpu"`` or ``"cuda:0"``.
        dtype: The number format of the weights, such as ``"bfloat16"``; None for the one they
            are stored in, which for the embedded model is float32.
        **settings: ``max_tokens``, ``temperature``, ``seed``, ``stop`` of the chat model.

    Raises:
        ModelError: See :func:`load_model`.
    """
    # The embedded model stays in float32. On two cores a step of batch-1 decoding takes 32 ms in
    # either format. bfloat16 is 1.5 times (16 rows) to 3 times (prefill) faster where the
    # processor multiplies it (AMX), and 1.6 times to 8 times slower where it does not.
    source = _source(name)
    model, tokenizer = _from_pretrained(name, str(source), dtype or "auto")
    cast(Any, model).to(_device(device))
    return _chat_model(model, tokenizer, name, **settings)


def as_chat_model(model: object) -> BaseChatModel:
    """``model`` as a LangChain chat model.

    Args:
        model: A LangChain chat model (returned as it is), a ``(transformers model, tokenizer)``
            tuple (used in place, in evaluation mode), or a name for :func:`load_model`.

    Raises:
        ModelError: It is none of these; the message says what is accepted.
    """
    if isinstance(model, BaseChatModel):
        return model
    if isinstance(model, str):
        return load_model(model)
    if isinstance(model, tuple) and len(model) == 2 and _is_transformers_pair(*model):
        network, tokenizer = model
        name = getattr(network.config, "name_or_path", "") or type(network).__name__
        return _chat_model(network, tokenizer, name)
    raise ModelError(
        f"model: a {type(model).__name__} is not a language model.",
        hint="Give a LangChain chat model, a (transformers model, tokenizer) tuple, or a name "
        "for load_model.",
    )


def _is_transformers_pair(model: object, tokenizer: object) -> bool:
    return callable(getattr(model, "generate", None)) and callable(
        getattr(tokenizer, "apply_chat_template", None)
    )


def _chat_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str, **settings: Any
) -> LocalChatModel:
    from memedit.models.engine import LocalEngine

    engine = LocalEngine(model, tokenizer, name)
    return LocalChatModel(engine=engine, model_name=name, **settings)


def _source(name: str) -> str | Path:
    if name == EMBEDDED_NAME:
        return embedded_folder()
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"model: there is no file {name!r}.", hint=_ACCEPTED)
        return gguf_folder(path)
    if path.is_dir():
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or not name:
        raise ModelError(f"model: there is no folder {name!r}.", hint=_ACCEPTED)
    return name


def _from_pretrained(
    name: str, source: str, dtype: torch.dtype | str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    local = Path(source).is_dir()
    try:
        with quiet_progress():
            tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local)
            model = AutoModelForCausalLM.from_pretrained(
                source, dtype=dtype, local_files_only=local
            )
    except (OSError, ValueError, KeyError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        hint = f"Delete {source} to make it anew." if name == EMBEDDED_NAME else _ACCEPTED
        raise ModelError(f"model: {name!r} cannot be loaded ({reason}).", hint=hint) from error
    return cast("PreTrainedModel", model), cast("PreTrainedTokenizerBase", tokenizer)


def _device(device: str) -> torch.device:
    import torch

    if device == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        return torch.zeros(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"device: {device!r} cannot be used ({reason}).", hint="Give 'auto' or 'cpu'."
        ) from error


def _openai_model(
    name: str, base_url: str | None, api_key: str | None, settings: dict[str, Any]
) -> BaseChatModel:
    try:
        from langchain_openai import ChatOpenAI
        from openai import OpenAIError
    except ImportError as error:
        raise ModelError(
            "model: OpenAI-compatible servers need the package langchain-openai.",
            hint="Run: pip install 'memedit[openai]'",
        ) from error
    if not name:
        raise ModelError(
            f"model: '{OPENAI_PREFIX}' names no model.", hint=f"Write '{OPENAI_PREFIX}NAME'."
        )
    # A server on this machine seldom asks for a key, but the client insists on having one.
    key = api_key or ("none" if base_url else None)
    try:
        chat = ChatOpenAI(model=name, base_url=base_url, api_key=key, **settings)
    except OpenAIError as error:
        raise ModelError(
            f"model: {OPENAI_PREFIX}{name} cannot be reached ({error}).",
            hint="Give api_key or set OPENAI_API_KEY, or give the base_url of a server of yours.",
        ) from error
    return cast(BaseChatModel, chat)
