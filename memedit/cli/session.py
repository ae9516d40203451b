"""What every command shares: where the store is, who acts, and how failures end."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from memedit.cli.output import fail, working
from memedit.errors import MemEditError, QueryError
from memedit.settings import default_store

if TYPE_CHECKING:
    from memedit.memory import EditMemory
    from memedit.pipeline import EditedModel, MultiHop


class Commands(TyperGroup):
    """A command group in which a MemEditError is one sentence on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the chosen command."""
        try:
            return super().invoke(ctx)
        except MemEditError as error:
            fail(str(error))
        except _server_errors() as error:
            fail(f"The model's server did not answer: {error}")
        raise typer.Exit(1)


def _server_errors() -> tuple[type[Exception], ...]:
    """What an OpenAI-compatible server's client raises, where one has been loaded."""
    client = sys.modules.get("openai")
    return (client.OpenAIError,) if client else ()


@dataclass(frozen=True)
class Session:
    """The global options.

    Args:
        store: The store's file.
        namespace: The part of the store to work in.
        actor: Who makes changes, as history records it; None for the user's login name.
    """

    store: Path
    namespace: str
    actor: str | None

    def memory(self, *, create: bool = False) -> EditMemory:
        """Opens the store; use it as a context manager."""
        from memedit.memory import EditMemory

        return EditMemory.open(
            self.store, namespace=self.namespace, actor=self.actor, create=create
        )

    def model(
        self,
        memory: EditMemory,
        name: str,
        *,
        base_url: str | None,
        max_tokens: int,
        threshold: float | None,
        adapter: str | None = None,
        multihop: MultiHop | bool | None = None,
    ) -> EditedModel:
        """Loads a language model and puts it behind the memory."""
        with working(f"Loading {name} ..."):
            from memedit.models.load import load_model
            from memedit.models.roles import role_with
            from memedit.pipeline import EditedModel

            chat = load_model(name, base_url=base_url, max_tokens=max_tokens)
            edited = EditedModel(
                chat,
                memory,
                role=role_with(chat, adapter),
                threshold=threshold,
                multihop=multihop,
            )
            edited.route("Is everything loaded?")  # the encoder too; no question waits for it
            return edited


def taken_apart(multihop: bool | None, strategy: MultiHop | None) -> MultiHop | bool | None:
    """How questions are taken apart, from the two options that say so.

    Raises:
        QueryError: A strategy was given, and that none is to be used.
    """
    if strategy and multihop is False:
        raise QueryError(
            f"strategy: {strategy!r} takes questions apart, which --no-multihop forbids.",
            hint="Give one of the two.",
        )
    return strategy or multihop


def session(ctx: typer.Context) -> Session:
    """The session of a command's context."""
    found = ctx.find_root().obj
    assert isinstance(found, Session)
    return found


def complete_ids(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of the store's edits with what they say, for shell completion."""
    given = ctx.find_root().params
    store = Path(given.get("store") or default_store())
    here = Session(store, given.get("namespace") or "default", None)
    try:
        with here.memory() as memory:
            records = memory.list(status="all")
    except MemEditError:
        return []  # completion has no place to report to
    return [
        (record.id, record.edit.stated)
        for record in records
        if record.edit and record.id.startswith(incomplete)
    ]
