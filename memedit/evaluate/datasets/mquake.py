"""MQuAKE: questions over chains of facts, some edited (Zhong et al. 2023, arXiv 2305.14795).

A case has one to four edits, one question in three phrasings, and the chain's single hops after
the edits. Cases share edits: an edit has one id wherever it occurs, made from its words. What a
case does not edit another may: with many cases live, such hops and questions are contested, which
is the runner's to find out, since it depends on what is live.

The original facts are the case's facts: those of the chain before the edits, and the unedited ones
of the chain after them.

The queries: the phrasings are ``multi_hop`` in the group ``question`` (one right is MQuAKE's
multi-hop accuracy); each entry of ``new_single_hops`` is a ``hop``, with its place, cloze, subject,
relation and whether it is edited in ``meta``; each rewrite's own cloze is an ``edit`` (edit-wise
accuracy).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from memedit import forms
from memedit.edit import Edit
from memedit.evaluate.cases import Case, Dropped, Query
from memedit.evaluate.datasets import checks
from memedit.evaluate.datasets.checks import Fields
from memedit.evaluate.datasets.reader import Reader


def _case(data: Fields, case_id: str, dropped: Dropped) -> Case:
    edits = tuple(map(_edit, checks.objects(data, "requested_rewrite")))
    if not edits:
        raise ValueError("requested_rewrite: it holds no edit")
    relations = {edit.relation or "" for edit in edits}
    hops = tuple(_hops(data, edits))
    queries = (*_questions(data, hops), *hops, *_recalled(edits, hops))
    relation = relations.pop() if len(relations) == 1 else ""
    return Case(case_id, edits, queries, relation=relation, facts=tuple(_facts(data, hops)))


def _edit(rewrite: Fields) -> Edit:
    parts = [checks.text(rewrite, key) for key in ("subject", "prompt")]
    parts += [checks.label(rewrite, "target_new"), str(rewrite.get("question"))]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return checks.rewrite_edit(rewrite, id=f"mquake-{digest}", source="mquake")


def _questions(data: Fields, hops: tuple[Query, ...]) -> Iterator[Query]:
    answers = checks.answers(checks.text(data, "new_answer"), data.get("new_answer_alias"))
    old = checks.answers(data.get("answer"), data.get("answer_alias"))
    questions = checks.texts(data, "questions")
    if not questions:
        raise ValueError("questions: it holds no question")
    meta: dict[str, Any] = {"hops": len(hops)}
    if "relation" in hops[0].meta:
        meta["chain"] = tuple(hop.meta["relation"] for hop in hops)
    for question in questions:
        yield Query(question, "multi_hop", answers, old, group="question", meta=meta)


def _hops(data: Fields, edits: tuple[Edit, ...]) -> Iterator[Query]:
    edited = {edit.cloze: index for index, edit in enumerate(edits)}
    hops = checks.objects(data, "new_single_hops")
    if not hops:
        raise ValueError("new_single_hops: it holds no hop")
    triples = list(_triples(data, "new_triples", len(hops)))
    for place, (hop, (subject, relation)) in enumerate(zip(hops, triples, strict=True)):
        cloze = checks.text(hop, "cloze")
        index = edited.get(cloze)
        yield Query(
            checks.text(hop, "question"),
            "hop",
            checks.answers(checks.text(hop, "answer"), hop.get("answer_alias")),
            () if index is None else checks.answers(edits[index].target_true),
            fires=index is not None,
            edit=index or 0,
            meta={"hop": place, "cloze": cloze, "edited": index is not None}
            | ({"subject": subject, "relation": relation} if relation else {}),
        )


def _triples(data: Fields, key: str, hops: int) -> Iterator[tuple[str, str]]:
    """The subject's words and the relation's id of each hop; empty where the record has none."""
    source = data.get("orig")
    found = source if isinstance(source, Mapping) else {}
    ids, labels = found.get(key, []), found.get(f"{key}_labeled", [])
    if len(ids) == len(labels) == hops:
        yield from (
            (str(label[0]), str(triple[1])) for triple, label in zip(ids, labels, strict=True)
        )
    else:
        yield from [("", "")] * hops


def _facts(data: Fields, hops: tuple[Query, ...]) -> Iterator[Edit]:
    """The chain before the edits, and what is unedited of the chain after them, each fact once."""
    before = checks.objects(data, "single_hops")
    told = [
        (*triple, checks.text(hop, "cloze"), checks.text(hop, "answer"))
        for hop, triple in zip(before, _triples(data, "triples", len(before)), strict=True)
    ]
    told += [
        (hop.meta["subject"], hop.meta["relation"], hop.meta["cloze"], hop.answers[0])
        for hop in hops
        if "relation" in hop.meta and not hop.meta["edited"]
    ]
    for subject, relation, cloze, answer in dict.fromkeys(told):
        prompt = forms.template_of(cloze, (subject,)) if subject else None
        if prompt:
            fact = {
                "subject": subject,
                "prompt": prompt,
                "target_new": answer,
                "relation": relation,
            }
            digest = hashlib.sha256("\n".join(fact.values()).encode()).hexdigest()[:16]
            yield Edit(**fact, id=f"mquake-fact-{digest}", source="mquake", tags=("fact",))


def _recalled(edits: tuple[Edit, ...], hops: tuple[Query, ...]) -> Iterator[Query]:
    """Each edit's cloze; the aliases of its target are those of its hop."""
    aliases = {hop.edit: hop.answers for hop in hops if hop.fires}
    for index, edit in enumerate(edits):
        new, true = edit.target_new, edit.target_true
        answers, old = checks.answers(new, aliases.get(index)), checks.answers(true)
        yield Query(edit.cloze, "edit", answers, old, fires=True, edit=index, new=new, true=true)


_SOURCE = "Zhong et al. 2023, arXiv 2305.14795; github.com/princeton-nlp/MQuAKE"
_HARD = "Wang et al. 2024, arXiv 2401.10471; github.com/wangywUST/DeepEdit"


def _reader(name: str, source: str, *files: str) -> Reader:
    return Reader(name, files, checks.each_record(name, _case, repeats=True), source)


READERS = (
    # The last pattern spares lists of case numbers beside the file ("..._conflicted_ids.json").
    _reader("mquake", _SOURCE, "MQuAKE-CF-3k.json*", "MQuAKE-CF-3k*[!s].json*"),
    _reader("mquake_hard", _HARD, "MQuAKE-hard*.json*"),
    _reader("mquake_t", _SOURCE, "MQuAKE-T*.json*"),
)
