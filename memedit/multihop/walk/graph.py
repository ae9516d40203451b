"""The live edits as a graph: from a subject over a relation to an object, and back.

Nodes are names. An object leads on where it is the name of a live subject, as a whole: under one
of its aliases, in another spelling that folds to the same words, or by a part that fits only it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from memedit.edit import Edit
from memedit.multihop.hops import Source
from memedit.scope.candidates import Order, newest
from memedit.scope.names import Mention, NameIndex
from memedit.scope.phrases import MASK, masked, relation_phrases
from memedit.text import name_key, words

FACT_TAG = "fact"  # an edit that carries it says what was true before, and changes nothing
MAX_VARIANTS = 2  # spellings of a name that are tried
SAME_NAME = 0.9  # likeness from which another spelling is the same name
MAX_BACK = 256  # edges into one object that are looked at
MAX_MEMBERS = 16  # of one relation, such as everybody who plays a sport
_LIST = re.compile(r"\s*(?:,|;|\band\b|&)\s*")
_SLOT = re.compile(r"\{\}(?:['’]s)?")


@dataclass(frozen=True)
class Edge:
    """A live edit, followed from its subject to its object or the other way.

    Attributes:
        edit: The edit.
        order: Of two edits with one key the greater order wins.
        inverse: Whether it leads from the object to the subject.
    """

    edit: Edit
    order: Order
    inverse: bool = False

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """The relation in words, the entity it is followed from masked; the prompt first."""
        if self.inverse:
            return (_SLOT.sub("what", self.edit.prompt).rstrip(" ,;:") + f" {MASK}",)
        return relation_phrases(self.edit)

    @cached_property
    def relation(self) -> str:
        """Equal for edges of one relation."""
        words_ = masked(self.edit.prompt)
        return f"^{words_}" if self.inverse else words_

    @property
    def source(self) -> Source:
        """Whether it is an edit or a plain fact."""
        return "fact" if FACT_TAG in self.edit.tags else "edit"

    @property
    def end(self) -> str:
        """The name it leads to."""
        return self.edit.subject if self.inverse else self.edit.target_new

    @property
    def question(self) -> str:
        """The sub-question it answers."""
        if not self.inverse:
            return self.edit.asked
        asked = _SLOT.sub("what", self.edit.prompt, count=1).rstrip(" ,;:")
        return f"{asked[:1].upper()}{asked[1:]} {self.edit.target_new}?"


class FactGraph:
    """The live edits of a memory, as edges between names.

    Args:
        names: The names of the live edits' subjects, kept up to date by whoever owns them.
    """

    def __init__(self, names: NameIndex) -> None:
        self._names = names
        self._edges: dict[str, Edge] = {}
        self._objects = NameIndex()
        self._by_object: dict[str, dict[str, Edge]] = defaultdict(dict)
        self._nodes: dict[str, tuple[str, ...]] = {}  # what names stand for, as far as asked
        self._relations: list[tuple[str, ...]] | None = None

    def __len__(self) -> int:
        return len(self._edges)

    def put(self, edits: Iterable[tuple[Edit, Order]]) -> None:
        """Makes edits live, or replaces their older versions; free text has no place in a graph."""
        for edit, order in edits:
            self.drop(edit.id)
            if edit.kind != "fact":
                continue
            self._edges[edit.id] = Edge(edit, order)
            key = name_key(edit.target_new)
            if key not in self._by_object:
                self._objects.add(key, [edit.target_new])
            self._by_object[key][edit.id] = Edge(edit, order, inverse=True)
        self._changed()

    def drop(self, edit_id: str) -> None:
        """Takes an edit out; unknown ids are ignored."""
        edge = self._edges.pop(edit_id, None)
        if edge is None:
            return
        key = name_key(edge.edit.target_new)
        del self._by_object[key][edit_id]
        if not self._by_object[key]:
            del self._by_object[key]
            self._objects.remove(key)
        self._changed()

    def subjects_in(self, text: str) -> list[Mention]:
        """Where a text names live subjects; spelt almost so, where none is named as given."""
        found = self._names.find(text)
        if found:
            return found
        return [
            Mention(v.start, v.end, v.text, v.name, "variant", v.edit_ids)
            for v in self._names.find_variants(text, limit=MAX_VARIANTS)
            if v.score >= SAME_NAME
        ]

    def objects_in(self, text: str) -> list[Mention]:
        """Where a text names objects of live edits."""
        return [m for m in self._objects.find(text) if m.kind == "full"]

    def leaving(self, name: str, day: dt.date) -> list[Edge]:
        """The edges from the subject a name stands for; of each relation the one that holds."""
        return self.edges_of(self._ids_of(name), day)

    def edges_of(self, edit_ids: Iterable[str], day: dt.date) -> list[Edge]:
        """The edges of some edits; of each subject and relation the one that holds on the day."""
        return newest((self._edges[i] for i in edit_ids if i in self._edges), day)

    def entering(
        self, name: str, day: dt.date, asked: Callable[[str], bool] = lambda prompt: True
    ) -> list[Edge]:
        """The edges into an object, to be followed backwards; none that a newer edit replaces.

        Args:
            name: The object.
            day: The day on which they hold.
            asked: Whether the relation of a prompt is asked for backwards.
        """
        found = self._by_object.get(name_key(name), {}).values()
        wanted = {prompt for prompt in {edge.edit.prompt for edge in found} if asked(prompt)}
        edges = [e for e in found if e.edit.prompt in wanted and e.edit.holds_on(day)]
        return [edge for edge in edges[:MAX_BACK] if self._stands(edge, day)]

    def relations(self) -> list[tuple[str, ...]]:
        """The wordings of every relation that some live edit has."""
        if self._relations is None:
            found = {edge.relation: edge.phrases for edge in self._edges.values()}
            self._relations = list(found.values())
        return self._relations

    def members(self, name: str) -> list[str]:
        """The names an object stands for: several where it lists known ones, else itself."""
        if self._ids_of(name):
            return [name]
        parts = [part for part in _LIST.split(name) if part]
        if len(parts) < 2 or not all(part[0].isupper() for part in parts):
            return [name]
        return parts[:MAX_MEMBERS] if any(self._ids_of(part) for part in parts) else [name]

    def _changed(self) -> None:
        self._nodes.clear()
        self._relations = None

    def _stands(self, edge: Edge, day: dt.date) -> bool:
        """Whether no other live edit of the same key has taken the place of the edge's."""
        rivals = self.leaving(edge.edit.subject, day)
        return any(rival.edit.id == edge.edit.id for rival in rivals)

    def _ids_of(self, name: str) -> tuple[str, ...]:
        """The live edits about the subject that the whole of ``name`` stands for."""
        key = name_key(name)
        if key not in self._nodes:
            self._nodes[key] = _whole(self._names.find(name), name)
        return self._nodes[key]


def by_relation(edges: Sequence[Edge]) -> Mapping[str, list[Edge]]:
    """Edges with the same relation together, in order."""
    found: dict[str, list[Edge]] = defaultdict(list)
    for edge in edges:
        found[edge.relation].append(edge)
    return found


def _whole(mentions: Sequence[Mention], name: str) -> tuple[str, ...]:
    """The edits of the mention that takes up all of ``name`` but for an article."""
    tokens = words(name)
    for mention in mentions:
        outside = [w for w, a, b in tokens if b <= mention.start or a >= mention.end]
        if all(word == "the" for word in outside):
            return mention.edit_ids
    return ()
