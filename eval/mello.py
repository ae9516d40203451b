"""The ``mello`` strategy on the embedded model: many questions together against one at a time."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from product import Setting, base_model, edited
from record import Figure, share
from speed import namer

from memedit import Edit
from memedit.composer import retrieved
from memedit.models.local import LocalChatModel
from memedit.multihop.hops import Chain
from memedit.multihop.mello import Limits, Mello, Run

QUESTIONS = 64
ALONE = 16  # of them asked one at a time too
# The embedded model is too small for the protocol and would go on for long; the same bounds hold
# both ways.
LIMITS = Limits(hops=4, reminders=1, reply_tokens=64)
# A relation whose object a second one is asked about.
COMPOSED = (
    ("{} was founded by", "What is the native language of the founder of {}?"),
    ("The author of {} is", "In which city was the author of {} born?"),
    ("The capital of {} is", "Who is the mayor of the capital of {}?"),
    ("The chief executive officer of {} is", "Which sport does the head of {} play?"),
)


def throughput(setting: Setting) -> list[Figure]:
    """Questions a second of the protocol, batched and one at a time, on the same questions.

    Both ways read the worked examples once a call of the strategy, greedy, with the same bounds.
    """
    edits, questions = composed(setting.limit or QUESTIONS)
    model = base_model()
    assert isinstance(model, LocalChatModel)
    with edited(edits, **setting.product) as product:
        mello = Mello(
            model, lambda asked: retrieved(product.route_many(list(asked))), limits=LIMITS
        )
        mello.run(questions[:1])  # what is loaded on first use
        started = time.perf_counter()
        together = mello.run(questions)
        seconds = time.perf_counter() - started
        alone, alone_seconds = one_at_a_time(mello, questions[:ALONE])
    fast, slow = len(questions) / seconds, len(alone) / alone_seconds
    return [
        Figure(f"mello: questions a second, {len(questions)} together", fast),
        Figure("mello: questions a second, one at a time", slow),
        Figure("mello: together / one at a time", fast / slow, target=">= 5"),
        Figure("mello: seconds of one question alone", 1 / slow),
        Figure("mello: calls a question", together.total.calls / len(questions)),
        Figure("mello: tokens a question", together.total.tokens / len(questions)),
        share(
            "mello: the same chain both ways",
            [_told(a.chains[0]) == _told(b) for a, b in zip(alone, together.chains, strict=False)],
        ),
    ]


def one_at_a_time(mello: Mello, questions: Sequence[str]) -> tuple[list[Run], float]:
    """What each question gives by itself, and the seconds for all."""
    started = time.perf_counter()
    runs = [mello.run([question]) for question in questions]
    return runs, time.perf_counter() - started


def _told(chain: Chain) -> tuple[object, ...]:
    """What a chain says; scores move by rounding with what is read beside a sub-question."""
    hops = [(hop.question, hop.source, hop.edit, hop.answer) for hop in chain.hops]
    return (*hops, chain.answer)


def composed(n: int) -> tuple[list[Edit], list[str]]:
    """``n`` edits about made-up names, and for each a question of two hops that begins with it."""
    rng = random.Random(3)
    make = namer(rng)
    edits, questions = [], []
    for i in range(n):
        prompt, question = COMPOSED[i % len(COMPOSED)]
        subject = make()
        edits.append(Edit(subject=subject, prompt=prompt, target_new=make()))
        questions.append(question.replace("{}", subject))
    return edits, questions
