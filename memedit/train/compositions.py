"""Questions put together of relations from the bank, with the relations they are made of.

"The mother of {} was" names somebody, "the mother of it"; what it names can stand for the subject
of another wording, "In which city was the mother of it born?". So any two relations can be put
together, whether or not the world has such chains: what is to be learnt is how questions are
built, not which relations follow each other.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memedit.forms import SLOT, fill
from memedit.scope.phrases import masked
from memedit.train.wordings import bank_entries

# How often questions have one hop, two, three and four.
LENGTHS = (0.2, 0.32, 0.28, 0.2)
POSSESSIVE = 0.3  # of the names that may also be said as "X's mother"
MAX_CHARS = 240
MAX_TOLD = 3  # clozes, and questions, in which an edit may tell a relation
_NAMES = re.compile(r"^The (?P<name>.*\{\}.*) (?:is|was|are|were)$")
_OF = re.compile(r"^(?P<head>[a-z]+(?: [a-z]+){0,2}) of \{\}$")


@dataclass(frozen=True)
class Part:
    """A relation's wordings, each with a slot for its subject.

    Attributes:
        name: The relation.
        names: Phrases that name the object: "the mother of {}".
        questions: Questions for the object.
        told: Wordings as edits may have them, masked.
    """

    name: str
    names: tuple[str, ...]
    questions: tuple[str, ...]
    told: tuple[str, ...]


@dataclass(frozen=True)
class Composition:
    """A question and its plan.

    Attributes:
        question: The question, its entity masked.
        relations: Names of the relations in the order they are walked, the entity's own first.
    """

    question: str
    relations: tuple[str, ...]


def parts() -> list[Part]:
    """The bank's relations that have phrases which name their objects."""
    found = []
    for entry in bank_entries():
        names = [m["name"] for cloze in entry["clozes"] if (m := _NAMES.match(cloze))]
        told = [masked(t) for key in ("clozes", "questions") for t in entry[key][:MAX_TOLD]]
        if names:
            phrases = tuple(f"the {name}" for name in names)
            found.append(Part(entry["name"], phrases, tuple(entry["questions"]), tuple(told)))
    return found


def compose(chosen: Sequence[Part], rng: random.Random) -> Composition:
    """A question that walks the relations of ``chosen`` in order."""
    inner = SLOT
    for part in chosen[:-1]:
        inner = _filled(_named(rng.choice(part.names), rng), inner)
    question = _filled(rng.choice(chosen[-1].questions), inner)
    question = question[:1].upper() + question[1:]
    return Composition(masked(question), tuple(part.name for part in chosen))


def compositions(
    bank: Sequence[Part], count: int, seed: int, *, lengths: Sequence[float] = LENGTHS
) -> list[Composition]:
    """Different questions of one to four hops, none much longer than people ask.

    Args:
        bank: What they are put together of.
        count: How many.
        seed: Decides what is drawn.
        lengths: How often each number of hops is drawn, from one on.
    """
    rng = random.Random(seed)
    found: dict[str, Composition] = {}
    while len(found) < count:
        [hops] = rng.choices(range(1, len(lengths) + 1), lengths)
        drawn = compose(rng.sample(bank, hops), rng)
        if len(drawn.question) <= MAX_CHARS:
            found.setdefault(drawn.question, drawn)
    return list(found.values())


def told_of(bank: Sequence[Part]) -> Mapping[str, tuple[str, ...]]:
    """The wordings of each relation by its name."""
    return {part.name: part.told for part in bank}


def _named(phrase: str, rng: random.Random) -> str:
    """A phrase that names an object, now and then in the possessive: "{}'s mother"."""
    of = _OF.match(phrase.removeprefix("the "))
    return f"{SLOT}'s {of['head']}" if of and rng.random() < POSSESSIVE else phrase


def _filled(template: str, inner: str) -> str:
    """A template with its slot filled, no article doubled."""
    if inner.startswith("the "):
        template = re.sub(rf"\b(?:the|The) {re.escape(SLOT)}", SLOT, template)
    return fill(template, inner)
