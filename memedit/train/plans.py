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


def composed_family(count: int, seed: int) -> Family:
    """Compositions of the bank's relations."""
    written = parts()
    return Family(
        [Planned(c.question, c.relations) for c in compositions(written, count, seed)],
        {name: list(told) for name, told in told_of(written).items()},
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
