"""The life of a bake: a memory is asked, baked, asked again, and taken out of the weights."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from frontier import changed
from record import Figure, share

from memedit import EditedModel, EditMemory
from memedit.bake import Moments, get_method, load_settings
from memedit.baking.canaries import Limits
from memedit.baking.make import bake
from memedit.baking.report import BakeReport
from memedit.baking.undo import unbake
from memedit.evaluate.cases import Case
from memedit.match import states
from memedit.models.fingerprint import weights_fingerprint
from memedit.models.local import LocalChatModel

CHAT = "smollm2-135m-chat"  # settings for edits that are asked as the edited model asks them
# So many edits at once are written more weakly, and no text stands before their prompts. With half
# of a residual a layer the weights of 1,000 change by more than a bake's limits let them.
MANY = {"share": 0.4, "prefixes": {"begin_with": ()}, "target": {"mixed": True}}
# Nothing is given up: what the bake does to the model is among the figures.
UNLIMITED = Limits(relative=100.0, kl=100.0, perplexity=100.0, locality=0.0)
AGAIN = 5  # every so manieth edit is asked again after unbake


def whole_life(chat: LocalChatModel, cases: Sequence[Case], moments: Moments) -> list[Figure]:
    """What becomes of the cases' edits, and of the weights, in a bake of all at once.

    Args:
        chat: The model, without edits.
        cases: Each has one edit.
        moments: Second moments.
    """
    untouched = weights_fingerprint(chat.engine.model)
    with (
        TemporaryDirectory(prefix="memedit-eval-") as folder,
        EditMemory.open(Path(folder) / "e.db") as memory,
    ):
        memory.add([case.edits[0] for case in cases])
        edited = EditedModel(chat, memory)
        before = _right(edited, cases)
        edits = [found.edit for found in memory.list() if found.edit]
        report = bake(
            memory,
            chat,
            edits,
            get_method("memit"),
            changed(load_settings("memit", source=CHAT), MANY),
            moments=moments,
            limits=UNLIMITED,
            routes=edited.routes_if,
            watch=_told(),
        )
        if report.bake is None:
            raise SystemExit(f"life: the bake was given up: {report.why}")
        after = _right(edited, cases)
        unbake(memory, [report.bake], lambda: chat)
        # The weights follow the store with the next question.
        back = _right(edited, cases[::AGAIN])
    same = weights_fingerprint(chat.engine.model) == untouched
    as_before = [now == was for was, now in zip(before[::AGAIN], back, strict=True)]
    return [
        share("life: edits answered right from memory", before),
        *_baked(report),
        share(
            "life: of those right before, right after through the edited model",
            [now for was, now in zip(before, after, strict=True) if was],
            ">= 1.0",
        ),
        share("life: edits answered right after", after),
        share("life: edits answered after unbake as before the bake", as_before, ">= 1.0"),
        share("life: weights after unbake the same bits", [same], ">= 1.0"),
    ]


def _right(edited: EditedModel, cases: Sequence[Case]) -> list[bool]:
    """Whether the edited model answers each case's prompt with the edit's target."""
    prompts = [case.edits[0].cloze for case in cases]
    answers = edited.ask_many(prompts, max_tokens=24)
    return [
        states(answer.text, [case.edits[0].target_new])
        for answer, case in zip(answers, cases, strict=True)
    ]


def _baked(report: BakeReport) -> list[Figure]:
    """How much of it moved, what it did besides, and how long it took."""
    harm = report.harm
    if harm is None:
        raise ValueError("life: nothing was measured of what the bake did besides")
    moved = [one.what == "baked" for one in report.outcomes]
    within = [not Limits().tripped(harm)]
    return [
        share("life: edits that moved into the weights", moved),
        share("life: within the limits that a bake has by default", within),
        Figure("life: largest change of a weight, as a share of it", harm.relative),
        Figure("life: KL on canary texts, nats a token", harm.kl),
        Figure("life: perplexity on canary texts, as a multiple", harm.perplexity),
        Figure("life: tokens of answers about other subjects kept", harm.locality),
        *(Figure(f"life: seconds to {step}", taken) for step, taken in report.seconds.items()),
    ]


def _told() -> Callable[[str, int, int], None]:
    """Says on standard error how far a step is, at most twice a minute."""
    said_at = [time.monotonic()]

    def say(what: str, done: int, of: int) -> None:
        if time.monotonic() - said_at[0] > 30:
            said_at[0] = time.monotonic()
            print(f"{what}: {done} of {of}", file=sys.stderr, flush=True)

    return say
