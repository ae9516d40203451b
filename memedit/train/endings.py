"""Questions of MQuAKE with other ends: what they ask something of, and something else asked of it.

"What is the capital of the country where the sport of it began?" asks for a capital, and of the
country anything else could be asked. So the end of a question is exchanged and its own words for
the hops before are kept: what is learnt is what each end sounds like, and not which end a chain
usually has.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from memedit.forms import SLOT
from memedit.multihop.walk.head import MAX_HOPS
from memedit.train.compositions import MAX_CHARS, Composition, Part, around
from memedit.train.split import chain_is_dev

USUAL = 0.7  # of the ends, those that some chain of the training goes on with
_ENTITY = re.compile(r"\bits?\b", re.I)
_ASKS = (
    r"(?:(?:In|On|At|From|To|By) )?(?:what|which|who|where)(?: \w+){0,3}? "
    r"(?:is|was|are|serves as|holds|leads)(?: the name of)? "
)
_TRIES = 8

Chain = tuple[str, ...]


@dataclass(frozen=True)
class Endings:
    """Makes questions with exchanged ends.

    Attributes:
        inners: What questions ask something of, in their own words, with the hops to there.
        parts: Wordings of each relation that an end may ask for.
        followers: The relations that follow another in some chain of the training.
    """

    inners: Sequence[Composition]
    parts: Mapping[str, Sequence[Part]]
    followers: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls, questions: Iterable[tuple[str, Chain]], parts: Mapping[str, Sequence[Part]]
    ) -> Endings:
        """The ends of masked questions whose chains are known.

        Args:
            questions: Questions of the training side with their chains.
            parts: Wordings of the chains' relations.
        """
        asked = {name: [p for part in some for p in _asking(part)] for name, some in parts.items()}
        inners: dict[str, Composition] = {}
        followers: dict[str, dict[str, None]] = {}
        for question, chain in questions:
            for one, after in itertools.pairwise(chain):
                followers.setdefault(one, {})[after] = None
            inner = _inner(question, chain, asked.get(chain[-1], ()))
            if inner:
                inners.setdefault(inner.question, inner)
        told = {one: [name for name in some if name in parts] for one, some in followers.items()}
        return cls(list(inners.values()), parts, told)

    def drawn(self, count: int, rng: random.Random) -> list[Composition]:
        """At most ``count`` questions, none over a chain that is kept from training."""
        found: dict[str, Composition] = {}
        for _ in range(_TRIES * count if self.inners else 0):
            if len(found) == count:
                break
            inner = rng.choice(self.inners)
            usual = self.followers.get(inner.relations[-1])
            names = usual if usual and rng.random() < USUAL else list(self.parts)
            name = rng.choice(names)
            template = rng.choice(self.parts[name]).question(rng, inner.question)
            made = around(template, inner, name)
            if not chain_is_dev(made.relations) and len(made.question) <= MAX_CHARS:
                text = f"{made.question[:1].upper()}{made.question[1:]}"
                found.setdefault(text, Composition(text, made.relations, made.hops))
        return list(found.values())


def _asking(part: Part) -> list[re.Pattern[str]]:
    """How questions ask for a relation, what it is asked of in a group."""
    found = [q for q in part.questions if SLOT in q]
    whole = [re.escape(q).replace(re.escape(SLOT), "([^?]+)") for q in found]
    named = [p.removesuffix(SLOT) for p in (*part.names, *part.written) if p.endswith(f" {SLOT}")]
    whole += [
        _ASKS + re.escape(name).replace(r"the\ ", r"(?:the\ )?", 1) + r"([^?]+)\?" for name in named
    ]
    return [re.compile(pattern, re.I) for pattern in whole]


def _inner(question: str, chain: Chain, asked: Sequence[re.Pattern[str]]) -> Composition | None:
    """What a question asks something of; None where its words do not show it."""
    if not 1 < len(chain) <= MAX_HOPS:
        return None
    for pattern in asked:
        found = pattern.fullmatch(question)
        if found and _ENTITY.search(found[1]):
            words = found[1]
            return Composition(words, chain[:-1], (-1,) * len(words))
    return None
