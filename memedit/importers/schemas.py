"""The benchmarks' record schemas: how each is told, and how a record becomes edits.

Only the edit itself is taken. Rephrasings, neighbours and portability questions are what an
editor is evaluated on, so they never become an edit's paraphrases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from memedit import forms
from memedit.edit import Edit
from memedit.errors import InvalidEditError

Fields = Mapping[str, Any]

# EasyEdit writes this where the old object is unknown.
_UNKNOWN_TARGET = "<|endoftext|>"


@dataclass(frozen=True)
class Schema:
    """How one file format's records look and become edits.

    Args:
        name: The value of ``load_edits(format=...)``.
        variants: The fields that make a record one of this schema; any one variant suffices.
        read: The edits of one record. Raises ``InvalidEditError`` where it cannot be used.
        marks: Whether a record has what only this schema has, for ``format="auto"``.
    """

    name: str
    variants: tuple[frozenset[str], ...]
    read: Callable[[Fields, int], Iterator[Edit]]
    marks: Callable[[Fields], bool]

    def missing(self, record: Fields) -> str:
        """The fields the record lacks, or an empty string where one variant is complete."""
        nearest = min(self.variants, key=lambda fields: len(fields - record.keys()) / len(fields))
        return ", ".join(sorted(nearest - record.keys()))

    def tells(self, record: Fields) -> bool:
        """Whether the record is surely one of this schema."""
        return not self.missing(record) and self.marks(record)


def _counterfact(record: Fields, place: int) -> Iterator[Edit]:
    """CounterFact (Meng et al. 2022, arXiv 2202.05262), original or in EasyEdit's flat form."""
    source = _source("counterfact", record, place)
    if "requested_rewrite" not in record:
        yield _from_request(record, source)
        return
    yield edit_from_rewrite(_fields(record, "requested_rewrite"), source=source)


def _mquake(record: Fields, place: int) -> Iterator[Edit]:
    """MQuAKE (Zhong et al. 2023, arXiv 2305.14795): every rewrite of a case is an edit."""
    source = _source("mquake", record, place)
    for rewrite in record["requested_rewrite"]:
        if not isinstance(rewrite, Mapping):
            raise InvalidEditError("requested_rewrite: it holds something other than objects.")
        yield edit_from_rewrite(rewrite, source=source)


def _zsre(record: Fields, place: int) -> Iterator[Edit]:
    """The zsRE set as MEND ships it (Mitchell et al. 2022, arXiv 2110.11309), or EasyEdit's."""
    source = _source("zsre", record, place)
    if "src" not in record:
        yield _from_request(record, source)
        return
    old = record.get("answers")
    yield edit_from_request(record["src"], record["subject"], record["alt"], old, source=source)


def _easyedit(record: Fields, place: int) -> Iterator[Edit]:
    """EasyEdit's request list (Wang et al. 2024, arXiv 2308.07269), KnowEdit included."""
    yield _from_request(record, _source("easyedit", record, place))


def _own(record: Fields, place: int) -> Iterator[Edit]:
    yield Edit.from_dict(record)


def _from_request(record: Fields, source: str) -> Edit:
    old = record.get("ground_truth")
    target = record["target_new"]
    return edit_from_request(record["prompt"], record["subject"], target, old, source=source)


def edit_from_request(text: Any, subject: Any, target: Any, old: Any, **words: Any) -> Edit:
    """An edit from a question or a cloze that holds the subject's own words.

    Args:
        text: The question or cloze.
        subject: The subject's words as they stand in it.
        target: The new answer; of (nested) lists, the first.
        old: The old answer likewise; None, or EasyEdit's mark, where it is not known.
        words: Further fields of the edit, such as ``source``.

    Raises:
        InvalidEditError: The subject does not occur in the text, or a field is malformed.
    """
    target_true = _first(old)
    fields: dict[str, Any] = {
        "target_new": _first(target),
        "target_true": None if target_true == _UNKNOWN_TARGET else target_true,
        **words,
    }
    for field, value in (("prompt", text), ("subject", subject)):
        if not isinstance(value, str) or not value.strip():
            raise InvalidEditError(f"{field}: it is empty or not a string.", field=field)
    if "?" in text and forms.SLOT not in text:
        if forms.template_of(text, (subject,)) is None:
            raise InvalidEditError(
                f"question: the subject {subject!r} does not occur in {text!r}.", field="question"
            )
        return Edit(subject=subject, question=text, **fields)
    return Edit.from_cloze(text, subject=subject, **fields)


def edit_from_rewrite(rewrite: Fields, **words: Any) -> Edit:
    """An edit from a ``requested_rewrite`` of CounterFact or MQuAKE.

    Args:
        rewrite: The rewrite: ``subject``, ``prompt`` with a slot, both targets, ``relation_id``
            and, in MQuAKE, ``question``.
        words: Further fields of the edit, such as ``source``.

    Raises:
        InvalidEditError: A field is malformed.
    """
    subject, question = rewrite.get("subject"), rewrite.get("question")
    if question and isinstance(subject, str) and not forms.template_of(question, (subject,)):
        question = None  # worded for another name of the subject: the prompt serves
    return Edit(
        subject=subject,
        prompt=rewrite.get("prompt"),
        target_new=_labelled(rewrite.get("target_new")),
        target_true=_labelled(rewrite.get("target_true")) or None,
        relation=rewrite.get("relation_id") or None,
        question=question or None,
        **words,
    )


def _labelled(target: Any) -> Any:
    """The words of ``{"str": "English", "id": "Q1860"}``."""
    return target.get("str") if isinstance(target, Mapping) else target


def _first(value: Any) -> Any:
    """The first of nested lists of answers; other values as they are."""
    while isinstance(value, list):
        value = value[0] if value else None
    return value


def _fields(record: Fields, key: str) -> Fields:
    value = record[key]
    if not isinstance(value, Mapping):
        raise InvalidEditError(f"{key}: it is not an object.", field=key)
    return value


def _source(name: str, record: Fields, place: int) -> str:
    """``"counterfact:17"``: the record's own number where it has one, its place otherwise."""
    return f"{name}:{record.get('case_id', place)}"


def _variant(*names: str) -> frozenset[str]:
    return frozenset(names)


_REQUEST = _variant("prompt", "subject", "target_new")
_REQUEST_MARKS = ("ground_truth", "rephrase_prompt", "locality", "portability", "locality_prompt")

# In the order in which format="auto" tries them: the surest marks first, our own form last.
SCHEMAS: tuple[Schema, ...] = (
    Schema(
        "mquake",
        (_variant("requested_rewrite"),),
        _mquake,
        lambda record: isinstance(record.get("requested_rewrite"), list),
    ),
    Schema(
        "counterfact",
        (_variant("requested_rewrite"), _REQUEST),
        _counterfact,
        lambda record: (
            "requested_rewrite" in record or {"case_id", "locality_prompt"} <= record.keys()
        ),
    ),
    Schema(
        "zsre",
        (_variant("src", "subject", "alt"), _REQUEST),
        _zsre,
        lambda record: {"src", "alt"} <= record.keys(),
    ),
    Schema(
        "easyedit",
        (_REQUEST,),
        _easyedit,
        lambda record: any(mark in record for mark in _REQUEST_MARKS),
    ),
    Schema("jsonl", (_variant("target_new"),), _own, lambda record: "target_new" in record),
)
FORMATS: tuple[str, ...] = ("auto", *(schema.name for schema in SCHEMAS))
