from __future__ import annotations

from memedit.evaluate.cases import Query
from memedit.evaluate.datasets import checks


def record(**changes):
    return {
        "subject": "Ys",
        "src": "Which king ruled Ys?",
        "pred": "Mark",
        "rephrase": "Who was Ys ruled by?",
        "alt": "Dahut",
        "answers": ["Gradlon", "Gralon"],
        "loc": "nq question: how deep is the north sea",
        "loc_ans": "95 m",
        "cond": "Mark >> Dahut || Which king ruled Ys?",
    } | changes


def test_the_mend_schema(read):
    (case,) = read("zsre", record()).cases
    (edit,) = case.edits
    assert (edit.id, edit.source) == ("zsre-1", "zsre:1")
    assert (edit.question, edit.target_new, edit.target_true) == (
        "Which king ruled Ys?", "Dahut", "Gradlon",
    )  # fmt: skip
    assert edit.paraphrases == ()
    old = ("Gradlon", "Gralon", "Mark")
    scored = {"fires": True, "new": "Dahut", "true": "Gradlon"}
    assert case.queries == (
        Query("Which king ruled Ys?", "edit", ("Dahut",), old, **scored),
        Query("Who was Ys ruled by?", "rephrase", ("Dahut",), old, **scored),
        Query(
            "how deep is the north sea", "locality", ("95 m",), ("95 m",), fires=False, true="95 m"
        ),
    )


def test_the_slim_schema_knows_no_old_answer(read):
    slim = {key: record()[key] for key in ("subject", "src", "rephrase", "alt", "loc", "loc_ans")}
    (case,) = read("zsre_slim", {"case_id": 0, **slim}).cases
    assert case.id == "zsre-0" and case.edits[0].target_true is None
    assert case.queries[0].old == () and case.queries[0].true is None


def test_the_portability_file(read):
    asked = {"New Question": "Who was the father of the king of Ys?", "New Answer": "Gradlon"}
    (query,) = read("zsre_portability", record(portability=asked)).queries("one_hop")
    assert query.prompt == asked["New Question"] and query.answers == ("Gradlon",)


def test_left_out_and_broken(read):
    result = read(
        "zsre",
        record(alt="gralon"),
        record(pred="dahut"),
        record(alt=""),
        record(subject="Atlantis"),
        record(answers=[3]),
    )
    assert result.dropped == {checks.ALREADY_TRUE: 2, checks.NO_SUBJECT: 1}
    assert [m.reason for m in result.malformed] == ["alt: '' is empty", "answer: 3 is not a text"]


def test_one_fact_in_other_words_with_another_answer_is_a_conflict(read):
    def asked(question, new, old="Gradlon"):
        return {"subject": "Ys", "src": question, "rephrase": "Whose is Ys?", "alt": new,
                "answers": [old], "loc": "nq question: who", "loc_ans": "Ada"}  # fmt: skip

    result = read(
        "zsre",
        asked("Who rules Ys?", "Dahut"),
        asked("Who is the ruler of Ys?", "Mark"),  # another answer to the same question
        asked("Ys is ruled by whom?", "Dahut"),  # the same fact: a second wording
        asked("In which sea is Ys?", "North Sea", old="Iroise"),  # another fact
    )
    assert [case.edits[0].target_new for case in result.cases] == ["Dahut", "Dahut", "North Sea"]
    assert sum(result.dropped.values()) == 1
    assert "another target" in next(iter(result.dropped))
