"""Commonsense edits in free text: CKEBench and ATOMIC 2020; ``READERS`` has MEMIT-CSK's too.

Their subjects are events and everyday things rather than names, so every edit is free text, found
by meaning. No target stands in a prompt that asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from memedit import forms
from memedit.edit import Edit
from memedit.evaluate.cases import FREE_TEXT, Case, Dropped, Kind, Query
from memedit.evaluate.datasets import plausibility
from memedit.evaluate.datasets.checks import (
    QUERY,
    RECORD,
    Fields,
    LeftOut,
    each_record,
    fields,
    label,
    shown,
    text,
    texts,
)
from memedit.evaluate.datasets.reader import Reader
from memedit.text import name_key

NO_PROMPT = f"{RECORD}nothing but the event is left of its prompt without the target"
IN_PROMPT = f"{RECORD}its target stands in its prompt"
NO_TAIL = f"{RECORD}every tail is none"
QUERY_IN_PROMPT = f"{QUERY}the target stands in its prompt"
ITSELF = f"{QUERY}a neighbour that is the edit itself"


# -- CKEBench --------------------------------------------------------------------------------------


def ckebench_case(data: Fields, case_id: str, dropped: Dropped) -> Case:
    """CKEBench (Huang et al. 2024, arXiv 2410.23844): what follows from an event, as free text.

    As released, every prompt ends in its own target, so that nothing is left to be answered. The
    target is cut off here, in the edit's prompt and in every query that asks for it, and what
    remains is the beginning to be completed. Where that ends in "to" and the target begins with
    it ("others want to to accept gift"), the doubled word stays in the prompt alone. Blanks
    before commas and doubled blanks are taken out. The paper publishes no code, so which field
    tests what is this reader's reading:

    ========================== ============ ======================================================
    field                      kind         meaning, and the paper's metric it is taken for
    ========================== ============ ======================================================
    requested_rewrite          edit         the event's consequence (efficacy)
    paraphrase_prompts         rephrase     the event in other words; most are given several times
                                            (generality)
    sub-neighborhood_prompts   reasoning    a name in place of PersonX, at times in the
                                            consequence alone (commonsense)
    neighborhood_prompts       locality     whether the target follows from another event: yes or
                                            no, with no gold answer, so only "as before" is judged
                                            (specificity)
    generation_prompts         generation   whether event and target go together in another way
                                            (the edit does not say), again without gold: no edit
                                            is expected to fire or not, and only the text's
                                            fluency can be judged (none of the paper's)
    ========================== ============ ======================================================

    The paper's Score is then the harmonic mean of the four
    (:mod:`memedit.evaluate.metrics.commonsense`). A yes-or-no query has both words as
    continuations, so that it can be told which one the model leans to.
    ``sub-neighborhood_prompts_rewrite`` repeats the test with five more names and is not read, nor
    are the fields that are empty in every record (``target_true`` among them).
    """
    rewrite = fields(data, "requested_rewrite")
    event, whole = _tidy(text(rewrite, "subject")), text(rewrite, "prompt")
    target = label(rewrite, "target_new")
    prompt, words = _cut(whole, target)
    relation = prompt.replace(forms.SLOT, "").strip(" ,.:")
    if not relation:
        raise LeftOut(NO_PROMPT)
    edit = _free_text(case_id, subject=event, prompt=prompt, target_new=words)
    if _stands_in(words, edit.cloze):
        raise LeftOut(IN_PROMPT)
    queries = (
        Query(edit.cloze, "edit", answers=(words,), fires=True, new=words, meta=FREE_TEXT),
        *_completed(data, case_id, target, dropped),
        *_yes_no(data, case_id, _tidy(forms.fill(whole, event)), dropped),
    )
    return Case(case_id, (edit,), queries, relation=relation)


def _completed(data: Fields, case_id: str, target: str, dropped: Dropped) -> Iterator[Query]:
    """The prompts that end in the target, without it."""
    kinds: dict[str, Kind] = {
        "paraphrase_prompts": "rephrase",
        "sub-neighborhood_prompts": "reasoning",
    }
    for field, kind in kinds.items():
        for prompt, words in (_cut(sentence, target) for sentence in texts(data, field)):
            if _stands_in(words, prompt):
                dropped.add(QUERY_IN_PROMPT, case_id)
            else:
                yield Query(prompt, kind, answers=(words,), fires=True, new=words, meta=FREE_TEXT)


def _yes_no(data: Fields, case_id: str, edited: str, dropped: Dropped) -> Iterator[Query]:
    """The prompts that ask whether a sentence is logical; ``edited`` is the edit's sentence."""
    for sentence in map(_tidy, texts(data, "neighborhood_prompts")):
        if sentence.startswith(edited):
            dropped.add(ITSELF, case_id)
        else:
            yield Query(sentence, "locality", fires=False, new="Yes", true="No")
    for sentence in map(_tidy, texts(data, "generation_prompts")):
        yield Query(sentence, "generation")


def _tidy(sentence: str) -> str:
    """A sentence with single blanks, and none before a comma."""
    return " ".join(sentence.split()).replace(" ,", ",")


def _cut(sentence: str, target: str) -> tuple[str, str]:
    """A sentence without the target it ends in, and the target as it stood there.

    Any name may stand there in place of the target's PersonX. A "to" that ends the one and begins
    the other is kept in the first.
    """
    sentence, target = _tidy(sentence), _tidy(target)
    words = r"\w+".join(re.escape(part) for part in re.split("personx", target, flags=re.I))
    found = re.search(rf"(?<!\w){words}$", sentence)
    if found:
        sentence, target = sentence[: found.start()].rstrip(), found.group()
    return sentence, _without_to(sentence, target)


# -- ATOMIC 2020 -----------------------------------------------------------------------------------

# The relations of Hwang et al. 2021, table 1, each worded so that a tail completes it.
_RELATIONS: Mapping[str, str] = MappingProxyType(
    {
        "AtLocation": "A likely place for {} is",
        "CapableOf": "Something {} can do is to",
        "Causes": "One thing {} brings about is",
        "Desires": "What {} wants is to",
        "HasProperty": "{} can be described as",
        "HasSubEvent": "A thing that happens in the course of {} is",
        "HinderedBy": "{}. It may not come to that, because",
        "MadeUpOf": "{} is made up of",
        "NotDesires": "What {} does not want is to",
        "ObjectUse": "{} can be used to",
        "isAfter": "{}. What happened before is that",
        "isBefore": "{}. What happens next is that",
        "isFilledBy": 'The blank in "{}" can stand for',
        "oEffect": "{}. The effect on the others is that each of them",
        "oReact": "{}. How it makes the others feel:",
        "oWant": "{}. Afterwards the others want to",
        "xAttr": "{}. This shows that PersonX is",
        "xEffect": "{}. The effect on PersonX is that PersonX",
        "xIntent": "{}. PersonX did it in order to",
        "xNeed": "{}. Before that, PersonX had to",
        "xReact": "{}. How it makes PersonX feel:",
        "xReason": "The reason for {} is that",
        "xWant": "{}. Afterwards PersonX wants to",
    }
)


def atomic_case(line: str, case_id: str, dropped: Dropped) -> Case:
    """ATOMIC 2020's test queries (Hwang et al. 2021, arXiv 2010.05953): head, relation, tails.

    A line is ``head @@ relation<TAB>tail| tail| ...``. The edit's prompt is the head in this
    reader's wording of the relation. Every tail is a right answer, but for "none" (the annotators'
    word for no such consequence) and those that stand in the prompt; the first answer is the
    edit's target. A "to" that begins a tail is taken off where the prompt ends in it.
    """
    head, relation, tails = _atomic_line(line)
    template = _RELATIONS[relation]
    prompt = forms.fill(template, head)
    told = [_without_to(prompt, tail) for tail in tails]
    answers = tuple(dict.fromkeys(words for words in told if not _stands_in(words, prompt)))
    if not answers:
        raise LeftOut(IN_PROMPT if told else NO_TAIL)
    target = answers[0]
    edit = _free_text(case_id, subject=head, prompt=template, relation=relation, target_new=target)
    query = Query(edit.cloze, "edit", answers=answers, fires=True, new=target, meta=FREE_TEXT)
    return Case(case_id, (edit,), (query,), relation=relation)


def _atomic_line(line: str) -> tuple[str, str, list[str]]:
    """Head, relation, and the tails that are not "none"."""
    asked, tab, told = line.partition("\t")
    head, sign, relation = (part.strip() for part in asked.rpartition(" @@ "))
    if not (tab and sign and head.strip(".")):
        raise ValueError(f"line: {shown(line)} is not head @@ relation, a tab and tails")
    if relation not in _RELATIONS:
        raise ValueError(f"relation: {shown(relation)} is not one of ATOMIC 2020")
    tails = [tail.strip(" .") for tail in told.split("|")]
    return head.rstrip(" ."), relation, [t for t in tails if t and t.lower() != "none"]


# -- shared ----------------------------------------------------------------------------------------


def _free_text(case_id: str, **words: Any) -> Edit:
    return Edit(id=case_id, kind="free_text", source=case_id.replace("-", ":", 1), **words)


def _without_to(prompt: str, target: str) -> str:
    """The target without a "to" that the prompt ends in already, and without a full stop."""
    doubled = prompt.endswith(" to") and target[:3].lower() == "to "
    return (target[3:] if doubled else target).strip(" .")


def _stands_in(words: str, prompt: str) -> bool:
    """Whether ``words`` are part of ``prompt``, case and punctuation aside."""
    return f" {name_key(words)} " in f" {name_key(prompt)} "


_CKEBENCH = "Huang et al. 2024, arXiv 2410.23844; github.com/Huangxiusheng/DEM"
_ATOMIC = "Hwang et al. 2021, arXiv 2010.05953; github.com/allenai/comet-atomic-2020"

READERS: tuple[Reader, ...] = (
    Reader(
        "ckebench",
        ("*CKEBench*.json*", "*ckebench*.json*"),
        each_record("ckebench", ckebench_case),
        _CKEBENCH,
    ),
    Reader(
        "atomic2020",
        ("*atomic2020*.tsv*", "test.tsv*"),
        each_record("atomic2020", atomic_case, of=str),
        _ATOMIC,
    ),
    *plausibility.READERS,
)
