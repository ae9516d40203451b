"""Probes: near misses from the memory, the same however the memory came about."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memedit import Edit
from memedit.scope.bank import Bank
from memedit.scope.classifier import ScopeClassifier
from memedit.scope.conformal import FORMS
from memedit.scope.probes import ProbeSample, form_of, score_probes, scorer_digest
from memedit.scope.segments import is_question
from tests.memory.conftest import HashEncoder

PROMPTS = (
    "The capital of {} is", "{} plays the sport of", "{} was born in", "The author of {} is",
    "{}, a native speaker of", "{} was founded by",
)  # fmt: skip
HASHED = HashEncoder()


def edit(number, **fields):
    fields.setdefault("subject", f"Subject {number // 2}")
    fields.setdefault("prompt", PROMPTS[number % len(PROMPTS)])
    return Edit(id=f"e{number}", target_new="X", **fields)


def sample(edits=(), *, size=4, encoder=HASHED):
    made = ProbeSample(Bank.load(encoder), encoder.encode, size=size)
    made.put(edits)
    return made


def test_the_banks_wordings_are_what_their_column_says(encoder):
    bank = Bank.load(encoder)
    assert len(bank.names) > 100
    assert bank.kin[bank.names.index("birthplace"), bank.names.index("death place")]
    assert not bank.kin[bank.names.index("mother"), bank.names.index("platform")]
    for form in FORMS:
        words = bank.wordings[form]
        assert len(words.templates) == len(set(words.templates)) == 2 * len(bank.names)
        for template in words.templates:
            assert template.count("{}") == 1
            assert is_question(template.replace("{}", "Ada")) == (form == "question")


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 11)), max_size=40),
    st.randoms(use_true_random=False),
)
def test_kept_up_edit_by_edit_is_as_made_from_scratch(steps, random):
    kept, live = sample(), {}
    for add, number in steps:
        if add:
            live[number] = edit(number, question=random.choice([None, "What about {}?"]))
            kept.put([live[number]])
        else:
            live.pop(number, None)
            kept.drop(f"e{number}")
        if random.random() < 0.3:
            kept.sampled()  # looked at in between or not
    assert kept.sampled() == sample(random.sample(list(live.values()), len(live))).sampled()
    assert len(kept) == len(live)


def test_the_sample_is_bounded_and_a_new_edit_disturbs_little():
    edits = [edit(n, subject=f"Subject {n}") for n in range(300)]
    made = sample(edits, size=64)
    before = dict(made.sampled())
    assert len(before) == 64
    entered = 0
    for n in range(300, 400):
        made.put([edit(n, subject=f"Subject {n}")])
        after = made.sampled()
        new = after.keys() - before.keys()
        entered += len(new)
        changed = [i for i in after.keys() & before.keys() if after[i] != before[i]]
        assert len(changed) <= 12 * len(new)
        before = dict(after)
    assert 8 <= entered <= 35  # 64 * (1/301 + ... + 1/400) is 18.3


def test_free_text_is_not_asked_about():
    assert not sample(
        [edit(1, kind="free_text", subject="", prompt="", statement="Sky.")]
    ).sampled()


def test_probes_name_the_subject_and_ask_for_something_else(encoder):
    edits = [
        Edit(id="a", subject="Lionel Messi", prompt="{} was born in", target_new="Rome"),
        Edit(id="b", subject="Lionel Messi", prompt="{} plays the sport of", target_new="golf"),
        Edit(id="c", subject="Peru", prompt="The capital of {} is", target_new="Cusco"),
        Edit(id="d", subject="Oslo", prompt="The birthplace of {} is", target_new="Rome"),
    ]
    made = sample(edits, encoder=encoder)
    for edit_id, probed in made.sampled().items():
        subject = next(e.subject for e in edits if e.id == edit_id)
        asked = [text for form in FORMS for text in probed.probes[form]]
        assert len(asked) == 4
        assert all(subject in text for text in asked)
        assert not {text for other in edits for text in (other.cloze, other.asked)} & set(asked)
    messi = [t for i in "ab" for f in FORMS for t in made.sampled()[i].probes[f]]
    assert not any("birthplace" in text for text in messi)  # another's wording, of a kin relation


def test_a_partners_wording_is_asked_where_it_is_no_kin(encoder):
    mother = Edit(id="a", subject="Ada Lovelace", prompt="The mother of {} is", target_new="Eve")
    made_of = Edit(id="b", subject="The Orb", prompt="The top speed of {} is", target_new="9")
    probes = {
        i: one.probes for i, one in sample([mother, made_of], encoder=encoder).sampled().items()
    }
    assert probes["a"]["cloze"][0] == "The top speed of Ada Lovelace is"
    assert probes["b"]["question"][0] == "Who is the mother of The Orb?"
    assert all(len(texts) == 2 for by_form in probes.values() for texts in by_form.values())


@pytest.mark.parametrize("told", ["{} was born in", "{} is a citizen of", "{} died in"])
def test_wordings_of_the_edits_own_relation_are_left_out(encoder, told):
    subjects = [f"Ada Lovelace {n}" for n in range(40)]
    edits = [Edit(subject=name, prompt=told, target_new="Rome") for name in subjects]
    made = sample(edits, encoder=encoder, size=40)
    bank = Bank.load(encoder)
    own = {"{} was born in": "birthplace", "{} is a citizen of": "citizenship"}.get(
        told, "death place"
    )
    words = {
        template
        for form in FORMS
        for template, relation in zip(
            bank.wordings[form].templates, bank.wordings[form].asks[:, 0], strict=True
        )
        if bank.names[relation] == own
    }
    asked = {
        text.replace(e.subject, "{}")
        for e in edits
        for form in FORMS
        for text in made.sampled()[e.id].probes[form]
    }
    assert len(asked) > 40
    assert not asked & words


def test_an_edit_of_the_same_subject_changes_the_digest():
    made = sample([edit(0)])
    before = made.sampled()["e0"].digest
    made.put([edit(5, subject="Somebody else")])
    made.drop("e5")
    assert made.sampled()["e0"].digest == before
    made.put([edit(1)])
    assert made.sampled()["e0"].digest != before


def test_scores_are_those_of_the_decisions_and_unknown_names_have_none(encoder):
    edits = [
        Edit(id="a", subject="Lionel Messi", prompt="{} plays the sport of", target_new="golf"),
        Edit(id="b", subject="Peru", prompt="The capital of {} is", target_new="Cusco"),
    ]
    classifier = ScopeClassifier(encoder)
    classifier.put([(e, n) for n, e in enumerate(edits)], encoder.encode)
    asked = "Who was Lionel Messi's mother?"
    probes = {
        "a": {"cloze": (), "question": (asked, "Who is the mother of Zorblax?")},
        "b": {"cloze": ("Peru borders",), "question": ()},
    }
    scores = score_probes(classifier, probes, None)
    decided = classifier.decide(asked).probability
    assert scores["a"]["question"] == [pytest.approx(decided, abs=1e-6)]  # batched: other last bits
    assert scores["a"]["cloze"] == scores["b"]["question"] == []
    assert len(scores["b"]["cloze"]) == 1
    assert form_of("So. Peru borders", classifier.decide("So. Peru borders")) == "cloze"


def test_another_calibration_is_another_scorer(encoder):
    import dataclasses

    one, other = ScopeClassifier(encoder), ScopeClassifier(encoder, threshold=0.9)
    assert scorer_digest(one) == scorer_digest(other)
    other.calibration = dataclasses.replace(other.calibration, clash_penalty=1.0)
    assert scorer_digest(one) != scorer_digest(other)
