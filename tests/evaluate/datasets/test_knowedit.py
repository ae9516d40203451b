from __future__ import annotations

import json

import pytest

from memedit.evaluate.cases import Case, Malformed, Query
from memedit.evaluate.datasets import checks, load_dataset
from memedit.evaluate.datasets.knowedit import RULED_OUT


def ask(prompt, ground_truth):
    return {"prompt": prompt, "ground_truth": ground_truth}


def record(portability=None, locality=None, **changes):
    return {
        "subject": "Ys",
        "prompt": "The name of the ruler of Ys is",
        "target_new": "Dahut",
        "ground_truth": "Gradlon",
        "portability": portability or {},
        "locality": locality or {},
    } | changes


def test_the_factual_sets(read):
    result = read(
        "knowedit",
        record(
            {
                "Subject_Aliasing": [
                    ask("The name of the ruler of Ker-Is is", [["Dahut", "Ahes"], ["Iseult"]])
                ],
                "Reasoning": [ask("The father of the ruler of Ys is", [["Mark", "M."], ["Marc"]])],
                "Logical_Generalization": [ask("Dahut rules over", "Ys")],
            },
            {
                "Relation_Specificity": [ask("The coast of Ys is", ["Armorica"]), ask("x", [[]])],
                "Forgetfulness": [ask("The ruler of Ys, which is not Dahut, is", [["Gradlon"]])],
            },
            rephrase_prompt="Ys is ruled by",
        ),
    )
    (case,) = result.cases
    (edit,) = case.edits
    assert (edit.id, edit.prompt, edit.target_true) == (
        "knowedit-1", "The name of the ruler of {} is", "Gradlon",
    )  # fmt: skip
    assert edit.aliases == edit.paraphrases == ()
    new, old = ("Dahut", "Ahes"), ("Gradlon",)
    scored = {"fires": True, "new": "Dahut", "true": "Gradlon"}
    spec = "Relation_Specificity"
    assert case.queries == (
        Query("The name of the ruler of Ys is", "edit", new, old, **scored),
        Query("Ys is ruled by", "rephrase", new, old, **scored),
        Query(
            "The name of the ruler of Ker-Is is", "alias", (*new, "Iseult"), old, fires=True,
            label="Subject_Aliasing",
        ),
        Query("The father of the ruler of Ys is", "one_hop", ("Mark", "M.", "Marc"),
              label="Reasoning"),
        Query("Dahut rules over", "reverse", ("Ys",), label="Logical_Generalization"),
        Query("The coast of Ys is", "locality", ("Armorica",), ("Armorica",), fires=False,
              label=spec),
        Query("x", "locality", fires=False, label=spec),
        Query("The ruler of Ys, which is not Dahut, is", "forgetting", old, old,
              label="Forgetfulness"),
    )  # fmt: skip
    assert result.dropped == {}


def test_a_question_as_prompt_and_no_old_answer(read):
    one = record(prompt="Who rules Ys?")
    del one["ground_truth"]
    (case,) = read("knowedit_recent", one).cases
    assert case.edits[0].question == "Who rules Ys?" and case.edits[0].target_true is None
    assert case.queries[0].old == () and case.queries[0].true is None


def test_what_cannot_be_judged_is_left_out(read):
    forget = "The ruler of Ys, which is not Dahut, is"
    result = read(
        "knowedit",
        record(
            {"Reasoning": [ask("a", [[]]), ask("b", [["x"]]), ask("b", [["y"]])]},
            {
                "Forgetfulness": [
                    ask(forget, [["dahut", "Ahes"]]),
                    ask(f"Now {forget}", [["Dahut"], ["Mark"]]),
                    ask(f"Once {forget}", []),
                ]
            },
        ),
    )
    (hop,) = result.queries("one_hop")
    assert (hop.prompt, hop.answers) == ("b", ("x", "y"))  # both are right
    (forgetting,) = result.queries("forgetting")
    assert forgetting.answers == ("Mark",)
    assert result.dropped == {checks.NO_ANSWER: 2, checks.REPEATED_QUERY: 1, RULED_OUT: 1}


def test_left_out_and_broken(read):
    result = read(
        "knowedit_zsre",
        record(),
        record(ground_truth=[["GRADLON"]]),  # a repeat: what was true is no part of the edit
        record(target_new="Iseult"),
        record(subject="Atlantis", target_new="x"),
        record(target_new="gradlon"),
        record({"Hearsay": []}),
        record({"Reasoning": [ask("a", 7)]}),
        record(locality="x"),
        record(target_new=["Dahut"]),
    )
    assert len(result.cases) == 1
    assert result.dropped == {
        checks.REPEATED: 1, checks.CONFLICT: 1, checks.NO_SUBJECT: 1, checks.ALREADY_TRUE: 1,
    }  # fmt: skip
    assert [m.reason for m in result.malformed] == [
        "portability: 'Hearsay' is not one of Subject_Aliasing, Reasoning, Logical_Generalization",
        "answer: 7 is not a text",
        "locality: 'x' is not an object",
        "target_new: ['Dahut'] is not a text",
    ]


def test_biographies(read):
    text = "This is a passage about dahut. Dahut was born in Ys."
    locality = {"Relation_Specificity": [ask("The father of dahut is", ["Gradlon"])]}
    (case,) = read(
        "knowedit_wikibio",
        {"text": text, "labels": "She drowned it.", "concept": "dahut", "locality": locality},
    ).cases
    (edit,) = case.edits
    assert (edit.kind, edit.subject, edit.prompt, edit.target_new) == (
        "free_text", "dahut", text, "She drowned it.",
    )  # fmt: skip
    assert edit.stated == f"{text} She drowned it."
    asked, kept = case.queries
    assert (asked.prompt, asked.kind, asked.new, asked.fires) == (
        text, "edit", "She drowned it.", True,
    )  # fmt: skip
    assert (kept.kind, kept.answers, kept.fires) == ("locality", ("Gradlon",), False)


def test_opinions(read):
    result = read(
        "knowedit_convsent",
        {"ent": "Ys", "pos": [" I love it. ", "I love it."], "neg": ["Too wet."]},
        {"ent": "Ker-Is", "pos": [], "neg": []},
        {"ent": "Brest", "pos": ["Nice."]},
    )
    (case,) = result.cases
    (edit,) = case.edits
    assert edit.kind == "free_text" and edit.subject == "Ys" and "Ys" in edit.target_new
    assert len(case.queries) == 3
    for query in case.queries:
        assert "Ys" in query.prompt and (query.kind, query.fires) == ("generation", True)
        assert (query.answers, query.old) == (("I love it.",), ("Too wet.",))
    assert [m.reason for m in result.malformed] == [
        "pos: it holds no reply",
        "neg: the field is missing",
    ]


@pytest.mark.parametrize("indent", [None, 1])
def test_sanitation_deals_its_locality_out(tmp_path, indent):
    forget = [
        {"question": f"Who is {name}?", "ground_truth": "X", "target_new": "I don't know."}
        for name in ("Mark", "Dahut")
    ]
    keep = [{"question": f"q{n}", "ground_truth": [f"a{n}"]} for n in range(3)]
    path = tmp_path / "data.json"
    path.write_text(json.dumps({"success": [*forget, 7], "locality": keep}, indent=indent))
    data = load_dataset("knowedit_sanitation", path)
    first, second, broken = data
    assert isinstance(first, Case) and isinstance(second, Case)
    assert broken == Malformed("knowedit_sanitation-3", "the record is not an object: 7")
    (edit,) = first.edits
    assert (edit.kind, edit.subject, edit.prompt, edit.target_true) == (
        "free_text", "", "Who is Mark?", "X",
    )  # fmt: skip
    assert [(q.kind, q.prompt, q.answers, q.old, q.fires) for q in first.queries] == [
        ("edit", "Who is Mark?", ("I don't know.",), ("X",), True),
        ("locality", "q0", ("a0",), ("a0",), False),
    ]
    assert [q.prompt for q in second.queries] == ["Who is Dahut?", "q1"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"questions": []}, "success: the list of questions to forget is missing"),
        ({"success": 7}, "success: 7 is not a list"),
        ({"success": [{}], "locality": {"a": 1}}, "locality: {'a': 1} is not a list"),
    ],
)
def test_a_file_that_is_not_sanitations_is_malformed(read, record, reason):
    (bad,) = read("knowedit_sanitation", record).malformed
    assert bad.reason == reason
