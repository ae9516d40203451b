from __future__ import annotations

from memedit.evaluate.datasets import checks

RULER = {
    "prompt": "The ruler of {} is",
    "relation_id": "P35",
    "target_new": {"str": "Dahut", "id": "Q1"},
    "target_true": {"str": "Gradlon", "id": "Q2"},
    "subject": "Ys",
    "question": "Who rules Ys?",
}
BORN = {
    "prompt": "{} was born in",
    "relation_id": "P19",
    "target_new": {"str": "Oslo", "id": "Q3"},
    "target_true": {"str": "Brest", "id": "Q4"},
    "subject": "Dahut",
    "question": "Where was Dahut born?",
}


def hop(question, cloze, answer, *aliases):
    return {"question": question, "cloze": cloze, "answer": answer, "answer_alias": list(aliases)}


def record(**changes):
    return {
        "case_id": 5,
        "requested_rewrite": [BORN, RULER],
        "questions": ["Which country is it?", "What land is it?", "Where does it lie?"],
        "answer": "France",
        "answer_alias": ["FR"],
        "new_answer": "Norway",
        "new_answer_alias": ["NO", "Norge"],
        "single_hops": [],
        "new_single_hops": [
            hop("Who rules Ys?", "The ruler of Ys is", "Dahut", "Ahes"),
            hop("Where was Dahut born?", "Dahut was born in", "Oslo"),
            hop("In which country is Oslo?", "Oslo lies in", "Norway", "Norge"),
        ],
        "orig": {},
    } | changes


def test_a_chain_with_two_edits(read):
    result = read("mquake", record())
    (case,) = result.cases
    assert case.id == "mquake-5" and case.relation == ""
    born, ruler = case.edits
    assert (born.subject, born.target_new, born.question) == (
        "Dahut", "Oslo", "Where was Dahut born?",
    )  # fmt: skip
    assert ruler.relation == "P35" and ruler.target_true == "Gradlon"
    questions = result.queries("multi_hop")
    assert [q.prompt for q in questions] == record()["questions"]
    for query in questions:
        assert query.answers == ("Norway", "NO", "Norge") and query.old == ("France", "FR")
        assert (query.group, query.test, query.fires) == ("question", "OR", None)
        assert query.meta == {"hops": 3}
    assert [(q.answers, q.old, q.fires, q.edit, dict(q.meta)) for q in result.queries("hop")] == [
        (("Dahut", "Ahes"), ("Gradlon",), True, 1,
         {"hop": 0, "cloze": "The ruler of Ys is", "edited": True}),
        (("Oslo",), ("Brest",), True, 0, {"hop": 1, "cloze": "Dahut was born in", "edited": True}),
        (("Norway", "Norge"), (), False, 0, {"hop": 2, "cloze": "Oslo lies in", "edited": False}),
    ]  # fmt: skip
    assert [(q.prompt, q.answers, q.edit, q.new, q.true) for q in result.queries("edit")] == [
        ("Dahut was born in", ("Oslo",), 0, "Oslo", "Brest"),
        ("The ruler of Ys is", ("Dahut", "Ahes"), 1, "Dahut", "Gradlon"),
    ]


def test_chains_and_original_facts_where_the_record_has_triples(read):
    single = [hop("?", "The ruler of Ys is", "Gradlon"), hop("?", "Gradlon was born in", "Brest")]
    orig = {
        "triples": [["Q1", "P35", "Q2"], ["Q2", "P19", "Q3"]],
        "triples_labeled": [["Ys", "ruler", "Gradlon"], ["Gradlon", "birthplace", "Brest"]],
        "new_triples": [["Q1", "P35", "Q5"], ["Q5", "P19", "Q6"], ["Q6", "P17", "Q7"]],
        "new_triples_labeled": [
            ["Ys", "ruler", "Dahut"], ["Dahut", "birthplace", "Oslo"], ["Oslo", "country", "Norway"]
        ],
    }  # fmt: skip
    result = read("mquake", record(single_hops=single, orig=orig))
    [case] = result.cases
    told = [(f.subject, f.prompt, f.target_new, f.relation, f.tags) for f in case.facts]
    assert told == [
        ("Ys", "The ruler of {} is", "Gradlon", "P35", ("fact",)),
        ("Gradlon", "{} was born in", "Brest", "P19", ("fact",)),
        ("Oslo", "{} lies in", "Norway", "P17", ("fact",)),
    ]
    assert result.queries("multi_hop")[0].meta == {"hops": 3, "chain": ("P35", "P19", "P17")}
    assert [q.meta["subject"] for q in result.queries("hop")] == ["Ys", "Dahut", "Oslo"]


def test_an_edit_has_one_id_in_every_case(read):
    other = record(case_id=6, requested_rewrite=[RULER], questions=["Who?"])
    first, second = read("mquake_hard", record(), other).cases
    assert first.edits[1] == second.edits[0] and first.edits[0].id != first.edits[1].id
    assert first.id == "mquake_hard-5" and second.relation == "P35"


def test_left_out_and_broken(read):
    other_target = {**RULER, "target_new": {"str": "Mark", "id": ""}}
    unchanged = {**RULER, "target_new": {"str": "gradlon", "id": ""}}
    result = read(
        "mquake",
        record(),
        record(case_id=6),
        record(case_id=7, requested_rewrite=[other_target]),
        record(case_id=8, requested_rewrite=[BORN, unchanged]),
        record(case_id=9, requested_rewrite=[]),
        record(case_id=10, questions=[]),
        record(case_id=11, new_single_hops=None),
        record(case_id=12, new_answer=""),
        record(case_id=13, requested_rewrite=[{**RULER, "subject": None}]),
    )
    assert len(result.cases) == 1
    assert result.dropped == {checks.REPEATED: 1, checks.CONFLICT: 1, checks.ALREADY_TRUE: 1}
    assert [m.reason for m in result.malformed] == [
        "requested_rewrite: it holds no edit",
        "questions: it holds no question",
        "new_single_hops: it holds no hop",
        "new_answer: '' is empty",
        "subject: None is not a text",
    ]
