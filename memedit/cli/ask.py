"""``memedit ask`` and ``memedit chat``: the edited model at the terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from memedit.cli import options, output, tables
from memedit.cli.session import session, taken_apart
from memedit.errors import MemEditError
from memedit.settings import DEFAULT_MODEL

if TYPE_CHECKING:
    import datetime as dt

    from langchain_core.messages import BaseMessage

    from memedit.multihop import Chain
    from memedit.pipeline import Decision, EditedModel

MAX_TOKENS = 256
HELP = "/route who answered last, /why for what reasons, /new to start afresh, /quit to leave"


def ask(
    ctx: typer.Context,
    question: Annotated[str, typer.Argument(help='The question, or "-" for standard input.')],
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the decision and its reasons.")
    ] = False,
    as_of: options.AsOf = None,
    json: options.Json = False,
    model: options.Model = DEFAULT_MODEL,
    base_url: options.BaseUrl = None,
    adapter: options.Adapter = None,
    max_tokens: options.MaxTokens = MAX_TOKENS,
    threshold: options.Threshold = None,
    multihop: options.MultiHop = None,
    strategy: options.Strategy = None,
) -> None:
    """Ask a question. The answer goes to stdout, where it came from to stderr."""
    text = sys.stdin.read() if question == "-" else question
    here = session(ctx)
    with here.memory() as memory:
        edited = here.model(
            memory,
            model,
            base_url=base_url,
            adapter=adapter,
            max_tokens=max_tokens,
            threshold=threshold,
            multihop=taken_apart(multihop, strategy),
        )
        with output.working("Answering ..."):
            answer = edited.ask(text, as_of=as_of)
    if json:
        output.as_json(answer)
        return
    output.say(answer.text)
    if explain:
        _explain(answer.decision)
        times = ", ".join(f"{what} {seconds:.3f} s" for what, seconds in answer.timings.items())
        output.say(f"Times: {times}")
    else:
        took = sum(answer.timings.values())
        output.note(f"{_origin(answer.decision)} ({took:.2f} s)")


def chat(
    ctx: typer.Context,
    as_of: options.AsOf = None,
    model: options.Model = DEFAULT_MODEL,
    base_url: options.BaseUrl = None,
    adapter: options.Adapter = None,
    max_tokens: options.MaxTokens = MAX_TOKENS,
    threshold: options.Threshold = None,
    multihop: options.MultiHop = None,
    strategy: options.Strategy = None,
) -> None:
    """Talk with the edited model; /help lists what else can be typed.

    Without a terminal, each line of standard input is one turn.
    """
    here = session(ctx)
    with here.memory() as memory:
        edited = here.model(
            memory,
            model,
            base_url=base_url,
            adapter=adapter,
            max_tokens=max_tokens,
            threshold=threshold,
            multihop=taken_apart(multihop, strategy),
        )
        output.note(f"{len(memory):,} edits in force. {HELP}")
        conversation = Conversation(edited, as_of)
        for line in _lines():
            if line in ("/quit", "/exit"):
                break
            conversation.turn(line)


class Conversation:
    """The turns so far, and the model that takes the next one."""

    def __init__(self, model: EditedModel, as_of: dt.date | None) -> None:
        self.model = model
        self.as_of = as_of
        self.messages: list[BaseMessage] = []
        self.asked: list[BaseMessage] = []  # what the last answer was given to

    def turn(self, line: str) -> None:
        """Obeys a command or answers the user."""
        if line == "/new":
            self.messages, self.asked = [], []
        elif line in ("/route", "/why"):
            self._explain(reasons=line == "/why")
        elif line.startswith("/"):
            output.note(HELP)
        elif line:
            self._answer(line)

    def _answer(self, line: str) -> None:
        from langchain_core.messages import AIMessage, HumanMessage

        asked = [*self.messages, HumanMessage(line)]
        parts: list[str] = []
        origin = ""
        try:
            with contextlib.suppress(KeyboardInterrupt):  # ends the answer, not the conversation
                for chunk in self.model.stream(asked, as_of=self.as_of):
                    told = chunk.response_metadata.get("memedit")
                    origin = " ".join([told["route"], *told["edits"]]) if told else origin
                    parts.append(str(chunk.text))
                    typer.echo(output.printable(parts[-1]), nl=False)
        except MemEditError as error:
            output.fail(str(error))
            return
        typer.echo()
        output.note(f"[{origin}]")
        self.asked = asked
        self.messages = [*asked, AIMessage("".join(parts))]

    def _explain(self, *, reasons: bool) -> None:
        if not self.asked:
            output.note("Nothing has been asked yet.")
            return
        decision = self.model.route(self.asked, as_of=self.as_of)
        if reasons:
            _explain(decision)
        else:
            output.say(_origin(decision))


def _lines() -> Iterator[str]:
    """What the user types, or the lines of standard input, until it ends."""
    terminal = sys.stdin.isatty()
    if terminal:
        import readline  # noqa: F401  (input() edits and recalls lines once it is there)
    while True:
        try:
            line = input("> ") if terminal else sys.stdin.readline()
        except (EOFError, KeyboardInterrupt):
            return
        if not terminal and not line:
            return
        yield line.strip()


def _origin(decision: Decision) -> str:
    """Where an answer comes from, in one line."""
    if not decision.edits:
        return f"[{decision.route}]"
    edits = "; ".join(f"{edit.id}: {edit.stated}" for edit in decision.edits)
    return f"[{decision.route}, probability {decision.probability:.2f}] {edits}"


def _explain(decision: Decision) -> None:
    """A decision, its reasons, and the edits it was made between."""
    output.say(
        f"Route: {decision.route} (probability {decision.probability:.2f}, "
        f"threshold {decision.threshold:.2f})"
    )
    for reason in decision.reasons:
        output.say(f"  - {reason}")
    chain = getattr(decision, "chain", None)
    if chain is not None:
        _tell(chain)
    elif decision.candidates:
        tables.candidates(decision.candidates)


def _tell(chain: Chain) -> None:
    """A chain as one would tell it: each sub-question with its answer and where that comes from."""
    for number, hop in enumerate(chain.hops, start=1):
        origin = f"{hop.source} {hop.edit.id}" if hop.edit else "the model's own answer"
        output.say(f"  {number}. {hop.question} {hop.answer}  [{origin}, {hop.score:.2f}]")
        if hop.tentative is not None and hop.tentative != hop.answer:
            output.say(f"     The model by itself would have said: {hop.tentative}")
    output.say(f"  So: {chain.answer}" if chain.answer else f"  No answer: {chain.reason}")
