"""What "he", "its" or "that club" stands for, followed through a conversation.

A conversation is heard sentence by sentence. Each leaves behind what it spoke of, by name or by a
reference that was resolved; a new reference is looked for in its own sentence first and then
backwards, and the nearest sentence that speaks of anything it may stand for decides. Where that is
somebody unknown, or where two things fit as well, it stands for no edited subject: a wrong subject
does more harm than none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from memedit.scope.entities import (
    Entity,
    Spoken,
    apart,
    decides,
    is_narrow,
    level,
    share_kinds,
    tells_of_persons,
    unnamed,
)
from memedit.scope.kinds import (
    NOTHING,
    PERSON,
    Kinds,
    Sort,
    sort_asked_for,
    sort_from_relations,
)
from memedit.scope.likeness import related
from memedit.scope.names import Mention, NameIndex
from memedit.scope.references import Reference, find_references, without_code
from memedit.scope.segments import is_question, sentence_spans
from memedit.scope.topics import Topic, is_name_only, topics_in
from memedit.text import words

REACH_SENTENCES = 32  # and as many sentences at most
REACH = 6  # turns a reference reaches back; what was not spoken of since is no longer the topic
MAX_SENTENCES_A_TURN = 32  # of a long turn, the last ones
MAX_TURN_CHARS = 20_000
MAX_SENTENCE_CHARS = 600  # what is longer is a table or code; its end is heard

# The relations told of a subject, given the ids of its edits: phrases with "it" for the subject.
Told = Callable[[Sequence[str]], Iterable[str]]

_FRONTED = re.compile(
    r"^\W*(?:and |but |so )?(?:before|after|when|while|as|since|until|if|although|though|during|in|"
    r"despite|by|once)\b[^,]*,",
    re.I,
)
# "And its capital?" goes on with what was asked before, not with the answer to it.
_CONTINUING = re.compile(r"^\W*(?:and|what about|how about|and what about) its\b", re.I)
_A_FIRST = re.compile(r"\W*(?:an?|one of) [a-z]", re.I)
_INTRODUCING = re.compile(
    r"\W*(?:(?:and|so|ok|please|can you|could you),? )*"
    r"(?:(?:who|what)(?:['’]s| is| was| are| were) |tell me about |(?:what|how) about )",
    re.I,
)
_WE_ARE_IN = re.compile(r"\b(?:I|we)(?:['’](?:m|re|ve))? .*\b(?:in|at|to) (?:the )?$", re.I)


@dataclass(frozen=True)
class Heard:
    """A sentence that was heard.

    Attributes:
        sentence: Its text.
        spoken: What it speaks of, in order.
        turn: The number of the turn it stands in.
        name_only: Whether it is a bare name, as a short answer is.
    """

    sentence: str
    spoken: tuple[Spoken, ...]
    turn: int
    name_only: bool


@dataclass
class Discourse:
    """A conversation as far as it was heard.

    Args:
        names: The live subjects.
        told: The relations told of a subject, which tell what kind of thing it is.
        cut: Whether earlier turns were left out.

    Attributes:
        leads_further_back: Whether something was referred to that may stand in a turn left out.
    """

    names: NameIndex
    told: Told | None = None
    cut: bool = False
    leads_further_back: bool = False
    heard: list[Heard] = field(default_factory=list)
    turn: int = 0
    _entities: dict[tuple[str, ...], Entity] = field(default_factory=dict)

    def hear_turns(self, turns: Sequence[str]) -> None:
        """Hears earlier turns, oldest first."""
        for turn in turns:
            text = turn[-MAX_TURN_CHARS:]
            mentions = self.names.find(text)
            spans = sentence_spans(text, [(m.start, m.end) for m in mentions])
            plain = without_code(text)
            for start, end in spans[-MAX_SENTENCES_A_TURN:]:
                inside = [moved(m, -start) for m in mentions if start <= m.start and m.end <= end]
                self.hear(plain[start:end], inside)
            self.turn += 1

    def hear(self, sentence: str, mentions: Sequence[Mention]) -> Heard:
        """Hears one sentence and resolves its references.

        Args:
            sentence: The sentence.
            mentions: The live subjects it names, at their places in the sentence.

        Returns:
            What it speaks of; :attr:`Spoken.reference` marks the references that were resolved.
        """
        beyond = max(0, len(sentence) - MAX_SENTENCE_CHARS)
        if beyond:
            sentence = sentence[beyond:]
            mentions = [moved(m, -beyond) for m in mentions if m.start >= beyond]
        topics = self._answering(topics_in(sentence, tuple(mentions)), sentence)
        spoken = self._introduced(sentence, topics)
        spoken += self._all_named(sentence, topics)
        nouns = [topic for topic in topics if not topic.name]
        for reference in find_references(sentence):
            if any(s.start < reference.end and reference.start < s.end for s in spoken):
                continue
            said = [*spoken, *(unnamed(t) for t in nouns if t.start < reference.start)]
            entity = self._resolve(sentence, reference, said)
            if entity is None and self.cut and self.turn <= REACH:
                self.leads_further_back = True
            if entity:
                place = reference.start, reference.end
                spoken.append(Spoken(*place, entity, 0, reference))
        spoken += [
            unnamed(topic)
            for topic in nouns
            if not any(s.start < topic.end and topic.start < s.end for s in spoken)
        ]
        spoken.sort(key=lambda one: one.start)
        name_only = is_name_only(sentence, topics)
        heard = Heard(sentence, tuple(spoken), self.turn, name_only)
        self.heard.append(heard)
        return heard

    def topic(self, kinds: Kinds) -> Entity | None:
        """What was last spoken of that surely is of one of these kinds, None where two are."""
        anything = Reference(0, 0, "noun", Sort(kinds))
        entity = self._look_back(anything, answers=False)
        return entity if entity and entity.sort.kinds & kinds else None

    def _all_named(self, sentence: str, topics: Sequence[Topic]) -> list[Spoken]:
        """The topics that have a name; things named in one list are of one kind."""
        spoken: list[Spoken] = []
        for topic in topics:
            if topic.name:
                one = self._named(sentence, topic)
                if topic.joined and spoken:
                    share_kinds(spoken[-1].entity, one.entity)
                spoken.append(one)
        return spoken

    def _named(self, sentence: str, topic: Topic) -> Spoken:
        known = None if topic.mention else self._by_given_name(topic.name)
        entity = known or self._entity(topic)
        entity.sort |= topic.sort
        entity.here |= bool(_WE_ARE_IN.search(sentence[: topic.start]))
        place, rank = (topic.start, topic.end), 1 if topic.prominent else 2
        reference = Reference(*place, "noun", NOTHING) if known else None
        return Spoken(*place, entity, rank, reference)

    def _answering(self, topics: Sequence[Topic], sentence: str) -> list[Topic]:
        """The topics; where they are a bare answer, of the kind that was asked for."""
        before = self.heard[-1].sentence if self.heard else ""
        if not is_name_only(sentence, topics):
            return list(topics)
        if len(sentence.split()) == 1 and topics[0].mention is None and not is_question(before):
            return []  # "Hm.", "Lovely!"
        wanted = sort_asked_for(before)
        return [t if t.sort.kinds else replace(t, sort=t.sort | wanted) for t in topics]

    def _introduced(self, sentence: str, topics: Sequence[Topic]) -> list[Spoken]:
        """Whom "A man from Rosario." is about: what was asked about just before."""
        first = topics[0] if topics else None
        before = self.heard[-1] if self.heard else None
        if first is None or before is None or not _A_FIRST.match(sentence):
            return []
        named = [spoken for spoken in before.spoken if spoken.entity.name]
        if len(named) != 1 or not _INTRODUCING.match(before.sentence):
            return []
        entity = named[0].entity
        entity.sort |= first.sort
        return [Spoken(first.start, first.end, entity, 0)]

    def _entity(self, topic: Topic) -> Entity:
        """The entity of this name, met before or new."""
        mention = topic.mention
        folded = _folded(topic.name)
        key = mention.edit_ids if mention else folded
        if key not in self._entities:
            told = self.told(mention.edit_ids) if mention and self.told else ()
            sort = sort_from_relations(told)
            self._entities[key] = Entity(topic.name, mention, sort, words=folded)
        return self._entities[key]

    def _by_given_name(self, name: str) -> Entity | None:
        """The one person spoken of who goes by this single word: a given name or a surname."""
        folded = _folded(name)
        if len(folded) != 1:
            return None
        forms = {folded[0], *related(folded[0])}
        found = [
            entity
            for entity in self._entities.values()
            if len(entity.words) > 1
            and "person" in entity.sort.kinds
            and not forms.isdisjoint((entity.words[0], entity.words[-1]))
        ]
        return found[0] if len(found) == 1 else None

    def _resolve(
        self, sentence: str, reference: Reference, spoken: Sequence[Spoken]
    ) -> Entity | None:
        if reference.form in ("former", "latter"):
            return self._of_two(reference)
        before = [s for s in spoken if s.end <= reference.start]
        own = [s for s in before if not apart(sentence, s, reference)]
        fronted = _FRONTED.match(sentence)
        if fronted and reference.end <= fronted.end():
            own += [s for s in spoken if s.start >= fronted.end() and s.rank < 2]
        if any(level(s.entity, reference) >= 0 for s in own):
            entity = self._choose(own, reference)
        else:
            barred = {id(s.entity) for s in before if s not in own}
            answers = not _CONTINUING.match(sentence)
            entity = self._look_back(reference, answers=answers, barred=barred)
        if entity and reference.sort.gender:
            entity.sort = Sort(entity.sort.kinds or PERSON, reference.sort.gender)
        return entity

    def _look_back(
        self, reference: Reference, *, answers: bool, barred: Iterable[int] = ()
    ) -> Entity | None:
        """The entity of the nearest sentence before this one that speaks of any that may be meant.

        Args:
            reference: What is to be resolved.
            answers: Whether a bare name, as a short answer is, may be meant.
            barred: Ids of entities that cannot be meant.
        """
        # A name in passing of which nothing is known does not hide the club spoken of before.
        passing = (False, True) if is_narrow(reference) else (True,)
        for unknown_in_passing in passing:
            for place in reversed(range(len(self.heard))[-REACH_SENTENCES:]):
                heard = self.heard[place]
                if self.turn - heard.turn > REACH:
                    break
                if heard.name_only and not answers:
                    continue
                spoken = [s for s in heard.spoken if id(s.entity) not in barred]
                if any(decides(s, reference, unknown_in_passing) for s in spoken):
                    return self._choose(spoken, reference, before=self.heard[:place][-2:])
                if reference.several and tells_of_persons(spoken):
                    return None
        return None

    def _choose(
        self, spoken: Sequence[Spoken], reference: Reference, before: Sequence[Heard] = ()
    ) -> Entity | None:
        """The entity of one sentence that is meant, None where it cannot be told."""
        if reference.several and tells_of_persons(spoken):
            return None
        fitting = [s for s in spoken if level(s.entity, reference) >= 0]
        best = max(level(s.entity, reference) for s in fitting)
        if is_narrow(reference):
            fitting = [s for s in fitting if level(s.entity, reference) == best]
        top = min(s.rank for s in fitting)
        if reference.several:
            top = max(top, 1)
        leading = [s for s in fitting if s.rank <= top]
        entities = list({id(s.entity): s.entity for s in leading}.values())
        if len(entities) > 1 and reference.several:
            return None  # several of them may be meant
        if len(entities) > 1:
            surest = [e for e in entities if level(e, reference) == best]
            went_on = [e for e in entities if any(e is s.entity for h in before for s in h.spoken)]
            entities = went_on if len(went_on) == 1 else surest
        if len(entities) != 1:
            return None
        unsure = level(entities[0], reference) == 0 < best
        return None if unsure else entities[0]

    def _of_two(self, reference: Reference) -> Entity | None:
        """The former or the latter of two things named in one sentence."""
        for heard in reversed(self.heard):
            named = list({id(s.entity): s.entity for s in heard.spoken if s.entity.name}.values())
            if self.turn - heard.turn > REACH or len(named) > 2:
                return None
            if len(named) == 2:
                return named[0 if reference.form == "former" else 1]
        return None


def moved(mention: Mention, by: int) -> Mention:
    """The mention at its place in a text that begins elsewhere."""
    return Mention(
        mention.start + by,
        mention.end + by,
        mention.text,
        mention.name,
        mention.kind,
        mention.edit_ids,
    )


def _folded(name: str) -> tuple[str, ...]:
    return tuple(word for word, _, _ in words(name))
