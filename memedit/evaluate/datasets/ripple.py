"""RippleEdits: what follows from an edit (Cohen et al. 2023, arXiv 2307.12976).

Each record has one edit and lists of tests, one list for each criterion. A test has queries, joined
by OR or AND, and conditions: what the unedited model must know for the test to count. Every test
is a group of its own here (``"Compositionality_I-2"``), labelled with its criterion:

========================== ================ =====================================================
``Logical_Generalization`` reverse          what a symmetric or inverse relation implies
``Subject_Aliasing``       alias            the fact asked by another name of the subject
``Compositionality_I``     one_hop          two hops, the first of which is edited
``Compositionality_II``    two_hop_subject  two hops that arrive at the edit's subject
``Relation_Specificity``   locality         other relations of the subject
``Forgetfulness``          forgetting       other targets of the relation ("preservation")
========================== ================ =====================================================

A query about the edit's own subject that rules the new target out ("..., which is not Syria, is")
asks for another target of the relation, so it is a ``Forgetfulness`` test wherever it is filed:
some published files have such tests under ``Compositionality_II``.

Two differences from the authors' runner, both noted because they make tests easier or harder: where
a query has several answers, theirs wants every one of them in the text, here one is enough; and a
condition without answers, which theirs takes as met, is left out.

The edit's subject is not given by name. The wording of each relation is fixed, and the edit's
sentence differs from the original fact's in nothing but the target, so the name is what stands
between the wording's two parts in what both sentences share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from memedit.edit import Edit
from memedit.evaluate.cases import Case, Condition, Dropped, Kind, Query, Test
from memedit.evaluate.datasets import checks
from memedit.evaluate.datasets.checks import NO_ANSWER, RECORD, Fields
from memedit.evaluate.datasets.reader import Reader

NO_WORDING = f"{RECORD}the subject cannot be told from the edit's sentence"
NO_CONDITION = "condition: it has no answer"
_FORGETTING = "Forgetfulness"
_KINDS: dict[str, Kind] = {
    "Logical_Generalization": "reverse",
    "Subject_Aliasing": "alias",
    "Compositionality_I": "one_hop",
    "Compositionality_II": "two_hop_subject",
    "Relation_Specificity": "locality",
    _FORGETTING: "forgetting",
}
_FIRES = {"Subject_Aliasing": True, "Relation_Specificity": False}

# The data set's wordings: "The name of the R of {} is" for these relations ...
_NAMED = """aunt author architect brother child composer director editor employer father founder
mother screenwriter sister spouse stepfather stepmother uncle alma_mater anthem field_of_work
head_of_government head_of_state country_of_citizenship""".split()
# ... "The R of {} is" for these ...
_PLAIN = """occupation eye_color official_language place_of_birth place_of_burial place_of_death
date_of_birth date_of_death sexual_orientation""".split()
# ... and one of their own for the rest.
_OWN = {
    "AWARD_RECEIVED": "The name of the award {} won is",
    "CAPITAL": "The name of the capital city of {} is",
    "CAPITAL_OF": "The name of the country which {} is the capital of is",
    "CAST_MEMBER": "The names of the cast members of {} are",
    "CONTINENT": "The name of the continent which {} is part of is",
    "COUNTRY": "The name of the country which {} is associated with is",
    "CURRENCY": "The name of the currency in {} is",
    "ETHNIC_GROUP": "The name of the ethnic group which {} is associated with is",
    "FOLLOWED_BY": "{} is followed by",
    "FOLLOWS": "{} follows",
    "LEAGUE": "The name of the league which {} plays in is",
    "MEMBER_OF_SPORTS_TEAM": "The name of the sports team which {} is a member of is",
    "NATIVE_LANGUAGE": "The mother tongue of {} is",
    "NUMBER_OF_CHILDREN": "The number of children {} has is",
    "POSITION_HELD": "The name of the position held by {} is",
    "RELIGION": "The name of the religion which {} is associated with is",
    "SEX_OR_GENDER": "The gender of {} is",
    "SIBLING": "The names of the siblings of {} are",
}
_WORDINGS = {
    **{name.upper(): f"The name of the {name.replace('_', ' ')} of {{}} is" for name in _NAMED},
    **{name.upper(): f"The {name.replace('_', ' ')} of {{}} is" for name in _PLAIN},
    **_OWN,
}


def _case(data: Fields, case_id: str, dropped: Dropped) -> Case:
    stated = checks.fields(data, "edit")
    relation = checks.text(stated, "relation")
    fact = _fact(stated, relation)
    checks.refuse_what_is_true(fact.target, checks.answers(fact.original))
    edit = Edit(
        id=case_id,
        subject=fact.subject,
        prompt=fact.prompt,
        target_new=fact.target,
        target_true=fact.original,
        relation=relation,
        source=case_id.replace("-", ":", 1),
    )
    queries = (_asked(edit, data, stated), *_tests(data, stated, edit, case_id, dropped))
    return Case(case_id, (edit,), queries, relation=relation)


@dataclass(frozen=True)
class _Fact:
    subject: str
    prompt: str
    target: str
    original: str | None


def _fact(stated: Fields, relation: str) -> _Fact:
    """Subject, prompt and targets of the edit's sentence.

    Raises:
        LeftOut: The sentence does not have the relation's wording.
    """
    sentence = checks.text(stated, "prompt").removesuffix(".")
    before = stated.get("original_fact") or stated.get("previous_fact")
    original = checks.text(before, "prompt").removesuffix(".") if before else None
    head, _, tail = _WORDINGS.get(relation, "").partition("{}")
    # The last place in what both sentences share, since a subject may hold the tail's words; the
    # first place where there is only one sentence, since a target may hold them as well.
    shared = _common_beginning(sentence, original) if original else sentence
    find = shared.rfind if original else shared.find
    end = find(f"{tail} ", len(head)) if tail and shared.startswith(head) else -1
    start = end + len(tail)
    subject, target = sentence[len(head) : end].strip(), sentence[start:].strip()
    if end < 0 or not subject or not target:
        raise checks.LeftOut(NO_WORDING)
    old = original[start:].strip() if original else None
    return _Fact(subject, f"{head}{{}}{tail}", target, old or None)


def _common_beginning(one: str, other: str) -> str:
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(character for character, _ in same)


def _asked(edit: Edit, data: Fields, stated: Fields) -> Query:
    """The edit's own prompt; the target's aliases are those that the tests give it."""
    new, true = edit.target_new, edit.target_true
    wanted = [stated.get("target_id")]
    named = (
        _answers(query)
        for criterion in _KINDS
        for test in checks.objects(data, criterion)
        for query in checks.objects(test, "test_queries")
        if query.get("target_ids") == wanted and query.get("query_type") == "regular"
    )
    answers = checks.answers(new, *named)
    return Query(
        edit.cloze, "edit", answers, checks.answers(true), fires=True, new=new, true=true
    )  # fmt: skip


def _tests(
    data: Fields, stated: Fields, edit: Edit, case_id: str, dropped: Dropped
) -> Iterator[Query]:
    for criterion in _KINDS:
        for number, test in enumerate(checks.objects(data, criterion)):
            queries = checks.objects(test, "test_queries")
            joined = _joined(test)
            usable = [query for query in queries if _answers(query)]
            if joined == "AND" and len(usable) < len(queries):
                usable = []  # no part of it can be right without the others
            for _ in range(len(queries) - len(usable)):
                dropped.add(NO_ANSWER, case_id)
            conditions = tuple(_conditions(test, case_id, dropped)) if usable else ()
            for query in usable:
                label = _criterion(criterion, query, stated, edit)
                yield Query(
                    checks.text(query, "prompt"),
                    _KINDS[label],
                    _answers(query),
                    _old(label, query, edit),
                    fires=_FIRES.get(label),
                    group=f"{criterion}-{number}",
                    test=joined,
                    conditions=conditions,
                    label=label,
                )


def _old(label: str, query: Fields, edit: Edit) -> tuple[str, ...]:
    if label in ("Relation_Specificity", _FORGETTING):
        return _answers(query)
    return checks.answers(edit.target_true) if label == "Subject_Aliasing" else ()


def _criterion(filed: str, query: Fields, stated: Fields, edit: Edit) -> str:
    """What the query tests: where it is filed, or ``Forgetfulness`` where it says so itself."""
    own = query.get("subject_id") == stated.get("subject_id")
    rules_out = f"which is not {edit.target_new}" in checks.text(query, "prompt")
    return _FORGETTING if own and rules_out else filed


def _joined(test: Fields) -> Test:
    joined = test.get("test_condition", "OR")
    if joined not in ("OR", "AND"):
        raise ValueError(f"test_condition: {checks.shown(joined)} is neither OR nor AND")
    return "AND" if joined == "AND" else "OR"


def _conditions(test: Fields, case_id: str, dropped: Dropped) -> Iterator[Condition]:
    for query in checks.objects(test, "condition_queries"):
        if answers := _answers(query):
            yield Condition(checks.text(query, "prompt"), answers)
        else:
            dropped.add(NO_CONDITION, case_id)


def _answers(query: Fields) -> tuple[str, ...]:
    """Every answer's value and aliases."""
    given = checks.objects(query, "answers")
    return checks.answers(*([answer.get("value"), answer.get("aliases")] for answer in given))


READERS = (
    Reader(
        "rippleedits",
        ("popular.json*", "popular_*.json*", "*-popular.json*"),
        checks.each_record("rippleedits", _case),
        "Cohen et al. 2023, arXiv 2307.12976; github.com/edenbiran/RippleEdits",
    ),
    *(
        Reader(
            f"rippleedits_{part}",
            (f"{part}.json*", f"{part}_*.json*", f"*-{part}.json*"),
            checks.each_record(f"rippleedits_{part}", _case),
            "Cohen et al. 2023, arXiv 2307.12976; github.com/edenbiran/RippleEdits",
        )
        for part in ("random", "recent")
    ),
)
