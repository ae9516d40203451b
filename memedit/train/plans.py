"""Questions with their plans: what the plan reader is trained and measured on.

MQuAKE's questions, with the relations of their chains, and the relations of the bank, of which
compositions are made (:mod:`memedit.train.compositions`), as many as one wants. MQuAKE's are split
so that no question, edit or chain of relations of the one side is on the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from memedit.evaluate.cases import Case, Query
from memedit.forms import SLOT, template_of
from memedit.multihop.walk.head import MAX_HOPS
from memedit.scope.phrases import masked
from memedit.train.compositions import Composition, Part, around, parts, told_of
from memedit.train.endings import Endings
from memedit.train.split import chain_is_dev, chain_subject_is_dev
from memedit.train.wordings import bank

# Relations of the bank that ask for the same as one of MQuAKE's, or for so near a thing that a
# question may mean either. What edits call it there is a wording of the first of them too, so that
# compositions, which know no usual chains, teach it.
COUNTERPARTS: Mapping[str, tuple[str, ...]] = {
    "P6": ("head of government",),
    "P19": ("place of birth",),
    "P20": ("place of death",),
    "P26": ("spouse",),
    "P27": ("country of citizenship",),
    "P30": ("continent",),
    "P35": ("head of state",),
    "P36": ("capital",),
    "P37": ("official language",),
    "P40": ("child",),
    "P50": ("author",),
    "P69": ("alma mater",),
    "P106": ("occupation",),
    "P108": ("employer",),
    "P112": ("founder", "founder of group", "founder of religion", "city founder"),
    "P136": ("genre of music", "genre", "literary genre"),
    "P140": ("religion",),
    "P159": ("headquarters",),
    "P169": ("chief executive officer",),
    "P170": ("creator of character", "designer", "painter"),
    "P175": ("song performer", "album artist"),
    "P176": ("device manufacturer",),
    "P178": ("software developer", "designer"),
    "P286": ("head coach", "coach"),
    "P407": ("original language", "language of writing"),
    "P413": ("playing position",),
    "P449": ("original broadcaster",),
    "P488": ("chairperson",),
    "P495": ("country of origin of work", "origin of dish"),
    "P641": ("sport",),
    "P740": ("founding place", "city of formation"),
    "P800": ("notable work", "reason for fame"),
    "P937": ("city of work",),
    "P1037": ("manager", "director"),
    "P1308": ("mayor",),
    "P1412": ("languages spoken", "native language", "language of writing"),
}

_ENTITY = re.compile(r"(?<!the )\"?\bit(?P<own>s)?\b(?!['’])\"?", re.I)

# train: trained on. seen: another subject, a chain that is trained on. chain: a chain that is not,
# by the split or since no case with it is on the training side.
# relation: a chain with a relation that is left out of training altogether.
Side = Literal["train", "seen", "chain", "relation"]


@dataclass(frozen=True)
class Planned:
    """A question and its plan.

    Attributes:
        question: The question, its entity masked.
        relations: The relations in the order they are walked.
        side: Which side of the split it is on.
        case: The case it comes from; empty for a composition.
        hops: The hop that each letter asks for, below 0 where that is not known; or none at all.
        passed: Places of hops that its words pass over, as "What sport does it play?" does the
            position played.
    """

    question: str
    relations: tuple[str, ...]
    side: Side = "train"
    case: str = ""
    hops: tuple[int, ...] = ()
    passed: tuple[int, ...] = ()

    @property
    def readings(self) -> list[tuple[str, ...]]:
        """The plans that its words alone may tell: its own, and those without a passed hop."""
        own = self.relations
        return [own, *(own[:place] + own[place + 1 :] for place in self.passed)]


@dataclass
class Family:
    """Questions whose relations are told apart from each other.

    Attributes:
        questions: The questions.
        told: The wordings of each relation, masked.
        kin: Relations that are no counter-examples of each.
        walked: The relations that are MQuAKE's, not the bank's.
        endings: Makes questions of the training side with other ends.
    """

    questions: list[Planned] = field(default_factory=list)
    told: dict[str, list[str]] = field(default_factory=dict)
    kin: Mapping[str, Collection[str]] = field(default_factory=dict)
    walked: frozenset[str] = frozenset()
    endings: Endings = field(default_factory=lambda: Endings((), {}, {}))

    @cached_property
    def weighted(self) -> tuple[list[Planned], list[float]]:
        """The questions to train on, with how often to draw each.

        A chain is drawn in proportion to the root of the number of its questions: what a few chains
        have in plenty, all others should not be taken for.
        """
        questions = self.on("train")
        count = Counter(question.relations for question in questions)
        return questions, [count[question.relations] ** -0.5 for question in questions]

    def on(self, side: Side) -> list[Planned]:
        """The questions of one side."""
        return [question for question in self.questions if question.side == side]


def chains(cases: Iterable[Case], *, without: Collection[str] = ()) -> Family:
    """MQuAKE's questions, and its single facts as questions of one hop.

    Args:
        cases: MQuAKE's cases; those whose chain is not known are passed over.
        without: Relations to keep from training.
    """
    family = Family()
    seen: set[tuple[str, ...]] = set()
    for case in cases:
        hops = [query for query in case.queries if query.kind == "hop"]
        if not hops or any("relation" not in hop.meta for hop in hops):
            continue
        chain = tuple(str(hop.meta["relation"]) for hop in hops)
        name = str(hops[0].meta["subject"])
        side = side_of(case, chain, name, without)
        for hop in hops:
            _tell(family, hop)
        for query in case.queries:
            template = template_of(query.prompt, (name,))
            if query.kind == "multi_hop" and template and (template, *chain) not in seen:
                seen.add((template, *chain))
                family.questions.append(Planned(masked(template), chain, side, case.id))
    trained = {question.relations for question in family.on("train")}
    family.questions = [
        replace(question, side="chain")
        if question.side == "seen" and question.relations not in trained
        else question
        for question in family.questions
    ]
    family.walked = frozenset(family.told)
    for relation, told in family.told.items():
        side = "relation" if relation in without else "train"
        family.questions += [Planned(text, (relation,), side) for text in told]
    return family


def with_bank(walked: Family, written: Sequence[Part], *, without: Collection[str] = ()) -> Family:
    """MQuAKE's family with the bank's relations beside its own.

    Args:
        walked: MQuAKE's questions, those of the training side.
        written: The bank's relations (see :func:`written_parts`).
        without: MQuAKE's relations that are left out of training.
    """
    own = {name: told for name, told in walked.told.items() if name not in without}
    told = {name: list(wordings) for name, wordings in told_of(written).items()}
    kin: dict[str, set[str]] = {relation.name: set(relation.kin) for relation in bank()}
    for relation, (first, *others) in COUNTERPARTS.items():
        if relation in own and first in told:
            told[first] += own[relation]
        kin[relation] = {first, *others}
    named = {part.name: part for part in written}
    parts = {
        relation: [named[name] for name in counterparts if name in named]
        for relation, counterparts in COUNTERPARTS.items()
        if relation in own
    }
    asked = [(q.question, q.relations) for q in walked.on("train") if q.case]
    endings = Endings.of(asked, {name: some for name, some in parts.items() if some})
    return Family(walked.questions, {**told, **own}, kin, frozenset(own), endings)


def written_parts(*, without: Collection[str] = ()) -> list[Part]:
    """The bank's relations but for the counterparts of MQuAKE's that are left out of training."""
    gone = {name for relation in without for name in COUNTERPARTS.get(relation, ())}
    return [part for part in parts() if part.name not in gone]


def around_composition(question: Planned, inner: Composition) -> Planned | None:
    """A question about what a composition names instead of its entity.

    Returns:
        The question with the composition's hops before its own; None where they are too many, or
        where the entity does not stand once and by itself.
    """
    found = list(_ENTITY.finditer(question.question))
    if len(found) != 1 or len(inner.relations) + len(question.relations) > MAX_HOPS:
        return None
    [place] = found
    own = place["own"] or ""
    if own and not re.fullmatch(r"its [\w ]+", inner.question):
        return None
    template = "".join(
        (
            question.question[: place.start()],
            SLOT,
            "'s" * bool(own),
            question.question[place.end() :],
        )
    )
    made = around(template, inner)
    known = tuple(-1 if hop >= len(inner.relations) else hop for hop in made.hops)
    text = f"{made.question[:1].upper()}{made.question[1:]}"
    before = len(inner.relations)
    passed = tuple(before + place for place in question.passed)
    return Planned(text, (*inner.relations, *question.relations), hops=known, passed=passed)


def side_of(case: Case, chain: Sequence[str], subject: str, without: Collection[str]) -> Side:
    """Which side of the split a case is on.

    A case is trained on only where its chain, its first subject and the subjects of all its edits
    are.
    """
    if not set(chain).isdisjoint(without):
        return "relation"
    if chain_is_dev(chain):
        return "chain"
    subjects = {subject, *(edit.subject for edit in case.edits)}
    return "seen" if any(chain_subject_is_dev(name) for name in subjects) else "train"


def _tell(family: Family, hop: Query) -> None:
    """Adds a hop's wordings to its relation's."""
    told = family.told.setdefault(str(hop.meta["relation"]), [])
    for text in (str(hop.meta["cloze"]), hop.prompt):
        template = template_of(text, (str(hop.meta["subject"]),))
        if template and masked(template) not in told:
            told.append(masked(template))
