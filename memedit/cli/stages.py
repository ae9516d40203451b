"""How far a run is: a bar for each stage on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

from memedit.cli.output import note, stderr

if TYPE_CHECKING:
    from memedit.evaluate.runner import Advance

_SECONDS_BETWEEN_LINES = 30
_LEAST_SECONDS = 0.01  # over less a rate is chance: the stage was told of once, when it was done


class Steps(Protocol):
    """How far a training is."""

    step: int
    steps: int


def training(stack: ExitStack) -> Callable[[Steps], None]:
    """Shows a training's steps as they are done, those before an interruption at once.

    Args:
        stack: Closed when the training is over.

    Returns:
        What to call after every step.
    """
    advance: Advance | None = None

    def show(progress: Steps) -> None:
        nonlocal advance
        if advance is None:
            advance = stack.enter_context(stage("Training", progress.steps))
            advance(progress.step - 1)
        advance(1)

    return show


@contextmanager
def stage(what: str, total: int) -> Iterator[Advance]:
    """One stage of a run on stderr, with its rate and the time left.

    Args:
        what: What the stage is called.
        total: How many cases it has.

    Yields:
        The function to call with the number of cases just done.
    """
    console = stderr()
    if not console.is_terminal:
        yield _Lines(what, total).advance
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.2f}/s" if task.speed else "")

    columns = (
        TextColumn("{task.description:24}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


class _Lines:
    """Progress as lines: one when the stage is done, and one every half minute before.

    The runner first tells how many cases are on record from before; they say nothing about the
    rate.
    """

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.on_record: int | None = None
        self.started = self.told = time.monotonic()

    def advance(self, done: int) -> None:
        """``done`` more cases."""
        if self.on_record is None:
            self.on_record = done
            self.started = time.monotonic()
        self.done += done
        now = time.monotonic()
        if now - self.told < _SECONDS_BETWEEN_LINES and self.done < self.total:
            return
        self.told = now
        note(f"{self.what}: {self.done}/{self.total}{self._pace(now)}")

    def _pace(self, now: float) -> str:
        fresh = self.done - (self.on_record or 0)
        if not fresh:
            return ", on record" if self.done else ""
        if now - self.started < _LEAST_SECONDS:
            return ""
        rate = fresh / (now - self.started)
        left = (self.total - self.done) / rate
        return f", {rate:.2f}/s" + (f", {left:.0f} s left" if left else "")
