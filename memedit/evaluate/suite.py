"""Suites: a data set and how it is to be asked, one TOML file each in ``eval/suites``."""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from memedit.errors import EvaluationError
from memedit.evaluate.cases import Case, Kind, Query

PACKAGE = "memedit._suites"
Protocol = Literal["batch", "sequential"]
# What is live beside the edits: nothing, the data set's own facts, or these among many others.
Setting = Literal["end-to-end", "given-facts", "dense"]


class Suite(BaseModel):
    """What is asked of a data set, and how.

    Args:
        name: The file's name without ``.toml``.
        description: One sentence for reports.
        dataset: The data set's name; see :mod:`memedit.evaluate.datasets`.
        generate: Whether answers are generated; False where only routing is judged.
        score: Whether the ``new`` and ``true`` continuations are scored (teacher forcing).
        kinds: Only queries of these kinds; all where empty.
        at_most: Only so many queries of a kind from each case, the first ones.
        max_tokens: The most tokens of an answer.
        text_tokens: The most tokens of a text (queries of kind ``generation``).
        leave_out: Patterns (``fnmatch``) of metrics that say nothing about this data set.
        k: How many edits are live together, where the caller does not say.
        protocol: ``batch``: all k edits, then every query. ``sequential``: one case's edits after
            the other, its queries after each, and every query again at the end.
        batch_size: In sequential editing, the edits of so many cases are applied together.
        setting: What is live beside the edits. ``end-to-end``: nothing. ``given-facts``: the
            facts of the cases, which measures a method apart from what the model knows. ``dense``:
            these, and so many others that every entity on a chain has eight relations at least.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    dataset: str
    generate: bool = True
    score: bool = True
    kinds: tuple[Kind, ...] = ()
    at_most: dict[Kind, Annotated[int, Field(ge=0)]] = {}
    max_tokens: Annotated[int, Field(ge=1)] = 24
    text_tokens: Annotated[int, Field(ge=1)] = 100
    leave_out: tuple[str, ...] = ()
    k: tuple[str, ...] = ("all",)
    protocol: Protocol = "batch"
    batch_size: Annotated[int, Field(ge=1)] = 1
    setting: Setting = "end-to-end"

    @field_validator("k", mode="before")
    @classmethod
    def _read_k(cls, value: Any) -> tuple[str, ...]:
        """Numbers may stand in a file as such: ``k = [1, 100, "all"]``."""
        return parse_k(",".join(map(str, value if isinstance(value, list | tuple) else [value])))

    def queries(self, case: Case) -> tuple[Query, ...]:
        """The queries of a case that the suite asks."""
        asked: dict[str, int] = {}
        chosen = []
        for query in case.queries:
            if self.kinds and query.kind not in self.kinds:
                continue
            asked[query.kind] = asked.get(query.kind, 0) + 1
            if asked[query.kind] <= self.at_most.get(query.kind, len(case.queries)):
                chosen.append(query)
        return tuple(chosen)

    def tokens(self, query: Query) -> int:
        """The most tokens of the answer to a query."""
        return self.text_tokens if query.kind == "generation" else self.max_tokens


def suite_names() -> list[str]:
    """The suites that ship with memedit, sorted."""
    files = resources.files(PACKAGE).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load_suite(name: str) -> Suite:
    """A suite by its name, or from a TOML file of one's own.

    Raises:
        EvaluationError: There is no such suite, or the file is malformed; the message names the
            field.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise EvaluationError(f"suite: there is no file {name!r}.", hint="Check the path.")
        return _read(path.stem, path.read_bytes())
    if name not in suite_names():
        near = difflib.get_close_matches(name, suite_names(), n=2)
        raise EvaluationError(
            f"suite: there is no {name!r}.",
            hint=f"Did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"There are: {', '.join(suite_names())}; or give a .toml file.",
        )
    file = resources.files(PACKAGE) / f"{name}.toml"
    return _read(name, file.read_bytes())


def parse_k(text: str) -> tuple[str, ...]:
    """``"1,100,all"`` as the numbers of live edits to sweep, rising, ``all`` last.

    Raises:
        EvaluationError: One of them is neither a positive number nor ``all``.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts or [text]:
        if part != "all" and not (part.isdecimal() and int(part) > 0):
            raise EvaluationError(
                f"k: {part!r} is not a number of edits.", hint="Give numbers from 1, or 'all'."
            )
    numbers = sorted({int(part) for part in parts if part != "all"})
    return (*map(str, numbers), *(["all"] if "all" in parts else []))


def _read(name: str, raw: bytes) -> Suite:
    try:
        data = tomllib.loads(raw.decode())
        return Suite.model_validate({"name": name} | data)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EvaluationError(
            f"suite {name!r}: not valid TOML ({error}).", hint="Mend the file."
        ) from error
    except ValidationError as error:
        [first, *_] = error.errors()
        where = ".".join(map(str, first["loc"]))
        raise EvaluationError(
            f"suite {name!r}: {where}: {first['msg'].lower()} (given: {first['input']!r}).",
            hint=f"Fields: {', '.join(Suite.model_fields)}; kinds: {', '.join(get_args(Kind))}.",
        ) from error
