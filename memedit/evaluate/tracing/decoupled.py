"""Prompts with their concrete elements replaced by others of the same kind.

KLFT's decoupling (Huang et al. 2024, arXiv 2410.23844): what is left of an effect once
names and things are others belongs to the relation. Which elements are concrete is not said there.
Here they are, of an event, its persons and its blank; of anything else, its subject.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from memedit.evaluate.tracing.asked import Asked

_NAMES = ("Anna", "Boris", "Clara", "David", "Elena", "Frank", "Grace", "Henry", "Irene", "Jonas")
_PERSON = re.compile(r"\bperson ?([xyz])\b", re.IGNORECASE)
_BLANK = re.compile(r"_{2,}")


def decoupled(asked: Sequence[Asked], seed: int) -> list[Asked]:
    """Each prompt with others in the place of its concrete elements, in the same order.

    Persons become names and blanks "something", in the prompt and the answer. A subject is
    replaced by another one of its relation, whose own answer is then looked for; where a relation
    has no other, there is no prompt.

    Args:
        asked: Prompts of one data set.
        seed: Decides the replacements.
    """
    chance = random.Random(seed)
    found = []
    for one in asked:
        if _PERSON.search(one.subject) or _BLANK.search(one.subject):
            found.append(_with_names(one, chance))
            continue
        others = [
            other
            for other in asked
            if other.relation == one.relation
            and other.subject != one.subject
            and not _PERSON.search(other.subject)
        ]
        if others:
            other = chance.choice(others)
            found.append(replace(one, subject=other.subject, answer=other.answer))
    return found


def _with_names(one: Asked, chance: random.Random) -> Asked:
    names = dict(zip("xyz", chance.sample(_NAMES, 3), strict=True))

    def named(text: str) -> str:
        text = _PERSON.sub(lambda found: names[found.group(1).lower()], text)
        return _BLANK.sub("something", text)

    return replace(
        one,
        template=named(one.template),
        subject=named(one.subject),
        answer=named(one.answer),
    )
