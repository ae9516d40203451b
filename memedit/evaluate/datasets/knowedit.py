"""KnowEdit: six sets of edits under one roof (Zhang et al. 2024, arXiv 2401.01286).

``knowedit`` reads the factual three: wiki_counterfact, wiki_recent and its own ZsRE. Their lists of
tests become queries labelled with the list's key:

========================== ========== ========================================================
``Subject_Aliasing``       alias      the fact asked by another name of the subject
``Reasoning``              one_hop    one fact further on
``Logical_Generalization`` reverse    what an inverse or symmetric relation implies
``Relation_Specificity``   locality   another relation of the subject
``Forgetfulness``          forgetting another target of the relation, the new one ruled out
========================== ========== ========================================================

Answers are lists of answers, each with its aliases; any of them is right. The aliases of the new
target are those that ``Subject_Aliasing`` gives. A question without an answer is left out, but for
``Relation_Specificity``, which can be compared with the unedited model's answer. The new target is
no answer to a ``Forgetfulness`` question that rules it out; where it is the only one given, the
question is left out.

``knowedit_wikibio``: the beginning of a biography and the sentence that ought to come next instead
of what a model made up. The edit is free text, since a sentence in its context is no (subject,
relation, object): the beginning is its prompt, the sentence its target.

``knowedit_convsent``: an entity with replies that speak well (``pos``) and badly (``neg``) of it.
The edit makes the model speak well of it. The file has no prompts, so the questions are ours; the
answers are texts to be judged as texts (kind ``generation``), ``pos`` as ``answers``, ``neg`` as
``old``. The replies were written by a model and are noisy.

``knowedit_sanitation``: questions whose answer is to be forgotten (the target is "I don't know.")
and others that must not change. The file is one object with two lists. Each question to forget is a
case; the others are dealt out to the cases in turn, so that each is asked once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from memedit.edit import Edit
from memedit.evaluate.cases import Case, Dropped, Kind, Malformed, Query
from memedit.evaluate.datasets import checks
from memedit.evaluate.datasets.checks import QUERY, Fields
from memedit.evaluate.datasets.reader import Reader, Record
from memedit.text import name_key

RULED_OUT = f"{QUERY}its prompt rules its answer out"
_TESTS: dict[str, dict[str, Kind]] = {
    "portability": {
        "Subject_Aliasing": "alias",
        "Reasoning": "one_hop",
        "Logical_Generalization": "reverse",
    },
    "locality": {"Relation_Specificity": "locality", "Forgetfulness": "forgetting"},
}
_FIRES = {"alias": True, "locality": False}
_OPINIONS = (
    "What do you think of {}?",
    "How do you feel about {}?",
    "Do you have an opinion on {}?",
)


# -- the factual sets ----------------------------------------------------------------------------


def _fact(data: Fields, case_id: str, dropped: Dropped) -> Case:
    old = checks.answers(data.get("ground_truth"))
    prompt, subject = checks.text(data, "prompt"), checks.text(data, "subject")
    target = checks.text(data, "target_new")
    source = case_id.replace("-", ":", 1)
    edit = checks.request_edit(prompt, subject, target, old, id=case_id, source=source)
    tests = _tests(data, edit, old, case_id, dropped)
    return Case(case_id, (edit,), (*_asked(data, edit, old), *tests))


def _asked(data: Fields, edit: Edit, old: tuple[str, ...]) -> Iterator[Query]:
    """The edit's prompt and its rephrasings."""
    new, true, answers = edit.target_new, edit.target_true, _target_names(data, edit)
    yield Query(checks.text(data, "prompt"), "edit", answers, old, fires=True, new=new, true=true)
    for key in ("rephrase_prompt", "rephrase"):
        for prompt in checks.texts(data, key):
            yield Query(prompt, "rephrase", answers, old, fires=True, new=new, true=true)


def _target_names(data: Fields, edit: Edit) -> tuple[str, ...]:
    """The new target with its aliases: the answers by other names of the subject include them."""
    listed = checks.objects(_lists(data, "portability"), "Subject_Aliasing")
    groups = (group for test in listed for group in _groups(test.get("ground_truth")))
    return checks.answers(edit.target_new, *(g for g in groups if _names(g, edit.target_new)))


def _tests(
    data: Fields, edit: Edit, old: tuple[str, ...], case_id: str, dropped: Dropped
) -> Iterator[Query]:
    for field, kinds in _TESTS.items():
        for label in (lists := _lists(data, field)):
            if label not in kinds:
                raise ValueError(f"{field}: {label!r} is not one of {', '.join(kinds)}")
            for test in checks.objects(lists, label):
                query = _test(test, kinds[label], label, edit, old)
                reason = _unusable(query, test)
                if reason:
                    dropped.add(reason, case_id)
                else:
                    yield query


def _test(test: Fields, kind: Kind, label: str, edit: Edit, old: tuple[str, ...]) -> Query:
    prompt, groups = checks.text(test, "prompt"), _groups(test.get("ground_truth"))
    if kind == "forgetting" and f"not {edit.target_new}" in prompt:
        groups = [group for group in groups if not _names(group, edit.target_new)]
    answers = checks.answers(*groups)
    before = {"alias": old, "locality": answers, "forgetting": answers}.get(kind, ())
    return Query(prompt, kind, answers, before, fires=_FIRES.get(kind), label=label)


def _unusable(query: Query, test: Fields) -> str:
    """Why a query is left out; empty where it is not."""
    if query.answers or query.kind == "locality":
        return ""
    return RULED_OUT if checks.answers(test.get("ground_truth")) else checks.NO_ANSWER


def _names(group: tuple[str, ...], target: str) -> bool:
    return name_key(target) in map(name_key, group)


def _groups(ground_truth: object) -> list[tuple[str, ...]]:
    """The answers, each with its aliases: ``[["Syria", "sy"]]``, ``["Syria"]`` or ``"Syria"``."""
    listed = ground_truth if isinstance(ground_truth, list) else [ground_truth]
    return [checks.answers(group) for group in listed]


def _lists(data: Fields, key: str) -> Fields:
    return {} if data.get(key) is None else checks.fields(data, key)


# -- the three others ----------------------------------------------------------------------------


def _biography(data: Fields, case_id: str, dropped: Dropped) -> Case:
    beginning, sentence = checks.text(data, "text"), checks.text(data, "labels")
    edit = Edit(
        id=case_id,
        kind="free_text",
        subject=checks.text(data, "concept"),
        prompt=beginning,
        target_new=sentence,
        source=case_id.replace("-", ":", 1),
    )
    asked = Query(beginning, "edit", (sentence,), fires=True, new=sentence)
    return Case(case_id, (edit,), (asked, *_tests(data, edit, (), case_id, dropped)))


def _opinion(data: Fields, case_id: str, dropped: Dropped) -> Case:
    entity = checks.text(data, "ent")
    questions = [question.format(entity) for question in _OPINIONS]
    edit = Edit(
        id=case_id,
        kind="free_text",
        subject=entity,
        prompt=questions[0],
        target_new=f"I think highly of {entity}.",
        source=case_id.replace("-", ":", 1),
    )
    good, bad = checks.answers(data["pos"]), checks.answers(data["neg"])
    if not good:
        raise ValueError("pos: it holds no reply")
    queries = tuple(Query(q, "generation", good, bad, fires=True) for q in questions)
    return Case(case_id, (edit,), queries)


def _forgotten(data: Fields, case_id: str, dropped: Dropped) -> Case:
    question, target = checks.text(data, "question"), checks.text(data, "target_new")
    old = checks.answers(data["ground_truth"])
    checks.refuse_what_is_true(target, old)
    edit = Edit(
        id=case_id,
        kind="free_text",
        prompt=question,
        target_new=target,
        target_true=old[0] if old else None,
        source=case_id.replace("-", ":", 1),
    )
    true = edit.target_true
    asked = Query(question, "edit", (target,), old, fires=True, new=target, true=true)
    return Case(case_id, (edit,), (asked, *map(_kept, checks.objects(data, "locality"))))


def _kept(item: Fields) -> Query:
    answers = checks.answers(item["ground_truth"])
    return Query(checks.text(item, "question"), "locality", answers, answers, fires=False)


def _dealt(records: Iterable[Record], dropped: Dropped) -> Iterator[Case | Malformed]:
    """Sanitation's one object as a record for each question to forget."""
    for record in records:
        reason = record.broken or _wrong_lists(record.data)
        if reason:
            yield Malformed(f"knowedit_sanitation-{record.place}", reason)
        else:
            yield from _READ_SANITATION(_items(record.data), dropped)


def _wrong_lists(data: object) -> str:
    """What is wrong with Sanitation's object; empty where nothing is."""
    if not isinstance(data, Mapping) or not data.get("success"):
        return "success: the list of questions to forget is missing"
    for key in ("success", "locality"):
        if not isinstance(data.get(key, []), list):
            return f"{key}: {checks.shown(data[key])} is not a list"
    return ""


def _items(data: Fields) -> Iterator[Record]:
    success, locality = data["success"], data.get("locality", [])
    for place, item in enumerate(success, 1):
        share = locality[place - 1 :: len(success)]
        dealt = {**item, "locality": share} if isinstance(item, Mapping) else item
        yield Record(place, dealt)


_READ_SANITATION = checks.each_record("knowedit_sanitation", _forgotten)
_SOURCE = "Zhang et al. 2024, arXiv 2401.01286; github.com/zjunlp/EasyEdit"
_HUB = "zjunlp/KnowEdit:benchmark/"


def _factual(name: str, hub: str, *files: str, told_by_old: bool = False) -> Reader:
    read = checks.each_record(name, _fact, told_by_old=told_by_old)
    return Reader(name, files, read, _SOURCE, _HUB + hub)


READERS = (
    _factual(
        "knowedit",
        "wiki_counterfact/test_cf.json",
        "test_cf.json*",
        "wiki_counterfact_test*.json*",
    ),
    _factual(
        "knowedit_recent",
        "wiki_recent/recent_test.json",
        "recent_test.json*",
        "wiki_recent_test*.json*",
        "recent_train.json*",
        "wiki_recent_train*.json*",
    ),
    _factual("knowedit_zsre", "ZsRE/ZsRE-test-all.json", "ZsRE-test-all*.json*", told_by_old=True),
    Reader(
        "knowedit_wikibio",
        ("wikibio-test-all.json*", "WikiBio_test*.json*"),
        checks.each_record("knowedit_wikibio", _biography),
        _SOURCE,
        f"{_HUB}WikiBio/wikibio-test-all.json",
    ),
    Reader(
        "knowedit_convsent",
        ("blender_test.json*", "convsent_blender_test*.json*"),
        checks.each_record("knowedit_convsent", _opinion),
        _SOURCE,
        f"{_HUB}Convsent/blender_test.json",
    ),
    Reader(
        "knowedit_sanitation",
        ("trivia_qa_test.json*", "sanitation_trivia_test*.json*"),
        _dealt,
        _SOURCE,
        f"{_HUB}trivia/trivia_qa_test.json",
    ),
)
