"""What every section of the benchmark uses: its setting, the product with edits, and verdicts."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel
from rich.progress import track

from memedit import Edit, EditedModel, EditMemory, load_model
from memedit.scope.decision import Decision
from memedit.settings import home
from memedit.text import name_key, words

BATCH = 256  # queries encoded together
SEED = 0

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """What one run of the benchmark is given.

    Attributes:
        data: The folder of the data sets.
        limit: At most so many queries a figure, a fixed sample; all of them where None.
        product: Keyword arguments of :class:`memedit.EditedModel`, the same in every section.
        relations: Relation ids that the scope model under test was trained without.
        distractors: How many generated edits make the largest memory.
        cache: Where the store of generated edits is kept from run to run.
    """

    data: Path
    limit: int | None = None
    product: Mapping[str, Any] = field(default_factory=dict)
    relations: tuple[str, ...] = ()
    distractors: int = 98_000
    cache: Path = field(default_factory=lambda: home() / "benchmark")

    def few(self, items: Iterable[T]) -> list[T]:
        """The items, or a fixed sample of them where there are more than ``limit``."""
        listed = list(items)
        if self.limit is None or len(listed) <= self.limit:
            return listed
        return random.Random(SEED).sample(listed, self.limit)


@functools.cache
def base_model() -> BaseChatModel:
    """The embedded language model, loaded once a process."""
    return load_model("smollm2")


@contextmanager
def edited(edits: Iterable[Edit], **options: Any) -> Iterator[EditedModel]:
    """The product with these edits in a store of its own.

    Args:
        edits: What is live.
        **options: Keyword arguments of :class:`memedit.EditedModel`; as shipped where none.
    """
    with (
        TemporaryDirectory(prefix="memedit-eval-") as folder,
        EditMemory.open(Path(folder) / "e.db") as memory,
    ):
        memory.add(edits)
        yield ready(memory, **options)


def ready(memory: EditMemory, **options: Any) -> EditedModel:
    """The product over a memory, with its edits already taken in."""
    model = EditedModel(base_model(), memory, **options)
    model.route("warm-up")
    return model


def routed(model: EditedModel, queries: Sequence[str], what: str) -> list[Decision]:
    """The product's decisions, in batches, with a progress bar named ``what``."""
    starts = track(range(0, len(queries), BATCH), description=f"{what:24s}")
    return [
        decision
        for start in starts
        for decision in model.route_many(list(queries[start : start + BATCH]))
    ]


def hits(model: EditedModel, asked: Sequence[tuple[str, Edit]], what: str) -> list[bool]:
    """For each query and the edit it asks for, whether the surest edit found says just that."""
    decisions = routed(model, [query for query, _ in asked], what)
    return [
        bool(decision.edits) and says_the_same(decision.edits[0], edit)
        for decision, (_, edit) in zip(decisions, asked, strict=True)
    ]


def fires(model: EditedModel, queries: Sequence[str], what: str) -> list[bool]:
    """For each query that no edit ought to answer, whether one fires."""
    return [bool(decision.edits) for decision in routed(model, queries, what)]


def says_the_same(found: Edit, wanted: Edit) -> bool:
    """Whether two edits are about one fact, as far as a benchmark's records tell.

    They are where they share subject and relation (the later one is live then), or subject and
    prompt, or subject and target: several data sets hold one record in two files or in two
    wordings.
    """
    if found.key == wanted.key:
        return True
    if not wanted.subject_key or found.subject_key != wanted.subject_key:
        return False
    same_prompt = name_key(found.prompt) == name_key(wanted.prompt)
    return same_prompt or name_key(found.target_new) == name_key(wanted.target_new)


class Names:
    """Finds full names of subjects in texts, case and accents aside.

    Args:
        edits: The edits whose subjects are looked for.
    """

    def __init__(self, edits: Iterable[Edit]) -> None:
        self._names = {tuple(edit.subject_key.split()) for edit in edits} - {()}
        self._longest = max(map(len, self._names), default=0)

    def __contains__(self, text: str) -> bool:
        """Whether one of the names stands in ``text``."""
        tokens = tuple(word for word, _, _ in words(text))
        return any(
            tokens[start:end] in self._names
            for start in range(len(tokens))
            for end in range(start + 1, min(len(tokens), start + self._longest) + 1)
        )
