"""Running lm-evaluation-harness without its noise, and leaving the process as it was."""

from __future__ import annotations

import contextlib
import io
import logging
import random
import warnings
from collections.abc import Iterator
from typing import Any

_LIBRARIES = ("datasets", "transformers", "huggingface_hub", "httpx", "fsspec", "accelerate")


@contextlib.contextmanager
def quietly(progress: bool) -> Iterator[list[dict[str, Any]]]:
    """Silences lm-eval and what it uses inside the block, for the whole process.

    Args:
        progress: Whether what is written to stderr, the progress bars, shows nevertheless.

    Yields:
        lm-eval's own warnings as they come, one entry ``{"message", "count"}`` for each place in
        its code; some concern the results, such as contexts that had to be cut.
    """
    collector = _Collector(logging.WARNING)
    logger = logging.getLogger("lm_eval")
    propagate = logger.propagate
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(contextlib.redirect_stdout(_Discard()))
        if not progress:
            stack.enter_context(contextlib.redirect_stderr(_Discard()))
        stack.enter_context(only_errors(*_LIBRARIES))
        logger.addHandler(collector)
        logger.propagate = False
        try:
            yield collector.found
        finally:
            logger.removeHandler(collector)
            logger.propagate = propagate


@contextlib.contextmanager
def only_errors(*names: str) -> Iterator[None]:
    """Loggers of these names pass on nothing below an error inside the block."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds Python's, NumPy's and PyTorch's random numbers inside the block only."""
    import numpy as np
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


class _Collector(logging.Handler):
    """Keeps the first warning of each place in the code and counts the others."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.found: list[dict[str, Any]] = []
        self._by_place: dict[tuple[str, int], dict[str, Any]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        place = (record.pathname, record.lineno)
        if place not in self._by_place:
            self._by_place[place] = {"message": " ".join(record.getMessage().split()), "count": 0}
            self.found.append(self._by_place[place])
        self._by_place[place]["count"] += 1


class _Discard(io.TextIOBase):
    """A stream to nowhere. Unlike a closed file it can be written to by who has kept it."""

    def write(self, text: str) -> int:
        return len(text)
