"""Those a conversation speaks of, and how well each may be meant by a reference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memedit.scope.kinds import PERSON, PLACES, THINGS, Sort
from memedit.scope.names import Mention
from memedit.scope.references import Reference
from memedit.scope.topics import Topic

_OWN_CLAUSE = re.compile(
    r"[,;:]|\b(?:when|that|because|after|before|while|if|and|but|who|which|where|since|so)\b", re.I
)
_COPULA = re.compile(r"\b(?:is|are|was|were|isn['’]t|wasn['’]t) (?:the )?$", re.I)


@dataclass
class Entity:
    """Somebody or something that was spoken of.

    Attributes:
        name: The name it goes by; empty for "my brother" and the like.
        mention: The live subject it is, if any.
        sort: What is known of it so far.
        here: Whether the speaker said to be there.
        words: The folded words of the name.
    """

    name: str
    mention: Mention | None
    sort: Sort
    here: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spoken:
    """A place in a sentence where an entity is spoken of.

    Attributes:
        start: First character in the sentence.
        end: One past the last character.
        entity: What is spoken of.
        rank: 0 a pronoun or another reference, 1 the sentence's subject or object, 2 the rest.
        reference: The reference that was resolved, None for a name or noun.
    """

    start: int
    end: int
    entity: Entity
    rank: int
    reference: Reference | None = None


def share_kinds(one: Entity, other: Entity) -> None:
    """Where nothing is known of one of two things named together, it is of the other's kind."""
    one.sort = one.sort if one.sort.kinds else Sort(other.sort.kinds)
    other.sort = other.sort if other.sort.kinds else Sort(one.sort.kinds)


def unnamed(topic: Topic) -> Spoken:
    """Somebody or something brought up by a noun: never an edited subject."""
    rank = 1 if topic.prominent else 2
    return Spoken(topic.start, topic.end, Entity("", None, topic.sort), rank)


def apart(sentence: str, spoken: Spoken, reference: Reference) -> bool:
    """Whether grammar keeps a name and a reference behind it in one sentence apart.

    "Does Federer know him": him is somebody else; "Is Lima its capital": it is not Lima.
    """
    between = sentence[spoken.end : reference.start]
    if reference.form in ("place", "here") and spoken.reference:
        return False
    if _OWN_CLAUSE.search(between):
        return False
    if reference.form == "possessive":
        return not between.strip() and bool(_COPULA.search(sentence[: spoken.start]))
    return reference.form != "subject"


def tells_of_persons(spoken: Sequence[Spoken]) -> bool:
    """Whether a sentence speaks of several persons, whom "they" then means together."""
    return len({id(s.entity) for s in spoken if s.entity.sort.kinds == PERSON}) > 1


def decides(spoken: Spoken, reference: Reference, in_passing: bool) -> bool:
    """Whether a reference goes no further back than the sentence that this is spoken in."""
    fit = level(spoken.entity, reference)
    return fit > 0 or (fit == 0 and (in_passing or spoken.rank < 2))


def is_narrow(reference: Reference) -> bool:
    """Whether the kind that is asked for tells more than the place in the sentence."""
    return reference.form == "noun" or (
        len(reference.sort.kinds) <= len(PLACES) and not reference.sort.gender
    )


def level(entity: Entity, reference: Reference) -> int:
    """How well the entity fits the reference: -1 not at all, 0 nothing known, 1 by kind, 2 surely.

    A man or woman known as such fits "he" or "she" surely.
    """
    kinds, wanted = entity.sort.kinds, reference.sort
    if kinds and wanted.kinds and kinds.isdisjoint(wanted.kinds):
        return -1
    if wanted.gender and entity.sort.gender not in (None, wanted.gender):
        return -1
    if reference.several and entity.sort.gender:
        return -1
    if reference.form == "here" and not entity.here:
        return -1
    if not kinds or kinds >= THINGS:
        return 0
    return 2 if wanted.gender and entity.sort.gender else 1
