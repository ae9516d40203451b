"""Questions that leave out what was said before: "And Peru?", "Since when?", "And the capital?"."""

from __future__ import annotations

import re
from typing import NamedTuple

from memedit.forms import SLOT
from memedit.scope.coreference import REACH, Discourse, Heard
from memedit.scope.entities import Entity, Spoken
from memedit.scope.kinds import owner_kinds
from memedit.scope.names import names_in
from memedit.scope.references import Reference, find_references

_OTHER_SUBJECT = re.compile(
    r"\W*(?:(?:and|but|so|ok|okay),? )?(?:(?:what|how) about )?"
    r"(?:of |in |for |with |from )?(?:the )?",
    re.I,
)
_LEAD = re.compile(r"\W*(?:and|but|so|ok|okay|what about|how about)\b", re.I)
_END = re.compile(r"(?:,? (?:then|too|now|please))?\W*")
_QUESTION_WORD = re.compile(
    r"\W*(?P<asked>(?:(?:and|but|so),? )?(?:(?:since|until|from) when|when|where|why|how|how long|"
    r"(?:with|for|to|against) whom))\W*",
    re.I,
)
_FULL = re.compile(
    r"\W*(?:(?:and|but|so|ok|okay|then),? )?(?:(?:in|of|for|to|at|by|on|from|with) )?"
    r"(?:who|whom|whose|what|which|where|when|why|how)\b(?! about)",
    re.I,
)
_TO_YOU = re.compile(r"\b(?:you|your|I|my|we|our)\b", re.I)
_AUXILIARY = re.compile(r".* (?P<verb>do|does|did|has|have|had|is|are|was|were|can|will) ", re.I)
_REST = re.compile(r"(?P<rest> [\w ,-]+?)(?: (?:in|of|for|to|at|by|on|from|with))?\W*")
_OWNED = re.compile(
    r"\W*(?:(?:and|but|so|ok|okay|then),? )?"
    r"(?:(?:what|how) about |(?:who|what)(?:['’]s| is| was| are| were) |tell me |name )?"
    r"the (?:[a-z]+ ){0,2}?(?P<owned>[a-z]+)(?P<end>(?: (?:then|now|today|called))?\W*)",
    re.I,
)
_AFTER_PREPOSITION = re.compile(r"\b(?:from|to|near|in|around|over|through|of|about) $", re.I)
_AFTER_MOTION = re.compile(
    r"\b(?:get|got|go|goes|going|went|travel(?:led)?|fly|flew|moved?|drive|come|came) $", re.I
)


class Completed(NamedTuple):
    """What a question means in full: a template, and whom its slot stands for."""

    template: str
    entity: Entity


def leans_back(sentence: str) -> bool:
    """Whether a sentence may refer to something said before, or leave it out.

    Quickly told, so that most queries need not hear what came before them.
    """
    fragment = _LEAD.match(sentence) or _QUESTION_WORD.fullmatch(sentence)
    if fragment or _OWNED.fullmatch(sentence) or find_references(sentence):
        return True
    return any(not sentence[a:b].count(" ") for a, b in names_in(sentence))  # a given name


def slot_for(sentence: str, reference: Reference, entity: Entity) -> str:
    """The slot that takes the place of a reference, so that the name reads well there."""
    if reference.form == "possessive":
        return f"{SLOT}'s"
    if reference.form in ("place", "here"):
        before = sentence[: reference.start]
        if _AFTER_PREPOSITION.search(before):
            return SLOT
        return f"to {SLOT}" if _AFTER_MOTION.search(before) else f"in {SLOT}"
    if (
        reference.several
        and reference.form == "subject"
        and entity.sort.kinds & {"country", "city"}
    ):
        return f"people in {SLOT}"
    return SLOT


def put(sentence: str, spoken: Spoken, text: str) -> str:
    """The sentence with ``text`` where an entity is spoken of."""
    return sentence[: spoken.start] + text + sentence[spoken.end :]


def complete(heard: Heard, discourse: Discourse) -> Completed | None:
    """A question in full, where it leaves out what an earlier one said; None where it does not.

    Args:
        heard: The sentence, the last that was heard.
        discourse: What was heard before it.
    """
    return (
        _with_other_subject(heard, discourse)
        or _with_other_question_word(heard, discourse)
        or _with_owner(heard, discourse)
    )


def _with_other_subject(heard: Heard, discourse: Discourse) -> Completed | None:
    """Reads "And Peru?" after "What is the capital of Chile?"."""
    if len(heard.spoken) != 1 or not heard.spoken[0].entity.name:
        return None
    (spoken,) = heard.spoken
    lead, end = heard.sentence[: spoken.start], heard.sentence[spoken.end :]
    asked = _last_question(discourse)
    if not lead.strip() or not _OTHER_SUBJECT.fullmatch(lead) or not _END.fullmatch(end):
        return None
    if asked is None:
        return None
    question, old = asked
    kinds, others = spoken.entity.sort.kinds, old.entity.sort.kinds
    if old.entity is spoken.entity or (kinds and others and kinds.isdisjoint(others)):
        return None
    return Completed(put(question.sentence, old, _slot_at(question, old)), spoken.entity)


def _with_other_question_word(heard: Heard, discourse: Discourse) -> Completed | None:
    """Reads "Since when?" after "Where does he live?"."""
    word = _QUESTION_WORD.fullmatch(heard.sentence)
    asked = _last_question(discourse) if word else None
    if word is None or asked is None:
        return None
    question, spoken = asked
    verb = _AUXILIARY.fullmatch(question.sentence[: spoken.start])
    rest = _REST.fullmatch(question.sentence[spoken.end :])
    if verb is None or rest is None or spoken.rank > 1:
        return None
    asking = f"{word['asked']} {verb['verb']} {SLOT}{rest['rest']}?"
    return Completed(asking, spoken.entity)


def _with_owner(heard: Heard, discourse: Discourse) -> Completed | None:
    """Reads "And the capital?" after something was said about Peru."""
    owned = _OWNED.fullmatch(heard.sentence)
    kinds = owner_kinds(owned["owned"]) if owned else frozenset()
    entity = discourse.topic(kinds) if kinds else None
    if owned is None or entity is None:
        return None
    at = owned.start("end")
    return Completed(f"{heard.sentence[:at]} of {SLOT}{heard.sentence[at:]}", entity)


def _last_question(discourse: Discourse) -> tuple[Heard, Spoken] | None:
    """The last full question, and the one thing by name or reference that it is about."""
    *earlier, now = discourse.heard
    for heard in reversed(earlier):
        if now.turn - heard.turn > REACH:
            return None
        if not _FULL.match(heard.sentence) or _TO_YOU.search(heard.sentence):
            continue
        named = [spoken for spoken in heard.spoken if spoken.entity.name]
        return (heard, named[0]) if len({id(s.entity) for s in named}) == 1 else None
    return None


def _slot_at(heard: Heard, spoken: Spoken) -> str:
    if spoken.reference is None:
        return SLOT
    return slot_for(heard.sentence, spoken.reference, spoken.entity)
