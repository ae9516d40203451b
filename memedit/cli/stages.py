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
        stack: Closed when the training is over, or the last of several.

    Returns:
        What to call after every step.
    """
    shown: Steps | None = None
    advance: Advance

    def show(progress: Steps) -> None:
        nonlocal shown, advance
        if progress is not shown:
            stack.close()
            advance = stack.enter_context(stage("Training", progress.steps))
            advance(progress.step - 1)
            shown = progress
        advance(1)

    return show


@contextmanager
def watching(*, inside: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Shows each thing that is done as a stage of its own, one after the other.

    Args:
        inside: Whether they are parts of another stage; see :func:`stage`.

    Yields:
        The function to call with what is being done, how much of it is done, and how much there is.
    """
    with ExitStack() as stack:
        now: tuple[str, int] | None = None
        reached = 0
        advance: Advance | None = None

        def watch(what: str, done: int, of: int) -> None:
            nonlocal now, reached, advance
            if now != (what, of) or advance is None or done < reached:
                stack.close()
                now, reached = (what, of), 0
                advance = stack.enter_context(stage(what.capitalize(), of, inside=inside))
                advance(0)  # nothing is on record from before
            advance(done - reached)
            reached = done
            if done >= of:
                stack.close()
                now = None

        yield watch


@contextmanager
def stage(what: str, total: int, *, inside: bool = False) -> Iterator[Advance]:
    """One stage of a run on stderr, with its rate and the time left.

    Args:
        what: What the stage is called.
        total: How many cases it has.
        inside: Whether it is a part of another stage: then its bar goes when it is done, and in a
            log it says something only where it takes long.

    Yields:
        The function to call with the number of cases just done.
    """
    console = stderr()
    if not console.is_terminal:
        yield _Lines(what, total, brief=inside).advance
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
    with Progress(*columns, console=console, transient=inside) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


class _Lines:
    """Progress as lines: one when the stage is done, and one every half minute before.

    The runner first tells how many cases are on record from before; they say nothing about the
    rate. Of a brief one that takes less than half a minute there is no line.
    """

    def __init__(self, what: str, total: int, *, brief: bool = False) -> None:
        self.what, self.total, self.done = what, total, 0
        self.brief = brief
        self.on_record: int | None = None
        self.started = self.told = time.monotonic()

    def advance(self, done: int) -> None:
        """``done`` more cases."""
        if self.on_record is None:
            self.on_record = done
            self.started = time.monotonic()
        self.done += done
        now = time.monotonic()
        last = self.done >= self.total and not self.brief
        if now - self.told < _SECONDS_BETWEEN_LINES and not last:
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
