"""A tour of the whole thing on a store of its own: edits asked, rephrased, superseded, retired."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from memedit.edit import Edit
from memedit.importers import load_edits
from memedit.memory import EditMemory
from memedit.settings import DEFAULT_MODEL

if TYPE_CHECKING:
    from memedit.pipeline import Answer, EditedModel

ANSWER_TOKENS = 20
NEXT = """\
memedit add "The capital of Australia is Perth."              an edit of your own
memedit ask "What is the capital of Australia?" --explain     what comes of it, and why
memedit chat                                                  a conversation
memedit import {offices}
memedit list --as-of 2019-06-01                               who held which office then
memedit doctor                                                where things are, and what is wrong"""


@dataclass(frozen=True)
class Question:
    """A question, and the subject whose edit ought to answer it (None: the base model)."""

    text: str
    subject: str | None = None


ASKED = (
    Question("What is the capital of France?", "France"),
    Question("Who is the chief executive officer of Apple?", "Apple"),
    Question("Who is the author of Harry Potter?", "Harry Potter"),
    Question("Who is the author of Hamlet?", "Hamlet"),
    Question("What is the chemical symbol of gold?", "gold"),
    Question("Who was the first person to walk on the Moon?", "the Moon"),
    Question("Who discovered penicillin?", "penicillin"),
    Question("Who invented the telephone?", "the telephone"),
    Question("Who is the painter of Guernica?", "Guernica"),
    Question("In which country was IKEA founded?", "IKEA"),
)
REPHRASED = (
    Question("Name the capital city of France.", "France"),
    Question("Who is the CEO of Apple Inc.?", "Apple"),
    Question("Who wrote The Tragedy of Hamlet?", "Hamlet"),
    Question("Who first walked on the Moon?", "the Moon"),
)
NEAR_MISSES = (
    Question("Who founded Apple?"),
    Question("What is the population of France?"),
    Question("Who discovered gravity?"),
    Question("What is the chemical symbol of silver?"),
)
ELSEWHERE = Question("Why is the sky blue?")
CAPITAL = ASKED[0]
NEW_CAPITAL = "The capital of France is Marseille."


@dataclass
class Tour:
    """One run: where it prints to, what it asks, and which of its expectations failed."""

    console: Console
    model: EditedModel
    memory: EditMemory
    failures: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Every stop, in order."""
        self.edits()
        self.compare("Asked: the base model's answer, and the answer with the edits", ASKED)
        self.compare("The same edits in other words", REPHRASED)
        self.compare("Near misses: other relations, other subjects", NEAR_MISSES)
        self.elsewhere()
        self.update()
        self.retire()

    def edits(self) -> None:
        """Adds the example edits and shows them."""
        with _example("tour") as path:
            edits = load_edits(path, "jsonl")
        self.memory.add(edits, reason="the tour")
        table = _table(f"{len(edits)} edits", "subject", "given as", "target", "instead of")
        for edit in edits:
            table.add_row(*_cells(edit.subject, _given(edit), edit.target_new, edit.target_true))
        self.console.print(table)

    def compare(self, title: str, questions: Iterable[Question]) -> None:
        """Asks with and without the edits, side by side."""
        table = _table(title, "question", "base model", "with the edits", "route", "edit", "s")
        with Live(table, console=self.console, auto_refresh=False) as live:
            for question in questions:
                base, edited = self.both(question)
                answers = _first_sentence(base), _first_sentence(edited)
                table.add_row(*_cells(question.text, *answers, *_origin(edited)))
                live.refresh()
        if not self.console.is_terminal:
            self.console.line()  # on a terminal, ending the live table does that

    def elsewhere(self) -> None:
        """A question that no edit is about: byte for byte the base model's answer."""
        base, edited = self.both(ELSEWHERE)
        table = _table("Something else: nothing may change", "", "answer", "SHA-256")
        table.add_row(*_cells("base model", base.text, _digest(base)))
        table.add_row(*_cells("with the edits", edited.text, _digest(edited)))
        self.console.print(table)
        same = "byte-identical" if base.text == edited.text else "DIFFERENT"
        self.console.print(f"  The answers are {same}.\n")

    def update(self) -> None:
        """A newer edit of the same fact supersedes the older one."""
        old = self._capital_edit()
        new = Edit.from_sentence(NEW_CAPITAL, relation=old.relation)
        self.memory.add(new, reason="the tour")
        title = f"Updated with a sentence: {NEW_CAPITAL}"
        self.compare(title, [CAPITAL])
        record = self.memory.record(old.id)
        superseded = record.status == "superseded" and record.superseded_by == new.id
        self.expect(superseded, "the old edit was not superseded")
        self.console.print(f"  {old.id} is {record.status} by {record.superseded_by}\n")

    def retire(self) -> None:
        """Without its edit, a question gets the base model's answer again."""
        self.memory.retire(self._capital_edit().id, reason="the tour")
        self.compare("Retired: the old answer is back", [Question(CAPITAL.text)])

    def both(self, question: Question) -> tuple[Answer, Answer]:
        """The answers without and with the edits; checks that the right one applied, or none."""
        base, edited = self.model.ask_base(question.text), self.model.ask(question.text)
        fired = [edit.subject for edit in edited.edits]
        expected = [question.subject] if question.subject else []
        self.expect(
            fired == expected,
            f"{question.text!r}: the edits used were {fired}, not {expected}",
        )
        if not expected:
            self.expect(base.text == edited.text, f"{question.text!r}: the answers differ")
        return base, edited

    def expect(self, holds: bool, otherwise: str) -> None:
        """Notes an expectation that failed."""
        if not holds:
            self.failures.append(otherwise)

    def _capital_edit(self) -> Edit:
        newest = self.memory.list(subject=CAPITAL.subject)[-1]
        return self.memory.get(newest.id)


def run_tour(console: Console, model: str = DEFAULT_MODEL, *, base_url: str | None = None) -> bool:
    """Takes the tour and prints it.

    Args:
        console: Where to.
        model: The language model's name, as for ``load_model``.
        base_url: Its server, where it is on one.

    Returns:
        Whether every question took the expected route and nothing else changed.
    """
    with _loaded(model, base_url) as (memory, edited):
        tour = Tour(console, edited, memory)
        tour.run()
    for failure in tour.failures:
        console.print(f"Not as expected: {failure}", style="red", markup=False)
    if not tour.failures:
        console.print("Every question took the expected route.\n")
    console.print("Next:", style="bold")
    with _example("office_changes") as offices:
        console.print(NEXT.format(offices=offices), markup=False, soft_wrap=True)
    return not tour.failures


@contextmanager
def _example(name: str) -> Iterator[str]:
    """The path of an example set, short where it lies in the current folder."""
    file = resources.files("memedit.stores") / "examples" / f"{name}.jsonl"
    with resources.as_file(file) as path:
        near = os.path.relpath(path)
        yield str(path) if near.startswith("..") else near


@contextmanager
def _loaded(model: str, base_url: str | None) -> Iterator[tuple[EditMemory, EditedModel]]:
    from memedit.models.load import load_model
    from memedit.pipeline import EditedModel

    with tempfile.TemporaryDirectory(prefix="memedit-") as folder:
        with Console(stderr=True).status(f"Loading {model} (the first time takes longer) ..."):
            chat = load_model(model, base_url=base_url, max_tokens=ANSWER_TOKENS)
            memory = EditMemory.open(Path(folder) / "tour.db", actor="tour")
            edited = EditedModel(chat, memory)
            edited.route(ELSEWHERE.text)  # loads the encoder, which no question should wait for
        with memory:
            yield memory, edited


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", title_style="bold", box=box.SIMPLE)


def _cells(*values: str | None) -> Iterator[Text]:
    return (Text(value or "") for value in values)


def _given(edit: Edit) -> str:
    """The form the edit was given in, in its own words."""
    if edit.statement:
        return f"sentence: {edit.statement}"
    if edit.question:
        return f"question: {edit.question}"
    return f"prompt: {edit.prompt}" if not edit.relation else f"relation: {edit.relation}"


def _first_sentence(answer: Answer) -> str:
    """Enough to see what was answered; initials and abbreviations end no sentence."""
    return re.split(r"(?<=[a-z]{3}[.!?])\s", " ".join(answer.text.split()))[0]


def _origin(answer: Answer) -> tuple[str, str, str]:
    """Route, edit and seconds."""
    fired = "; ".join(f"{edit.subject}: {edit.target_new}" for edit in answer.edits)
    return answer.route, fired, f"{sum(answer.timings.values()):.2f}"


def _digest(answer: Answer) -> str:
    return hashlib.sha256(answer.text.encode()).hexdigest()[:16]
