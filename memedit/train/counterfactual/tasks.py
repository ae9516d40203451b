"""What the counterfactual adapter is taught: tasks drawn from records, by kind.

A task is an edit, a query, and what is to be said. The kinds and their shares are :data:`KINDS`;
the same functions draw tasks from training records to learn from and from development records to
be measured by (:mod:`memedit.train.counterfactual.obedience`).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from memedit.edit import Edit
from memedit.errors import TrainingError
from memedit.evaluate.cases import Query
from memedit.forms import SLOT
from memedit.match import same
from memedit.train.counterfactual.derived import (
    SYSTEM_MESSAGES,
    lead_in,
    long_prompt,
    yes_no_questions,
)
from memedit.train.sources import Record

Form = Literal["chat", "text"]

# Shares of the examples. Chat: the role's prompt through the model's chat template. Text: the edit
# in front of plain text (roles.in_front), where likelihoods are read.
KINDS: Mapping[str, float] = {
    "completion": 10,  # the edit's own prompt, to be completed
    "rephrase": 6,  # another prompt of the same fact
    "lead_in": 9,  # a rephrasing behind unrelated text, as CounterFact has them
    "loose": 9,  # a text that the fact bears on (CounterFact's generation prompts)
    "question": 14,
    "alias": 5,  # the fact asked by another name of the subject
    "yes_no": 9,  # made from the edit, half of them with another object
    "one_hop": 3,  # what follows from the edit with one more fact
    "reverse": 2,  # what follows by inverting the relation
    "long": 4,  # any of the above at the end of a longer text
    "language": 5,  # asked in another language than the edit's
    "free_text": 5,  # commonsense and other edits that no triple holds
    "system": 4,  # with a system message of the caller's in front
    "two_edits": 3,  # a second edit that has nothing to do with the query
    "unrelated": 17,  # the edit does not matter: what the base model says
    "text": 9,  # as plain text
    "text_unrelated": 5,  # likewise, where the edit does not matter
}
OF_BASE = ("unrelated", "text_unrelated")  # kinds in which the base model itself is the teacher

# The kinds that others are made of.
_TOLD = ("completion", "rephrase", "lead_in", "loose", "question")
_FOREIGN = ("de", "fr", "zh-cn")
# Queries of an edit's own record whose answer the edit leaves as it was.
_UNTOUCHED = ("locality", "forgetting", "hop")
_SAID_CHARS = 60  # a longer statement is not said whole: the object alone answers
_CROSSED = 0.4  # share of unrelated queries that come from another record altogether
_LONG_CHARS = (80, 700)


@dataclass(frozen=True)
class Task:
    """One thing to be answered.

    Args:
        kind: One of :data:`KINDS`.
        family: The family of data sets it comes from.
        edits: The edits the model is told.
        query: What is asked, or the text to go on with.
        said: What the model learns to say; "" for what the base model says.
        answers: What counts as right when it is measured; none where ``said`` is "".
        system: A system message of the caller's; "" for none.
        form: Whether it is put as a chat or as plain text.
    """

    kind: str
    family: str
    edits: tuple[Edit, ...]
    query: str
    said: str = ""
    answers: tuple[str, ...] = ()
    system: str = ""
    form: Form = "chat"

    @property
    def words(self) -> tuple[str, ...]:
        """What makes two tasks the same."""
        told = (edit.stated for edit in self.edits)
        return (self.kind, self.system, self.query, self.said, *told)


def draw(
    pools: Mapping[str, Sequence[Task]], count: int, seed: int, *, each: bool = False
) -> list[Task]:
    """About ``count`` tasks in the shares of :data:`KINDS`, the data sets of a kind taking turns.

    A pool that is smaller than its share is taken whole.

    Args:
        pools: The tasks of each kind; the kinds given share the count.
        count: How many tasks.
        seed: Decides which.
        each: Whether ``count`` is the number for every kind instead.

    Raises:
        TrainingError: A kind has no tasks.
    """
    for kind, pool in pools.items():
        if not pool:
            raise TrainingError(
                f"kind {kind!r}: no record of the chosen parts gives an example of it.",
                hint=f"Add a part that does, or leave the kind out with --without {kind}.",
            )
    whole = sum(KINDS[kind] for kind in pools)
    drawn = []
    for kind, pool in pools.items():
        order = _taking_turns(pool, random.Random(f"{seed} {kind}"))
        drawn += order[: count if each else round(count * KINDS[kind] / whole)]
    return drawn


def _taking_turns(pool: Sequence[Task], rng: random.Random) -> list[Task]:
    """The pool shuffled, one task of each family after the other."""
    families: dict[str, list[Task]] = defaultdict(list)
    for task in pool:
        families[task.family].append(task)
    ranked = []
    for tasks in families.values():
        rng.shuffle(tasks)
        ranked += list(enumerate(tasks))
    ranked.sort(key=lambda pair: pair[0])
    return [task for _, task in ranked]


def pools(records: Sequence[Record], seed: int = 0) -> dict[str, list[Task]]:
    """Every task the records give, by kind, without repetitions.

    Args:
        records: Training records or development records, never both.
        seed: Decides what is drawn to make a task: objects, fillers, other edits.

    Raises:
        TrainingError: There are no records.
    """
    if not records:
        raise TrainingError(
            "records: there is none to learn from.",
            hint="Give a data folder with records that the split leaves for training.",
        )
    rng = random.Random(seed)
    plain = [task for record in records for task in _of_record(record)]
    plain += _yes_no(records, rng)
    plain += _crossed(records, plain, rng)
    told = [t for t in plain if t.kind in _TOLD]
    made = [
        *_long(told, records, rng),
        *(replace(t, kind="system", system=rng.choice(SYSTEM_MESSAGES)) for t in told),
        *_two_edits(told, records, rng),
        *(replace(t, kind="text", form="text") for t in told),
        *(
            replace(t, kind="text_unrelated", form="text")
            for t in plain
            if t.kind == "unrelated" and t.edits[0].kind == "fact"
        ),
    ]
    found: dict[str, dict[tuple[str, ...], Task]] = {kind: {} for kind in KINDS}
    for task in [*plain, *made]:
        found[task.kind].setdefault(task.words, task)
    return {kind: list(tasks.values()) for kind, tasks in found.items()}


def _of_record(record: Record) -> Iterator[Task]:
    """The tasks that a record's own queries give."""
    for query in record.queries:
        kind = _kind(record, query)
        if kind == "unrelated":
            yield Task(kind, record.family, (record.edit,), query.prompt)
        elif kind == "free_text" and not query.answers:
            yield from _multiple_choice(record, query)
        elif kind:
            target = record.edit.target_new
            answers = query.answers or (target,)
            given = any(same(target, answer) for answer in answers)
            answer = target if given else answers[0]
            said = _said(record.edit, answer, as_sentence=given and kind == "question")
            yield Task(kind, record.family, (record.edit,), query.prompt, said, answers)


def _kind(record: Record, query: Query) -> str | None:
    """The kind of task that a query makes; None for none."""
    if query.kind in _UNTOUCHED and query.fires is not True:
        return "unrelated"
    if query.kind in ("one_hop", "reverse"):
        return None if query.label in _FOREIGN else query.kind
    if query.kind == "generation" and record.family == "counterfact":
        return "loose"
    if query.fires is not True:
        return None
    if record.edit.kind == "free_text":
        return "free_text"
    if query.label in _FOREIGN:
        return "language"
    if query.kind == "alias":
        # KnowEdit's zsRE asks for something else than the edit under the other name.
        return None if record.part == "knowedit_zsre" else "alias"
    if query.prompt.rstrip().endswith("?") or query.kind == "hop" or record.part == "pokemqa":
        return "question"
    if query.kind == "rephrase":
        # EasyEdit's rephrasings are mostly CounterFact's generation prompts.
        return {"counterfact": "loose"}.get(record.part) or (
            "lead_in" if record.family == "counterfact" else "rephrase"
        )
    return "completion" if query.kind == "edit" else None


def _said(edit: Edit, answer: str, *, as_sentence: bool) -> str:
    """The answer with a full stop; in the words of the edit where they make a short sentence."""
    stated = edit.stated
    words = edit.prompt.replace(SLOT, "").split()
    whole = "?" not in stated and "," not in edit.prompt and len(words) > 1
    if as_sentence and whole and edit.kind == "fact" and len(stated) <= _SAID_CHARS:
        return stated if stated.endswith((".", "!")) else f"{stated}."
    return answer if answer.endswith((".", "!", "?", "。")) else f"{answer}."


def _multiple_choice(record: Record, query: Query) -> Iterator[Task]:
    """DUNE's questions name no answer; the one option that the edit's text holds is it."""
    lines = [line.strip() for line in query.prompt.splitlines()]
    options = [line for line in lines if len(line) > 3 and line[0] in "ABCDE" and line[1] in ".)"]
    text = record.edit.stated.casefold()
    text = text.partition(" – ")[2] or text  # the date it begins with is no answer
    right = [option for option in options if option[2:].strip().casefold() in text]
    if len(right) == 1:
        answer = right[0][2:].strip()
        yield Task(
            "free_text", record.family, (record.edit,), query.prompt, f"{answer}.", (answer,)
        )


def _yes_no(records: Iterable[Record], rng: random.Random) -> Iterator[Task]:
    """Whether the edit's object is the object, and whether another one is."""
    facts = [record for record in records if record.edit.kind == "fact"]
    objects: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record in facts:
        objects[record.part, record.relation].append(record.edit.target_new)
    for record in facts:
        edit = record.edit
        # The former object is the one that will be asked about.
        other = edit.target_true if rng.random() < 0.5 else None
        other = other or rng.choice(objects[record.part, record.relation])
        if same(other, edit.target_new):
            other = ""
        for target, answer in ((edit.target_new, "Yes"), (other, "No")):
            questions = yes_no_questions(edit, target) if target else []
            if questions:
                query = rng.choice(questions)
                yield Task("yes_no", record.family, (edit,), query, f"{answer}.", (answer,))


def _crossed(
    records: Sequence[Record], tasks: Sequence[Task], rng: random.Random
) -> Iterator[Task]:
    """Queries under another record's edit, about another subject."""
    asked = [t for t in tasks if t.kind in ("question", "completion", "lead_in", "free_text")]
    count = sum(task.kind == "unrelated" for task in tasks) * _CROSSED / (1 - _CROSSED)
    for _ in range(round(count) if asked else 0):
        record, task = rng.choice(records), rng.choice(asked)
        if record.edit.subject_key != task.edits[0].subject_key:
            yield Task("unrelated", task.family, (record.edit,), task.query)


def _long(tasks: Sequence[Task], records: Sequence[Record], rng: random.Random) -> Iterator[Task]:
    """Tasks at the end of a longer text, made of other facts and CounterFact's lead-ins."""
    leads = [lead_in(t.query, t.edits[0].names) for t in tasks if t.kind == "lead_in"]
    facts = [r.edit.stated for r in records if r.edit.kind == "fact" and r.edit.language == "en"]
    fillers = [text for text in (*leads, *facts) if text and len(text) < 200]
    for task in tasks if fillers else ():
        text = long_prompt(task.query, fillers, rng, chars=rng.randint(*_LONG_CHARS))
        yield replace(task, kind="long", query=text)


def _two_edits(
    tasks: Sequence[Task], records: Sequence[Record], rng: random.Random
) -> Iterator[Task]:
    for task in tasks:
        other, own = rng.choice(records).edit, task.edits[0]
        if other.kind == "fact" and other.subject_key != own.subject_key:
            edits = (own, other) if rng.random() < 0.5 else (other, own)
            yield replace(task, kind="two_edits", edits=edits)
