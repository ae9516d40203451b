"""The result of a run: one JSON object that says what ran, on what, and what came out.

The runner writes it, every report reads it. Reading checks it against the types below and names
each field that is missing or wrong, so that a report never shows half a result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from memedit.errors import MemEditError
from memedit.evaluate.metrics import Figure

SCHEMA: Literal[1] = 1

# An unknown field is more likely a slip than news: a new field comes with a new schema number.
# JSON has no infinity and no NaN; a figure that is one of them is a mistake upstream.
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


class ResultError(MemEditError, ValueError):
    """A result cannot be read; the message names the file and the fields."""


@dataclass(frozen=True)
class Model:
    """The model the method worked on.

    Attributes:
        name: As given to the run.
        hash: Hash of its weights; None where they are out of reach (a remote model).
        dtype: Of its weights, such as ``float32``.
        device: Where it ran, such as ``cpu``.
        form: How it was asked: ``chat``, or ``completion`` of prompts as plain text.
    """

    __pydantic_config__ = _STRICT

    name: str
    hash: str | None = None
    dtype: str | None = None
    device: str | None = None
    form: str = "chat"


@dataclass(frozen=True)
class Data:
    """The data set.

    Attributes:
        name: The reader's name.
        path: Name of the file, without its folder.
        sha256: The file's checksum.
        source: Where it comes from.
    """

    __pydantic_config__ = _STRICT

    name: str
    path: str
    sha256: str
    source: str = ""


@dataclass(frozen=True)
class Drop:
    """Records left out for one reason: how many, and the first ids."""

    __pydantic_config__ = _STRICT

    count: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class FailedCase:
    """A case without answers, and why."""

    __pydantic_config__ = _STRICT

    case: str
    reason: str


@dataclass(frozen=True)
class Cases:
    """What became of the data set's records.

    Attributes:
        evaluated: Cases that count in the figures, the failed ones included.
        failed: Those among them that have no answers; they count as wrong.
        base_failed: Cases on which only the unedited model failed; the base column and figures
            that compare with it leave them out.
        contested: Queries left out of some figures, at the largest k, since another live edit may
            rightly answer them.
        dropped: Records and queries left out on purpose, by reason; they do not count.
        failures: The failed cases with their reasons.
    """

    __pydantic_config__ = _STRICT

    evaluated: int
    failed: int = 0
    base_failed: int = 0
    contested: int = 0
    dropped: dict[str, Drop] = field(default_factory=dict)
    failures: tuple[FailedCase, ...] = ()


@dataclass(frozen=True)
class Bin:
    """One bin of the reliability diagram of the scope probability.

    Attributes:
        low: Lower edge of the bin, 0…1.
        high: Upper edge.
        n: Queries whose probability falls into it.
        confidence: Their mean probability.
        accuracy: The share of them under which the right edit ought to fire.
    """

    __pydantic_config__ = _STRICT

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """What ran, on what, and what came out.

    Attributes:
        schema: Version of this form.
        suite: The suite's name.
        description: What the suite is, in a sentence.
        method: The method's name, such as ``memory``.
        method_settings: Whatever the method was set to.
        model: The model it worked on.
        data: The data set.
        code: Version or commit of memedit.
        key: Hash of suite, method, model, data and code: the same key, the same figures.
        seed: Seed of everything random.
        limit: At most this many cases were read; None for all.
        k: floats of live edits, in rising order; ``"all"`` comes last.
        protocol: ``batch``: all k edits, then the queries; ``sequential``: edits one after the
            other, queries after each and again at the end.
        batch_size: In sequential editing, how many cases' edits were applied together.
        command: The command that reproduces the run.
        started: ISO 8601.
        finished: ISO 8601.
        seconds: How long it took.
        machine: Processor, memory, versions: whatever the figures may depend on.
        cases: What became of the records.
        metrics: The figures at the largest k, by metric.
        sweep: The figures at each k.
        reliability_diagram: The bins of the scope probability that hold a query, in order
            (:func:`memedit.evaluate.metrics.reliability_bins`); empty without a router.
        latency: Seconds that single queries took.
        by_relation: For each relation, each metric's value and number of observations.
    """

    __pydantic_config__ = _STRICT

    schema: Literal[1] = SCHEMA
    suite: str
    description: str = ""
    method: str
    method_settings: dict[str, Any] = field(default_factory=dict)
    model: Model
    data: Data
    code: str
    key: str
    seed: int = 0
    limit: int | None = None
    k: tuple[str, ...]
    protocol: Literal["batch", "sequential"]
    batch_size: int = 1
    command: str
    started: str
    finished: str
    seconds: float
    machine: dict[str, Any] = field(default_factory=dict)
    cases: Cases
    metrics: dict[str, Figure]
    sweep: dict[str, dict[str, Figure]] = field(default_factory=dict)
    reliability_diagram: tuple[Bin, ...] = ()
    latency: tuple[float, ...] = ()
    by_relation: dict[str, dict[str, tuple[float, int]]] = field(default_factory=dict)

    @property
    def largest_k(self) -> str:
        """The k that :attr:`metrics` is about."""
        return self.k[-1] if self.k else "all"

    @property
    def way(self) -> str:
        """The protocol, with the number of cases at a time where that is not plain."""
        at_a_time = f", {self.batch_size:,} cases at a time" if self.batch_size > 1 else ""
        return f"{self.protocol}{at_a_time}"

    def at(self, k: str) -> dict[str, Figure]:
        """The figures with ``k`` live edits; empty for a k that was not run."""
        own = self.metrics if k == self.largest_k else {}
        return {**self.sweep.get(k, {}), **own}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; :meth:`from_dict` reads it back loss-free."""
        data: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, name: str = "the result") -> Result:
        """What :meth:`to_dict` gave, checked.

        Args:
            data: The JSON object.
            name: What errors call it; a file's name.

        Raises:
            ResultError: It is not such an object; every missing or wrong field is named.
        """
        schema = data.get("schema") if isinstance(data, Mapping) else None
        if schema != SCHEMA:
            raise ResultError(
                f"{name}: schema is {schema!r}, not {SCHEMA}.",
                hint="Give a result.json of 'memedit eval', or run the suite again.",
            )
        try:
            return _adapter().validate_python(dict(data))
        except ValidationError as error:
            raise ResultError(
                f"{name}: {_faults(error)}.", hint="Run the suite again to write it anew."
            ) from error


def read_result(path: str | Path) -> Result:
    """The result in a JSON file.

    Raises:
        ResultError: The file cannot be read, is not JSON, or is not a result.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError(
            f"{path.name}: cannot be read: {error.strerror}.", hint="Check the path."
        ) from error
    except ValueError as error:  # malformed JSON, or bytes that are not UTF-8
        raise ResultError(
            f"{path.name}: is not JSON: {error}.", hint="Run the suite again to write it anew."
        ) from error
    return Result.from_dict(data, name=path.name)


@cache
def _adapter() -> TypeAdapter[Result]:
    return TypeAdapter(Result)


def _faults(error: ValidationError) -> str:
    """Each field that is missing, unknown or wrong, by its path in the object."""
    words = {"missing": "is missing", "extra_forbidden": "is unknown",
             "unexpected_keyword_argument": "is unknown"}  # fmt: skip
    faults = []
    for one in error.errors(include_url=False):
        path = ".".join(str(part) for part in one["loc"])
        wrong = f"is {one['input']!r}: {one['msg']}"
        faults.append(f"{path} {words.get(one['type'], wrong)}")
    return "; ".join(faults)
