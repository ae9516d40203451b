"""Which queries another live case's edit may rightly answer.

With many edits live, a query that is "out of scope" of its own case can be in scope of another's:
CounterFact repeats neighbourhood prompts as edit prompts, and a third of MQuAKE-CF-3k's cases have
an unedited hop that another case edits. Such a query says nothing about locality or about the
chain's gold answer, so it is marked and left out of those figures.

A query is contested only where another case's edit is about the very fact it asks for: where it is
that edit's own prompt or question, or where it is known to ask for the relation of its own case and
names a subject for which that relation, or one unnamed, is edited. Another relation of an edited
subject is a hard negative and stays in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from memedit.edit import Edit
from memedit.evaluate.cases import Case, Query
from memedit.text import fold, name_key, words

_CHAIN = ("multi_hop", "hop")
_UNCHANGED = ("locality", "distracting", "forgetting", "attribute")


class LiveEdits:
    """The edits that are live together, to look up what they are about.

    Args:
        cases: The cases whose edits are live; :meth:`add` takes more.
    """

    def __init__(self, cases: Iterable[Case] = ()) -> None:
        self._by_name: dict[tuple[str, ...], dict[str, Edit]] = defaultdict(dict)
        self._by_prompt: dict[str, dict[str, Edit]] = defaultdict(dict)
        self._longest = 0
        for case in cases:
            self.add(case)

    def add(self, case: Case) -> None:
        """Makes a case's edits live."""
        for edit in case.edits:
            for name in edit.names:
                key = tuple(name_key(name).split())
                if key:
                    self._by_name[key][edit.id] = edit
                    self._longest = max(self._longest, len(key))
            for asked in {edit.cloze, edit.asked} - {""}:
                self._by_prompt[fold(asked)][edit.id] = edit

    def contested(self, case: Case, queries: Sequence[Query]) -> list[bool]:
        """Whether another live case's edit may rightly answer each of a case's queries."""
        broken_chain = any(self._overturns(query) for query in case.queries)
        own = {edit.id for edit in case.edits}
        return [
            broken_chain
            if query.kind in _CHAIN
            else query.kind in _UNCHANGED and self._answers(query, case, own)
            for query in queries
        ]

    def _overturns(self, query: Query) -> bool:
        """Whether a live edit changes an unedited hop of a chain."""
        if query.kind != "hop" or query.meta.get("edited"):
            return False
        right = {fold(answer) for answer in query.answers}
        asked = (query.prompt, str(query.meta.get("cloze", "")))
        return any(fold(e.target_new) not in right for text in asked for e in self._asked(text))

    def _answers(self, query: Query, case: Case, own: set[str]) -> bool:
        """Whether an edit that is not the case's own is about the fact that is asked for."""
        if any(edit.id not in own for edit in self._asked(query.prompt)):
            return True
        return bool(query.meta.get("same_relation")) and any(
            edit.id not in own and _may_be(edit.relation, case.relation)
            for edit in self._named(query.prompt)
        )

    def _asked(self, text: str) -> Iterable[Edit]:
        """The edits of which the text is the prompt or the question."""
        return self._by_prompt.get(fold(text), {}).values()

    def _named(self, text: str) -> Iterator[Edit]:
        """The edits whose subject stands in the text, case and accents aside."""
        tokens = tuple(word for word, _, _ in words(text))
        for start in range(len(tokens)):
            for end in range(start + 1, min(len(tokens), start + self._longest) + 1):
                yield from self._by_name.get(tokens[start:end], {}).values()


def _may_be(relation: str | None, other: str) -> bool:
    """Whether two relations may be the same; one without a name may be any."""
    return not relation or not other or relation == other
