"""Questions put together of relations from the bank, with the relations they are made of.

"The mother of {}" names somebody; what it names can stand for the subject of another wording, "In
which city was the mother of {} born?". So any two relations can be put together, whether or not
the world has such chains: what is to be learnt is how questions are built, not which relations
follow each other. Where a question comes from is known to the letter, so that a reader can be shown
which of its words ask for which hop.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from memedit.forms import SLOT
from memedit.scope.phrases import MASK, masked
from memedit.train.clauses import phrase_of
from memedit.train.wordings import bank_entries

# How often questions have one hop, two, three and four.
LENGTHS = (0.15, 0.3, 0.3, 0.25)
COMMON = 0.6  # of the relations drawn, those that have phrases written for them
WRITTEN = 0.7  # of their phrases, those that are written for them
ASKED = 0.6  # of the questions, those in the relation's own words and not "What is ...?"
MAX_CHARS = 240
MAX_TOLD = 3  # clozes, and questions, in which an edit may tell a relation
_NAMES = re.compile(r"^(?:The (?P<the>.*\{\}.*)|(?P<own>\{\}'s .*)) (?:is|was|are|were)$")
_FRAMES = (
    "What is {}?",
    "What is the name of {}?",
    "Name {}.",
    "{} is called what?",
    "Can you tell me {}?",
    "Which is {}?",
)
_OF_PERSONS = ("Who is {}?", "What is the name of {}?", "Who was {}?", "{} is who?")


@dataclass(frozen=True)
class Part:
    """A relation's wordings, each with a slot for its subject.

    Attributes:
        name: The relation.
        names: Phrases that name the object: "the mother of {}".
        questions: Questions for the object.
        told: Wordings as edits may have them, masked.
        written: Phrases like ``names`` that were written for relations chains are made of.
    """

    name: str
    names: tuple[str, ...]
    questions: tuple[str, ...]
    told: tuple[str, ...]
    written: tuple[str, ...] = ()

    def phrase(self, rng: random.Random, inner: str = MASK) -> str:
        """One of the phrases that name the object.

        Args:
            rng: Draws it.
            inner: What will stand in its slot; "the writer of it's mother" would be two things.
        """
        written = self.written and (not self.names or rng.random() < WRITTEN)
        fitting = self.written if written else self.names
        if inner != MASK and not re.fullmatch(r"its [\w ]+", inner):
            fitting = tuple(p for p in fitting if not p.startswith("{}'s")) or fitting
        return rng.choice(fitting)

    def question(self, rng: random.Random, inner: str = MASK) -> str:
        """A question for the object: the relation's own, or one that asks what a phrase names."""
        named = bool(self.names or self.written)
        if self.questions and not (named and rng.random() >= ASKED):
            return rng.choice(self.questions)
        who = any(question.lower().startswith("who") for question in self.questions)
        return rng.choice(_OF_PERSONS if who else _FRAMES).replace(SLOT, self.phrase(rng, inner))


@dataclass(frozen=True)
class Composition:
    """A question and its plan.

    Attributes:
        question: The question, its entity masked.
        relations: Names of the relations in the order they are walked, the entity's own first.
        hops: The hop that each letter of the question asks for, below 0 where that is not known.
    """

    question: str
    relations: tuple[str, ...]
    hops: tuple[int, ...] = ()


def parts() -> list[Part]:
    """The bank's relations that have phrases which name their objects."""
    written = _written()
    found = []
    for entry in bank_entries():
        names = [_name(m) for cloze in entry["clozes"] if (m := _NAMES.match(cloze))]
        names += [name for question in entry["questions"] if (name := phrase_of(question))]
        told = [masked(t) for key in ("clozes", "questions") for t in entry[key][:MAX_TOLD]]
        own = written.get(entry["name"], ())
        if names or own:
            phrases = tuple(dict.fromkeys(names))
            questions = tuple(entry["questions"])
            found.append(Part(entry["name"], phrases, questions, tuple(told), own))
    return found


def compose(chosen: Sequence[Part], rng: random.Random, *, named: bool = False) -> Composition:
    """A question that walks the relations of ``chosen`` in order.

    Args:
        chosen: The relations.
        rng: Draws their wordings.
        named: Whether to name what it leads to instead of asking for it.
    """
    made = Composition(MASK, (), (0,) * len(MASK))
    for i, part in enumerate(chosen):
        word = part.question if i == len(chosen) - 1 and not named else part.phrase
        made = around(word(rng, made.question), made, part.name)
    if named:
        return made
    return Composition(made.question[:1].upper() + made.question[1:], made.relations, made.hops)


def around(template: str, inner: Composition, relation: str = "") -> Composition:
    """One hop more: a template with what there is in its slot, no article doubled.

    Args:
        template: The hop's words, with a slot.
        inner: The hops before it, or the mask alone.
        relation: The hop's relation.
    """
    if inner.question.startswith("the "):
        template = re.sub(rf"\b(?:the|The) {re.escape(SLOT)}", SLOT, template)
    before, _, after = template.rstrip(" ,;:").partition(SLOT)
    if after.startswith("'s") and inner.question == MASK:
        after = after[1:]  # "its"
    place = len(inner.relations)
    hops = (place,) * len(before) + inner.hops + (place,) * len(after)
    return Composition(before + inner.question + after, (*inner.relations, relation), hops)


def compositions(
    bank: Sequence[Part],
    count: int,
    seed: int,
    *,
    lengths: Sequence[float] = LENGTHS,
    named: bool = False,
) -> list[Composition]:
    """Different questions of one to four hops, none much longer than people ask.

    Args:
        bank: What they are put together of.
        count: How many.
        seed: Decides what is drawn.
        lengths: How often each number of hops is drawn, from one on.
        named: Whether they name what they lead to instead of asking for it.
    """
    rng = random.Random(seed)
    common = [part for part in bank if part.written]
    found: dict[str, Composition] = {}
    while len(found) < count:
        [hops] = rng.choices(range(1, len(lengths) + 1), lengths)
        chosen = [
            rng.choice(common if common and rng.random() < COMMON else bank) for _ in range(hops)
        ]
        drawn = compose(chosen, rng, named=named)
        if len(drawn.question) <= MAX_CHARS:
            found.setdefault(drawn.question, drawn)
    return list(found.values())


def told_of(bank: Sequence[Part]) -> Mapping[str, tuple[str, ...]]:
    """The wordings of each relation by its name."""
    return {part.name: part.told for part in bank}


def _written() -> Mapping[str, tuple[str, ...]]:
    """The phrases written for relations that chains are made of (``bank/names.txt``)."""
    text = resources.files("memedit.train").joinpath("bank", "names.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    pairs = (line.split("|") for line in lines)
    return {name.strip(): tuple(p.strip() for p in told.split(";")) for name, told in pairs}


def _name(found: re.Match[str]) -> str:
    return f"the {found['the']}" if found["the"] else found["own"]
