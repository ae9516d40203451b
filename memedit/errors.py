"""Every error memedit raises on purpose: what happened, with the value, and what to do about it."""

from __future__ import annotations


class MemEditError(Exception):
    """Base of all of memedit's errors.

    Args:
        message: One sentence that names the field or object and the offending value.
        hint: One sentence that says what to do. It is part of ``str(error)``.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} {hint}".strip())


class InvalidEditError(MemEditError, ValueError):
    """An edit's words cannot be used as given; ``field`` names the offending one."""

    def __init__(self, message: str, *, hint: str = "", field: str = "") -> None:
        self.field = field
        super().__init__(message, hint=hint)


class ImportFormatError(MemEditError, ValueError):
    """A file of edits is malformed; the message names the file and the line or record."""


class StoreError(MemEditError):
    """The edit store cannot be opened, read or written."""


class StoreLockedError(StoreError):
    """Another process holds the store's write lock; trying again can help."""


class UnknownEditError(StoreError, KeyError):
    """No edit has this id (in this namespace)."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0])


class UnknownBakeError(StoreError, KeyError):
    """No bake has this id (in this namespace)."""

    def __str__(self) -> str:
        return str(self.args[0])


class UnknownNamespaceError(StoreError, KeyError):
    """The store holds no such namespace."""

    def __str__(self) -> str:
        return str(self.args[0])


class EditConflictError(StoreError):
    """The change contradicts what the store holds: a duplicate id, a live edit of the same key."""


class EncoderError(MemEditError):
    """The sentence encoder cannot be loaded or is not the one the store was made with."""


class ModelError(MemEditError):
    """A language model cannot be loaded or cannot do what is asked of it."""


class QueryError(MemEditError, ValueError):
    """A question cannot be routed as given."""


class EvaluationError(MemEditError):
    """An evaluation cannot be run as asked; cases that fail on the way do not raise."""


class TrainingError(MemEditError):
    """A model cannot be trained as asked: the data or the settings do not allow it."""


class BakeError(MemEditError):
    """Edits cannot be written into the weights as asked, or a delta does not belong to them."""


class TraceError(MemEditError):
    """A prompt, or a model, cannot be traced as asked."""
