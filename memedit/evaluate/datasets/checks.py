"""What every reader does alike: fields, answers, edits, what is left out, what is broken.

A reader turns one record into one case (:data:`Make`); :func:`each_record` makes of that a reader
that never fails over one record and counts what it leaves out. Three rules leave a record out,
since a set that is loaded with such records measures its own faults:

* it repeats an earlier record: subject, prompt and target are the same;
* it contradicts an earlier record: the same subject and relation (:attr:`memedit.Edit.key`) with
  another target, so that one memory could not hold both;
* its target is already true, so that nothing would change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from memedit import forms
from memedit.edit import Edit
from memedit.errors import InvalidEditError
from memedit.evaluate.cases import Case, Dropped, Malformed, Query
from memedit.evaluate.datasets.reader import Read, Record
from memedit.importers.schemas import edit_from_request, edit_from_rewrite
from memedit.text import name_key

# Every reason says whether it is a record or a query that is left out.
RECORD, QUERY = "record: ", "query: "
REPEATED = f"{RECORD}it repeats an earlier one"
CONFLICT = f"{RECORD}an earlier one gives its subject and relation another target"
ALREADY_TRUE = f"{RECORD}its target is already true"
NO_SUBJECT = f"{RECORD}its subject does not stand in its prompt"
NO_ANSWER = f"{QUERY}it has no answer"
REPEATED_QUERY = f"{QUERY}it repeats another of its case"

Fields = Mapping[str, Any]
Make = Callable[[Any, str, Dropped], Case]
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,127}")


class LeftOut(Exception):
    """Raised where a record is left out on purpose; ``reason`` is what :class:`Dropped` counts."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def each_record(
    name: str,
    make: Make,
    *,
    of: type = Mapping,
    repeats: bool = False,
    told_by_old: bool = False,
) -> Read:
    """A reader's ``read`` from a function that makes one case of one record.

    Args:
        name: The data set's name; case ids begin with it (``"counterfact-17"``).
        make: Called with the record's data, the case's id, and where to count the queries it
            leaves out. It may raise ``LeftOut`` to leave the record out, and whatever a broken
            record leads to (``KeyError``, ``TypeError``, ``ValueError``, ...): that becomes a
            ``Malformed`` with the reason.
        of: The type a record must have: an object, or ``str`` for lines of text.
        repeats: Whether cases may make an edit that an earlier case made (MQuAKE). Where they
            may, a case repeats another only if its questions are the same too.
        told_by_old: Whether two edits of one subject with the same old target are about the same
            fact, however they word it. In zsRE, which names no relations, a fifth of the records
            ask another record's question in other words and give it another answer.
    """

    def read(records: Iterable[Record], dropped: Dropped) -> Iterator[Case | Malformed]:
        screen = Screen(name, dropped, repeats=repeats, told_by_old=told_by_old)
        for record in records:
            result = screen.case(record, make, of)
            if result is not None:
                yield result

    return read


class Screen:
    """What one pass over a data set remembers: ids given out, edits made, and what was left out.

    Args:
        name: The data set's name.
        dropped: Where to count.
        repeats: As for :func:`each_record`.
        told_by_old: Likewise.
    """

    def __init__(
        self, name: str, dropped: Dropped, *, repeats: bool = False, told_by_old: bool = False
    ) -> None:
        self.name = name
        self.dropped = dropped
        self.repeats = repeats
        self.told_by_old = told_by_old
        self._ids: set[str] = set()
        self._targets: dict[tuple[str, ...], str] = {}
        self._seen: set[tuple[Any, ...]] = set()

    def case(self, record: Record, make: Make, of: type = Mapping) -> Case | Malformed | None:
        """The record's case, what is wrong with it, or None where it is left out and counted."""
        case_id = self._new_id(record)
        noted = Dropped()
        try:
            if record.broken:
                raise ValueError(record.broken)
            if not isinstance(record.data, of):
                wanted = "a line of text" if of is str else "an object"
                raise ValueError(f"the record is not {wanted}: {shown(record.data)}")
            case = _without_repeats(make(record.data, case_id, noted), noted)
            self._admit(case)
        except LeftOut as left_out:
            self.dropped.add(left_out.reason, case_id)
            return None
        except InvalidEditError as error:
            return Malformed(case_id, error.message)
        except KeyError as error:
            return Malformed(case_id, f"{error.args[0]}: the field is missing")
        except ValueError as error:
            return Malformed(case_id, str(error))
        except (TypeError, AttributeError, IndexError) as error:
            return Malformed(case_id, f"a field is not of the type it should be ({error})")
        for reason, count in noted.reasons.items():
            for _ in range(count):
                self.dropped.add(reason, case_id)
        return case

    def _new_id(self, record: Record) -> str:
        """The record's own number after the set's name, or its place where that cannot serve."""
        own = record.data.get("case_id") if isinstance(record.data, Mapping) else None
        case_id = f"{self.name}-{record.place if own is None else own}"
        if case_id in self._ids or not _ID.fullmatch(case_id):
            case_id = f"{self.name}-r{record.place}"
        self._ids.add(case_id)
        return case_id

    def _admit(self, case: Case) -> None:
        """Remembers the case's edits.

        Raises:
            LeftOut: The case repeats or contradicts an earlier one.
        """
        targets = {
            fact: name_key(edit.target_new) for edit in case.edits for fact in self._facts(edit)
        }
        if any(self._targets.get(fact, target) != target for fact, target in targets.items()):
            raise LeftOut(CONFLICT)
        words: tuple[Any, ...] = tuple(
            (edit.key, name_key(edit.prompt), name_key(edit.target_new)) for edit in case.edits
        )
        if self.repeats or not words:
            words += tuple(query.prompt for query in case.queries)
        if words in self._seen:
            raise LeftOut(REPEATED)
        self._seen.add(words)
        self._targets.update(targets)

    def _facts(self, edit: Edit) -> Iterator[tuple[str, ...]]:
        """What the edit is about: what no other edit may say something else of."""
        yield edit.key
        if self.told_by_old and edit.target_true:
            yield edit.subject_key, "old target", name_key(edit.target_true)


# -- fields --------------------------------------------------------------------------------------


def text(data: Fields, key: str) -> str:
    """A field that must be a text, without blanks at its ends.

    Raises:
        KeyError: It is missing.
        ValueError: It is not a text, or it is empty.
    """
    return plain(data[key], key)


def plain(value: Any, key: str) -> str:
    """``value`` as a text without blanks at its ends; ``key`` names it in errors.

    Raises:
        ValueError: It is not a text, it is empty, or it holds half of a surrogate pair, which no
            model reads and no file can hold.
    """
    if not isinstance(value, str) or not value.strip():
        what = "empty" if isinstance(value, str) else "not a text"
        raise ValueError(f"{key}: {shown(value)} is {what}")
    if any("\ud800" <= ch <= "\udfff" for ch in value):
        raise ValueError(f"{key}: {value.encode(errors='backslashreplace')!r} is broken text")
    return value.strip()


def texts(data: Fields, key: str) -> tuple[str, ...]:
    """A field that is a list of texts, or one text; empty where the field is missing or None.

    Raises:
        ValueError: It is something else.
    """
    value = data.get(key)
    if value is None:
        return ()
    if not isinstance(value, list | str):
        raise ValueError(f"{key}: {shown(value)} is not a list of texts")
    return tuple(plain(item, key) for item in ([value] if isinstance(value, str) else value))


def fields(data: Fields, key: str) -> Fields:
    """A field that must be an object.

    Raises:
        KeyError: It is missing.
        ValueError: It is something else.
    """
    if not isinstance(data[key], Mapping):
        raise ValueError(f"{key}: {shown(data[key])} is not an object")
    value: Fields = data[key]
    return value


def objects(data: Fields, key: str) -> list[Fields]:
    """A field that is a list of objects; empty where the field is missing or None.

    Raises:
        ValueError: It is something else.
    """
    value = data.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise ValueError(f"{key}: {shown(value)} is not a list of objects")
    return value


def answers(*values: Any) -> tuple[str, ...]:
    """The texts in nested lists, in order, each once, without blanks at their ends.

    ``answers("Syria", [["Syria", "sy"], []])`` is ``("Syria", "sy")``; empty texts and None are
    passed over.

    Raises:
        ValueError: Something is neither a text, a list nor None.
    """
    found: dict[str, None] = {}
    for value in values:
        if isinstance(value, list | tuple):
            found.update(dict.fromkeys(answers(*value)))
        elif isinstance(value, str):
            found.update({value.strip(): None} if value.strip() else {})
        elif value is not None:
            raise ValueError(f"answer: {shown(value)} is not a text")
    return tuple(found)


def shown(value: Any, limit: int = 60) -> str:
    """``repr`` of a value, cut to ``limit`` characters for a message."""
    words = repr(value)
    return words if len(words) <= limit else f"{words[: limit - 1]}…"


# -- edits and queries ---------------------------------------------------------------------------


def request_edit(prompt: str, subject: str, target: str, old: tuple[str, ...], **more: Any) -> Edit:
    """An edit from a question or cloze that holds the subject's own words.

    Args:
        prompt: The question or cloze, as the data set asks it.
        subject: The subject's words.
        target: What is true from now on.
        old: Everything that was right before; the first becomes ``target_true``.
        more: Further fields of the edit: ``id``, ``source``, ``relation``.

    Raises:
        LeftOut: The target is among the old answers, or the subject is not in the prompt.
        InvalidEditError: A field is malformed.
    """
    refuse_what_is_true(target, old)
    if forms.template_of(prompt, (subject,)) is None:
        raise LeftOut(NO_SUBJECT)
    return edit_from_request(prompt, subject, target, old[0] if old else None, **more)


def rewrite_edit(rewrite: Fields, **more: Any) -> Edit:
    """An edit from a ``requested_rewrite`` of CounterFact or MQuAKE.

    Raises:
        LeftOut: The new target is the old one.
        InvalidEditError: A field is malformed.
    """
    refuse_what_is_true(label(rewrite, "target_new"), (label(rewrite, "target_true"),))
    for key in ("subject", "prompt"):
        text(rewrite, key)
    return edit_from_rewrite(rewrite, **more)


def label(data: Fields, key: str) -> str:
    """The words of ``{"str": "English", "id": "Q1860"}``.

    Raises:
        KeyError: A field is missing.
        ValueError: The words are not a text, or they are empty.
    """
    return plain(fields(data, key)["str"], key)


def refuse_what_is_true(target: str, old: Iterable[str]) -> None:
    """Leaves a record out whose target is among the old answers, however they are spelt.

    Raises:
        LeftOut: It is.
    """
    if name_key(target) in {name_key(answer) for answer in old}:
        raise LeftOut(ALREADY_TRUE)


def _without_repeats(case: Case, noted: Dropped) -> Case:
    """The case with every query once: a second asking of the same would count twice.

    Where the data set gives the two different answers (one of many children, say), both are right.
    """
    queries: dict[tuple[Any, ...], Query] = {}
    for query in case.queries:
        words = (query.kind, query.prompt, query.group, query.edit)
        if (first := queries.get(words)) is None:
            queries[words] = query
            continue
        noted.add(REPEATED_QUERY, case.id)
        both = answers(first.answers, query.answers)
        queries[words] = replace(first, answers=both, old=answers(first.old, query.old))
    return replace(case, queries=tuple(queries.values()))
