"""Questions with their plans: what the plan head is trained and measured on.

Two families: MQuAKE's questions, with the relations of their chains, and compositions of the bank
(:mod:`memedit.train.compositions`), of which there are as many as one wants. MQuAKE's are split so
that no question, edit or chain of relations of the one side is on the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from memedit.evaluate.cases import Case, Query
from memedit.forms import template_of
from memedit.scope.phrases import masked
from memedit.train.compositions import compositions, parts, told_of
from memedit.train.split import bucket, chain_is_dev
from memedit.train.wordings import bank

# Relations of the bank that ask for the same as one of MQuAKE's. What edits call it there is a
# wording of the bank's relation too, so that compositions, which know no usual chains, teach it.
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
    "P112": ("founder", "founder of group", "founder of religion"),
    "P136": ("genre of music",),
    "P140": ("religion",),
    "P159": ("headquarters",),
    "P169": ("chief executive officer",),
    "P170": ("creator of character",),
    "P175": ("song performer",),
    "P176": ("device manufacturer",),
    "P178": ("software developer",),
    "P286": ("head coach",),
    "P407": ("original language",),
    "P413": ("playing position",),
    "P449": ("original broadcaster",),
    "P488": ("chairperson",),
    "P495": ("country of origin of work",),
    "P641": ("sport",),
    "P740": ("city of formation", "founding place"),
    "P800": ("notable work",),
    "P937": ("city of work",),
    "P1037": ("manager",),
}

# train: trained on. seen: another subject, a chain that is trained on. chain: a chain that is not.
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
    """

    question: str
    relations: tuple[str, ...]
    side: Side = "train"
    case: str = ""


@dataclass
class Family:
    """Questions whose relations are told apart from each other, and from no other family's.

    Attributes:
        questions: The questions.
        told: The wordings of each relation, masked.
        kin: Relations that are no counter-examples of each.
    """

    questions: list[Planned] = field(default_factory=list)
    told: dict[str, list[str]] = field(default_factory=dict)
    kin: Mapping[str, Collection[str]] = field(default_factory=dict)

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
    seen: set[str] = set()
    for case in cases:
        hops = [query for query in case.queries if query.kind == "hop"]
        if not hops or any("relation" not in hop.meta for hop in hops):
            continue
        chain = tuple(str(hop.meta["relation"]) for hop in hops)
        side = side_of(case, chain, str(hops[0].meta["subject"]), without)
        for hop in hops:
            _tell(family, hop)
        for query in case.queries:
            template = template_of(query.prompt, (str(hops[0].meta["subject"]),))
            if query.kind == "multi_hop" and template and template not in seen:
                seen.add(template)
                family.questions.append(Planned(masked(template), chain, side, case.id))
    for relation, told in family.told.items():
        side = "relation" if relation in without else "train"
        family.questions += [Planned(text, (relation,), side) for text in told]
    return family


def composed_family(
    count: int, seed: int, walked: Family | None = None, *, without: Collection[str] = ()
) -> Family:
    """Compositions of the bank's relations.

    Args:
        count: How many.
        seed: Decides what is drawn.
        walked: MQuAKE's questions, whose wordings are added to those of the same relations.
        without: MQuAKE's relations that are left out of training, and so their counterparts.
    """
    gone = {name for relation in without for name in COUNTERPARTS.get(relation, ())}
    written = [part for part in parts() if part.name not in gone]
    told = {name: list(wordings) for name, wordings in told_of(written).items()}
    for relation, names in COUNTERPARTS.items():
        for name in names:
            if name in told and walked is not None:
                told[name] += walked.told.get(relation, [])
    return Family(
        [Planned(c.question, c.relations) for c in compositions(written, count, seed)],
        told,
        {relation.name: relation.kin for relation in bank()},
    )


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
    return "seen" if any(bucket(name) == 0 for name in subjects) else "train"


def _tell(family: Family, hop: Query) -> None:
    """Adds a hop's wordings to its relation's."""
    told = family.told.setdefault(str(hop.meta["relation"]), [])
    for text in (str(hop.meta["cloze"]), hop.prompt):
        template = template_of(text, (str(hop.meta["subject"]),))
        if template and masked(template) not in told:
            told.append(masked(template))
