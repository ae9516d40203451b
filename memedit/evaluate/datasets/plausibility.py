"""Commonsense judgements: MEMIT-CSK's statements, plausible or not (Gupta et al. 2023)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from memedit import forms
from memedit.edit import Edit
from memedit.evaluate.cases import Case, Dropped, Kind, Query
from memedit.evaluate.datasets.checks import (
    QUERY,
    REPEATED_QUERY,
    Fields,
    each_record,
    shown,
    text,
    texts,
)
from memedit.evaluate.datasets.reader import Reader
from memedit.text import name_key

BOTH = f"{QUERY}the statement is both to change and to stay"

# How a statement is put to be judged.
JUDGED = "Statement: {} True or False:"

_AFFECTED: Mapping[str, tuple[Kind, bool | None]] = MappingProxyType(
    {
        "affected_paraphrase": ("rephrase", True),
        "affected_neighborhood_subject": ("reasoning", True),
        "affected_neighborhood_verb": ("reasoning", True),
        "affected_neighborhood_object": ("reasoning", True),
        "affected_reasoning": ("reasoning", None),
    }
)
_UNAFFECTED = ("unaffected_neighborhood_subject", "unaffected_neighborhood_object")
_LABELS: Mapping[str, bool] = MappingProxyType(
    {"1": True, "0": False, "true": True, "false": False}
)


def memit_csk_case(data: Fields, case_id: str, dropped: Dropped) -> Case:
    """MEMIT-CSK (Gupta et al. 2023, arXiv 2305.14956): whether a statement is plausible.

    The edit makes a statement ("A horse rides cat") true or false, as its label says; the prompt
    is :data:`JUDGED`, the target "True" or "False", and what is believed so far the other one. An
    edit set holds that alone. A probe set adds statements whose judgement is to follow the edit's
    (``affected_*``): paraphrases (kind ``rephrase``), and neighbours that differ in subject, verb
    or object (``reasoning``), with the edit's label; ``affected_reasoning`` holds the two steps
    of an explanation, which are true whatever the label (as in the authors' evaluation code), and
    whether the edit fires on those is a matter of the method. ``unaffected_*`` are to be judged
    as before, whatever that was (``locality``, no answers). The field's name is the query's label.
    A statement that stands among both is left out.
    """
    statement, plausible = text(data, "prompt"), _LABELS.get(name_key(str(data["label"])))
    if plausible is None:
        raise ValueError(f"label: {shown(data['label'])} is none of 0, 1, True, False")
    edit = _edit(case_id, statement, data["subject"] or "", plausible)
    queries = [_judged(edit.cloze, "edit", plausible, fires=True), *_probes(data, plausible)]
    kept = tuple(_consistent(queries, case_id, dropped))
    return Case(case_id, (edit,), kept, relation=str(data.get("verb") or ""))


def _edit(case_id: str, statement: str, subject: str, plausible: bool) -> Edit:
    """The edit that makes a statement true or false; some statements have no subject."""
    verdict = "true" if plausible else "false"
    return Edit(
        id=case_id,
        kind="free_text",
        subject=subject,
        prompt=_to_judge(forms.template_of(statement, (subject,)) or statement),
        target_new=str(plausible),
        target_true=str(not plausible),
        statement=f'The statement "{statement.rstrip(" .")}" is {verdict}.',
        source=case_id.replace("-", ":", 1),
    )


def _probes(data: Fields, plausible: bool) -> Iterator[Query]:
    """The statements of a probe set; none in an edit set."""
    for field, (kind, fires) in _AFFECTED.items():
        verdict = plausible or field == "affected_reasoning"
        for sentence in texts(data, field):
            prompt = _to_judge(re.sub(r"^Step \d+: ", "", sentence))
            yield _judged(prompt, kind, verdict, fires=fires, label=field)
    for field in _UNAFFECTED:
        for sentence in texts(data, field):
            yield Query(_to_judge(sentence), "locality", fires=False, label=field)


def _consistent(queries: list[Query], case_id: str, dropped: Dropped) -> Iterator[Query]:
    """Each statement once, spelling aside; none that is both to change and to stay."""
    same: dict[str, list[Query]] = {}
    for query in queries:
        same.setdefault(name_key(query.prompt), []).append(query)
    for first, *more in same.values():
        stays = {query.kind == "locality" for query in (first, *more)}
        keep = first.kind == "edit" or len(stays) == 1
        if keep:
            yield first
        for _ in more if keep else (first, *more):
            dropped.add(REPEATED_QUERY if keep else BOTH, case_id)


def _to_judge(statement: str) -> str:
    return forms.fill(JUDGED, statement.rstrip(" .") + ".")


def _judged(
    prompt: str, kind: Kind, verdict: bool, *, fires: bool | None, label: str = ""
) -> Query:
    right, wrong = str(verdict), str(not verdict)
    return Query(
        prompt,
        kind,
        answers=(right,),
        old=(wrong,),
        fires=fires,
        new=right,
        true=wrong,
        label=label,
    )


_SOURCE = "Gupta et al. 2023, arXiv 2305.14956; github.com/anshitag/memit_csk"


def _reader(name: str, *files: str) -> Reader:
    return Reader(name, files, each_record("memit_csk", memit_csk_case), _SOURCE)


READERS: tuple[Reader, ...] = (
    _reader("memit_csk_20q", "20q*edit_set*.json*"),
    _reader("memit_csk_20q_probe", "20q*probe_set*.json*"),
    _reader("memit_csk_pep3k", "pep3k*edit_set*.json*"),
    _reader("memit_csk_pep3k_probe", "pep3k*probe_set*.json*"),
)
