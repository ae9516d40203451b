from __future__ import annotations

from memedit.evaluate.cases import NEIGHBOUR, Query
from memedit.evaluate.datasets import checks


def original(**changes):
    return {
        "case_id": 17,
        "pararel_idx": 5,
        "requested_rewrite": {
            "prompt": "The harbour of {} lies in",
            "relation_id": "P17",
            "target_new": {"str": "Norway", "id": "Q20"},
            "target_true": {"str": "Brittany", "id": "Q12"},
            "subject": "Ys",
        },
        "paraphrase_prompts": ["It rained. Ys is found in", "Ys belongs to"],
        "neighborhood_prompts": ["The harbour of Brest lies in", "Quimper is found in"],
        "attribute_prompts": ["The harbour of Bergen lies in"],
        "generation_prompts": ["Ys is known for", "One gets to Ys by", "Ys is known for"],
    } | changes


def flat(**changes):
    return {
        "case_id": 3,
        "prompt": "The harbour of Ys lies in",
        "target_new": "Norway",
        "subject": "Ys",
        "ground_truth": "Brittany",
        "rephrase_prompt": "Ys belongs to",
        "locality_prompt": "The harbour of Dover lies in",
        "locality_ground_truth": "England",
    } | changes


NEW, TRUE = ("Norway",), ("Brittany",)


def test_the_original_schema(read):
    result = read("counterfact", original())
    (case,) = result.cases
    assert case.id == "counterfact-17" and case.relation == "P17"
    (edit,) = case.edits
    assert edit.id == "counterfact-17" and edit.source == "counterfact:17"
    assert (edit.subject, edit.prompt, edit.target_new, edit.target_true, edit.relation) == (
        "Ys", "The harbour of {} lies in", "Norway", "Brittany", "P17",
    )  # fmt: skip
    assert edit.paraphrases == edit.aliases == () and edit.question is None
    scored = {"new": "Norway", "true": "Brittany"}
    assert case.queries == (
        Query("The harbour of Ys lies in", "edit", NEW, TRUE, fires=True, **scored),
        Query("It rained. Ys is found in", "rephrase", NEW, TRUE, fires=True, **scored),
        Query("Ys belongs to", "rephrase", NEW, TRUE, fires=True, **scored),
        Query(
            "The harbour of Brest lies in",
            "locality",
            TRUE,
            TRUE,
            fires=False,
            meta=NEIGHBOUR,
            **scored,
        ),
        Query("Quimper is found in", "locality", TRUE, TRUE, fires=False, meta=NEIGHBOUR, **scored),
        Query("The harbour of Bergen lies in", "attribute", NEW, NEW, fires=False, meta=NEIGHBOUR),
        Query("Ys is known for", "generation"),
        Query("One gets to Ys by", "generation"),
    )
    assert result.dropped == {}


def test_the_flat_schema(read):
    (case,) = read("counterfact", flat()).cases
    (edit,) = case.edits
    assert (edit.id, edit.prompt) == ("counterfact-3", "The harbour of {} lies in")
    assert [(q.kind, q.answers, q.new, q.true, q.fires) for q in case.queries] == [
        ("edit", NEW, "Norway", "Brittany", True),
        ("rephrase", NEW, "Norway", "Brittany", True),
        ("locality", ("England",), "Norway", "England", False),
    ]


def test_the_portability_and_distracting_files(read):
    record = original(
        distracting_neighborhood_prompts=["The harbour of Ys lies in Norway. Brest is in"],
        unrelated_relation={"relation_id": "x", "object": "city", "question": "What is Ys?"},
        portability={
            "Recalled Relation": "(Norway, money, krone)",
            "New Question": "What is paid with in Ys?",
            "New Answer": "Krone",
        },
    )
    result = read("counterfact_distracting", record)
    (distracting,) = result.queries("distracting")
    assert distracting.fires is None and (distracting.new, distracting.true) == NEW + TRUE
    unrelated = result.queries("locality")[-1]
    assert unrelated.prompt == "What is Ys?" and unrelated.answers == ("city",)
    assert unrelated.fires is False and unrelated.new is unrelated.true is None
    (further,) = result.queries("one_hop")
    assert further.prompt == "What is paid with in Ys?" and further.answers == ("Krone",)
    assert further.fires is None and result.cases[0].id == "counterfact-17"


def test_what_is_left_out(read):
    twice = original(case_id=18, neighborhood_prompts=["Brest is in", "Brest is in"])
    twice["requested_rewrite"] = {**twice["requested_rewrite"], "subject": "Ker-Ahes"}
    true = {**original()["requested_rewrite"], "target_new": {"str": "brittany", "id": ""}}
    result = read(
        "counterfact",
        original(),
        original(case_id=20),
        twice,
        original(case_id=19, requested_rewrite=true),
        flat(),
        flat(case_id=4, target_new="Iceland"),
        flat(case_id=5, subject="Atlantis"),
        flat(case_id=6, target_new="BRITTANY"),
    )
    assert [case.id for case in result.cases] == [f"counterfact-{n}" for n in (17, 18, 3)]
    assert result.dropped == {
        checks.REPEATED: 1,
        checks.REPEATED_QUERY: 1,
        checks.ALREADY_TRUE: 2,
        checks.CONFLICT: 1,
        checks.NO_SUBJECT: 1,
    }


def test_broken_records_are_named_and_the_rest_is_read(read):
    rewrite = original()["requested_rewrite"]
    no_slot = {**rewrite, "prompt": "The harbour lies in"}
    broken = [
        ({"case_id": 1}, "prompt: the field is missing"),
        (flat(case_id=2, target_new=""), "target_new: '' is empty"),
        (flat(case_id=9, rephrase_prompt=None), "rephrase_prompt: None is not a text"),
        (original(case_id=4, requested_rewrite="x"), "requested_rewrite: 'x' is not an object"),
        (original(case_id=5, requested_rewrite=no_slot), "has no slot"),
        (original(case_id=6, neighborhood_prompts=[1]), "neighborhood_prompts: 1 is not a text"),
        (original(case_id=7, portability={}), "New Question: the field is missing"),
        ("text", "the record is not an object: 'text'"),
    ]
    result = read("counterfact", *(record for record, _ in broken), flat())
    assert len(result.cases) == 1
    for item, (_, reason) in zip(result.malformed, broken, strict=True):
        assert reason in item.reason
