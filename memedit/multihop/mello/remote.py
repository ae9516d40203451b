"""Calls of a model behind a server: several at once, tried again, never waited for without end."""

from __future__ import annotations

import contextvars
import queue
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from memedit.errors import ModelError
from memedit.multihop.mello.budget import ByteCount, Ledger
from memedit.multihop.mello.calls import Call, Done, most_tokens, reply_text, reported_tokens

_LONGEST_WAIT = 60.0  # seconds between two tries, whatever a server asks for
# Request timeout, conflict, too early, too many requests; all of 5xx comes besides.
_TRANSIENT_STATUS = (408, 409, 425, 429)
# Errors of the clients that models are built on (openai, anthropic, httpx, requests, grpc) which
# carry no status, by class name, so that none of these libraries is needed.
_TRANSIENT_NAMES = frozenset(
    "APIConnectionError APITimeoutError ConnectionError Timeout TransportError RateLimitError "
    "ChunkedEncodingError DeadlineExceeded ResourceExhausted ServiceUnavailable".split()
)


@dataclass(frozen=True)
class Patience:
    """How a server is treated.

    Args:
        concurrency: The most calls at once.
        timeout: Seconds after which a call is given up.
        attempts: How often a call is made that fails for a reason that may pass.
        backoff: Seconds before the second try; doubled for each further one, shortened at random
            by up to a half, so that many calls do not come back together. A server's own
            ``Retry-After`` counts where it is longer.

    Raises:
        ModelError: A number is out of its range.
    """

    concurrency: int = 8
    timeout: float = 60.0
    attempts: int = 3
    backoff: float = 1.0

    def __post_init__(self) -> None:
        for name in ("concurrency", "attempts"):
            if getattr(self, name) < 1:
                raise ModelError(f"{name}: {getattr(self, name)} is too few.", hint="Give 1.")
        if not self.timeout > 0 or not self.backoff >= 0:
            raise ModelError(
                f"timeout, backoff: {self.timeout}, {self.backoff} are no times to wait.",
                hint="Give seconds.",
            )


@dataclass
class _Job:
    """A call on its way.

    Attributes:
        call: The call.
        attempts: How often it has been made.
        not_before: When it may be made next.
        deadline: When the running attempt is given up.
        prompt: The most tokens its messages can have, as of the running attempt.
    """

    call: Call
    attempts: int = 0
    not_before: float = 0.0
    deadline: float = field(default=float("inf"))
    prompt: int = 0


class RemoteCaller:
    """Calls of any LangChain chat model, each in a thread of its own.

    A call that is given up goes on in its thread until the server answers; what it says then is not
    read, and its tokens count as all it could take. The threads do not keep the process alive.

    Args:
        model: The model; one that tries again by itself makes calls that no budget sees.
        ledger: What may be spent.
        beginning: The messages every conversation begins with.
        max_tokens: The most tokens of a reply, passed on as ``max_tokens``.
        patience: How the server is treated.
    """

    def __init__(
        self,
        model: BaseChatModel,
        ledger: Ledger,
        beginning: Sequence[BaseMessage],
        max_tokens: int,
        patience: Patience,
    ) -> None:
        self._model = model
        self._ledger = ledger
        self._max_tokens = max_tokens
        self._patience = patience
        self._count = ByteCount(len(beginning))
        self._waiting: list[_Job] = []
        self._running: dict[int, _Job] = {}  # by ticket
        self._tickets = 0
        self._results: queue.SimpleQueue[tuple[int, BaseMessage | Exception]] = queue.SimpleQueue()

    def submit(self, calls: Sequence[Call]) -> None:
        """Takes calls in; they start in :meth:`collect`."""
        self._waiting += [_Job(call) for call in calls]

    def collect(self) -> list[Done]:
        """What has come of some calls; waits for it as long as it takes, which is bounded."""
        done: list[Done] = []
        while not done and (self._waiting or self._running):
            done = self._start()
            if not done:
                done = self._finished()
        return done

    # -- starting --------------------------------------------------------------------------------

    def _start(self) -> list[Done]:
        """Starts what may start; gives back what the budget refuses for good."""
        refused, now = [], time.monotonic()
        later = [job for job in self._waiting if job.not_before > now]
        ready = [job for job in self._waiting if job.not_before <= now]
        ready.sort(key=lambda job: job.call.order, reverse=True)
        while ready and len(self._running) < self._patience.concurrency:
            job = ready[-1]
            prompt = self._count.at_most(job.call.question, job.call.messages)
            refusal = self._ledger.refusal(job.call.question, prompt + self._max_tokens)
            if refusal is None and not self._ledger.has_room(prompt + self._max_tokens):
                break  # until a running call leaves some of what it has reserved
            ready.pop()
            if refusal is None:
                self._run(job, prompt)
            else:
                refused.append(Done(job.call.question, None, refusal))
        self._waiting = later + ready
        return refused

    def _run(self, job: _Job, prompt: int) -> None:
        self._ledger.reserve(job.call.question, prompt + self._max_tokens)
        self._tickets += 1
        job.attempts += 1
        job.prompt = prompt
        job.deadline = time.monotonic() + self._patience.timeout
        self._running[self._tickets] = job
        threading.Thread(
            # LangChain's callbacks and tracing are found through the context.
            target=contextvars.copy_context().run,
            args=(self._work, self._tickets, job.call.messages),
            name="memedit-mello",
            daemon=True,
        ).start()

    def _work(self, ticket: int, messages: list[BaseMessage]) -> None:
        result: BaseMessage | Exception
        try:
            result = self._model.invoke(messages, max_tokens=self._max_tokens)
        except Exception as error:  # noqa: BLE001 - judged by the thread that waits for it
            result = error
        self._results.put((ticket, result))

    # -- finishing -------------------------------------------------------------------------------

    def _finished(self) -> list[Done]:
        """What has come back or run out of time, after waiting for the first such thing."""
        times = [job.deadline for job in self._running.values()]
        if len(self._running) < self._patience.concurrency:
            times += [job.not_before for job in self._waiting if job.not_before > time.monotonic()]
        done = []
        for ticket, result in self._arrived(max(0.0, min(times) - time.monotonic())):
            job = self._running.pop(ticket, None)
            if job is not None:  # else it had been given up
                done += self._settled(job, result)
        now = time.monotonic()
        for ticket, job in list(self._running.items()):
            if job.deadline <= now:
                del self._running[ticket]
                error = TimeoutError(f"no answer within {self._patience.timeout:g} s")
                done += self._settled(job, error)
        return done

    def _arrived(self, timeout: float) -> list[tuple[int, BaseMessage | Exception]]:
        results = []
        try:
            results.append(self._results.get(timeout=timeout))
            while True:
                results.append(self._results.get_nowait())
        except queue.Empty:
            return results

    def _settled(self, job: _Job, result: BaseMessage | Exception) -> list[Done]:
        """The reply or the failure of a call; nothing where it is to be tried again."""
        question = job.call.question
        if isinstance(result, AIMessage):
            reported = reported_tokens(result)
            at_most = most_tokens(result, job.prompt)
            self._ledger.settle(question, reported=reported, at_most=at_most)
            if result.usage_metadata:
                read = result.usage_metadata["input_tokens"]
                self._count.learn(question, job.call.messages, read)
            return [Done(question, reply_text(result))]
        # What a failed call has cost, nobody says.
        self._ledger.settle(question, reported=None)
        error = result if isinstance(result, Exception) else TypeError(type(result).__name__)
        if job.attempts < self._patience.attempts and is_transient(error):
            job.not_before = time.monotonic() + self._delay(job.attempts, error)
            self._waiting.append(job)
            return []
        tries = f" in {job.attempts} tries" if job.attempts > 1 else ""
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return [Done(question, None, f"the model did not answer{tries} ({what[:200]})")]

    def _delay(self, attempts: int, error: Exception) -> float:
        own = self._patience.backoff * 2.0 ** (attempts - 1) * random.uniform(0.5, 1.0)
        return min(_LONGEST_WAIT, max(own, retry_after(error)))


def is_transient(error: Exception) -> bool:
    """Whether a call that failed so may succeed when it is made again."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    status = getattr(error, "status_code", None)
    if status is None:
        status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status in _TRANSIENT_STATUS or 500 <= status < 600
    return any(cls.__name__ in _TRANSIENT_NAMES for cls in type(error).__mro__)


def retry_after(error: Exception) -> float:
    """Seconds a server asks to wait for; 0 where it does not say, or gives a date."""
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(0.0, float(headers.get("retry-after", 0)))
    except (TypeError, ValueError):
        return 0.0
