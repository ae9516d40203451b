"""Which queries another live case's edit may rightly answer.

With many edits live, a query that is "out of scope" of its own case can be in scope of another's:
CounterFact repeats neighbourhood prompts as edit prompts, and a third of MQuAKE-CF-3k's cases have
an unedited hop that another case edits. Such a query says nothing about locality or about the
chain's gold answer, so it is marked and left out of those figures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from memedit.evaluate.cases import Case, Query
from memedit.text import fold, name_key, words

_CHAIN = ("multi_hop", "hop")


class LiveEdits:
    """The edits of a group of cases, to look up what they are about.

    Args:
        cases: The cases whose edits are live together.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        self._by_name: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self._targets: dict[str, set[str]] = defaultdict(set)
        for case in cases:
            for edit in case.edits:
                for name in edit.names:
                    self._by_name[tuple(name_key(name).split())].add(case.id)
                for asked in {edit.cloze, edit.asked}:
                    if asked:
                        self._targets[fold(asked)].add(fold(edit.target_new))
        self._by_name.pop((), None)
        self._longest = max(map(len, self._by_name), default=0)

    def contested(self, case: Case, queries: Sequence[Query]) -> list[bool]:
        """Whether another live case's edit may rightly answer each of a case's queries."""
        broken_chain = any(self._overturns(query) for query in case.queries)
        return [
            broken_chain if query.kind in _CHAIN else self._names_other(query.prompt, case.id)
            for query in queries
        ]

    def _overturns(self, query: Query) -> bool:
        """Whether a live edit changes an unedited hop of a chain."""
        if query.kind != "hop" or query.meta.get("edited"):
            return False
        asked = (query.prompt, str(query.meta.get("cloze", "")))
        targets = set().union(*(self._targets.get(fold(text), set()) for text in asked))
        return bool(targets - {fold(answer) for answer in query.answers})

    def _names_other(self, text: str, case_id: str) -> bool:
        """Whether a subject of another case stands in the text, case and accents aside."""
        return any(ids - {case_id} for ids in self._named(text))

    def _named(self, text: str) -> Iterable[set[str]]:
        tokens = tuple(word for word, _, _ in words(text))
        for start in range(len(tokens)):
            for end in range(start + 1, min(len(tokens), start + self._longest) + 1):
                found = self._by_name.get(tokens[start:end])
                if found:
                    yield found
