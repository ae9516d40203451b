"""The scope decision on the real encoder."""

from __future__ import annotations

import datetime as dt

import pytest

from memedit import Edit
from memedit.errors import EncoderError, QueryError
from memedit.scope.classifier import ScopeClassifier
from memedit.scope.cohort import COHORT_FEATURES
from memedit.scope.matcher import Matcher
from memedit.scope.probability import Calibration
from memedit.scope.relations import FEATURES, Lexicon

SPORT = Edit(
    id="sport", subject="Lionel Messi", prompt="{} plays the sport of", target_new="basketball"
)
CAPITAL = Edit(id="capital", subject="France", relation="capital", target_new="Lyon")
AUTHOR = Edit(id="author", subject="Hamlet", prompt="The author of {} is", target_new="Ann Lee")
CEO = Edit(
    id="ceo", subject="Acme", relation="chief executive officer", target_new="Bo", aliases=("ACM",)
)


@pytest.fixture(scope="module")
def decide(classify):
    return classify(SPORT, CAPITAL, AUTHOR, CEO)


@pytest.mark.parametrize(
    ("query", "edit"),
    [
        ("Lionel Messi plays the sport of", "sport"),
        ("Which sport does Lionel Messi play?", "sport"),
        ("which sport does messi play", "sport"),
        ("What sport is Leo Messi known for playing?", "sport"),
        ("Shayna does this and Yossel dies. Lionel Messi plays", "sport"),
        ("What is the capital of France?", "capital"),
        ("Name the capital city of France.", "capital"),
        ("Who wrote Hamlet?", "author"),
        ("Who is the CEO of ACM?", "ceo"),
    ],
)
def test_in_scope(decide, query, edit):
    decision = decide(query)
    assert decision.route == "counterfactual"
    assert [e.id for e in decision.edits] == [edit]
    assert decision.probability >= decision.threshold


@pytest.mark.parametrize(
    "query",
    [
        "Where was Lionel Messi born?",
        "Who is the mother of Lionel Messi?",
        "How old was Lionel Messi when he began to play his sport?",
        "Tell me about France.",
        "Which sport does Roger Federer play?",
        "Which sport does Jorge Messi play?",
        "What is the population of France?",
        "What is the capital of Italy?",
        "When was Hamlet first published?",
        "Who founded Acme?",
        "Why is the sky blue?",
        "Lionel Messi visited us. What is the weather like?",
    ],
)
def test_out_of_scope(decide, query):
    decision = decide(query)
    assert (decision.route, decision.edits) == ("base", ())
    assert decision.reasons


def test_a_decision_says_why(decide):
    decision = decide("Which sport does Messi play?")
    assert "'Messi' can only mean 'Lionel Messi'" in decision.reasons[0]
    assert "in scope" in decision.reasons[0]
    (candidate,) = decision.candidates
    assert set(candidate.features) == {"match", *FEATURES, *COHORT_FEATURES}
    assert candidate.masked == "Which sport does it play?"
    assert decision.to_dict()["candidates"][0]["edit"] == "sport"


def test_two_questions_two_edits(decide):
    decision = decide("Who wrote Hamlet? And what is the capital of France?")
    assert {edit.id for edit in decision.edits} == {"author", "capital"}


def test_a_slip_of_the_pen_is_found_by_meaning(decide):
    assert decide("Which sport does Lionel Massa play?").route == "base"
    assert [e.id for e in decide("Which sport does Lionell Messi play?").edits] == ["sport"]


def test_the_nearest_wording_decides_between_edits_of_one_subject(classify):
    twin = Edit(id="twin", subject="Athens", prompt="{} is a twin city of", target_new="Lima")
    other = Edit(id="other", subject="Athens", prompt="The twin city of {} is", target_new="Rome")
    decide = classify(twin, other)
    assert decide("Athens is a twin city of").edits[0].id == "twin"
    assert decide("The twin city of Athens is").edits[0].id == "other"


def test_facts_of_a_day(classify):
    old = Edit(id="old", subject="Mali", relation="capital", target_new="A", valid_to="2020")
    new = Edit(id="new", subject="Mali", relation="capital", target_new="B", valid_from="2020")
    decide = classify(old, new)
    query = "What is the capital of Mali?"
    assert decide(query, on=dt.date(2019, 5, 1)).edits[0].id == "old"
    assert decide(query).edits[0].id == "new"


def test_of_overlapping_edits_the_newer_counts(classify):
    first = Edit(id="first", subject="Mali", relation="capital", target_new="A")
    second = Edit(
        id="second", subject="Mali", relation="capital", target_new="B", valid_from="2020"
    )
    decide = classify(first, second)
    assert decide("What is the capital of Mali?").edits[0].id == "second"
    assert decide("What is the capital of Mali?", on=dt.date(2001, 1, 1)).edits[0].id == "first"


def test_free_text_is_found_by_meaning(classify):
    glass = Edit(
        id="glass", kind="free_text", prompt="A glass that falls on stone", target_new="bounces"
    )
    decide = classify(glass, SPORT)
    assert [e.id for e in decide("What does a glass do that falls on stone?").edits] == ["glass"]
    assert decide("What does a cat do in the morning?").route == "base"


def test_free_texts_given_as_statements_do_not_hide_each_other(classify):
    glass = Edit(id="glass", kind="free_text", statement="Glass bounces.", target_new="bounces")
    ice = Edit(id="ice", kind="free_text", statement="Ice grows in hot tea.", target_new="grows")
    decide = classify(glass, ice)
    assert {c.edit.id for c in decide("What does ice do in hot tea?").candidates} == {
        "glass",
        "ice",
    }
    assert [e.id for e in decide("Ice grows in hot tea").edits] == ["ice"]
    assert [e.id for e in decide("Glass bounces").edits] == ["glass"]


def test_decisions_do_not_depend_on_earlier_queries(decide):
    queries = ["Who wrote Hamlet?", "Where was Messi born?", "What is the capital of France?"]
    alone = [decide(query).to_dict() for query in queries]
    again = [decide(query).to_dict() for query in reversed(queries)]
    for one, other in zip(alone, reversed(again), strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.parametrize(
    "query",
    [
        "\x00\x01\x1b[31m",
        "ما هي عاصمة فرنسا؟",
        "梅西踢什么运动？",
        "?!",
        "🙂",
        "\u202eabc",
        "a" * 5000,
    ],
)
def test_odd_text_is_routed_to_the_base(decide, query):
    assert decide(query).route == "base"


@pytest.mark.parametrize(
    ("query", "says"), [("", "empty"), (" \n", "empty"), ("x" * 10**7, "10,000,000")]
)
def test_what_cannot_be_routed_is_refused(decide, query, says):
    with pytest.raises(QueryError, match=says):
        decide(query)


def test_no_edits(classify):
    assert classify()("Who?").reasons == ("No edit is live, so the base model answers.",)


def test_the_threshold_is_the_users(classify):
    assert classify(SPORT, threshold=1.0)("Which sport does Messi play?").route == "base"
    assert classify(SPORT, threshold=0.0)("Where was Messi born?").route == "counterfactual"


def decision_weights(**changed):
    model = {"weights": {"cosine": 1.0}, "bias": 0.0}
    return {
        "forms": {"question": model, "cloze": model, "text": model},
        "names": model,
        "prior_odds": {},
        "name_penalty": {},
        "clash_penalty": 0.0,
    } | changed


def test_names_have_prior_odds_of_their_own():
    even = Calibration.from_dict(decision_weights())
    ninefold = Calibration.from_dict(decision_weights(prior_odds={"name": 9.0, "question": 2.0}))
    assert even.name_probability({"cosine": 0.0}) == pytest.approx(0.5)
    assert ninefold.name_probability({"cosine": 0.0}) == pytest.approx(0.9)


def test_weights_for_other_evidence_are_refused():
    model = {"weights": {"length": 1.0}, "bias": 0.0}
    with pytest.raises(EncoderError, match="question were fitted with 'length'"):
        Calibration.from_dict(decision_weights(forms={"question": model}))


def test_weights_that_lack_a_part_are_refused():
    weights = decision_weights()
    del weights["names"]
    with pytest.raises(EncoderError, match="no 'names'"):
        Calibration.from_dict(weights)


def test_the_shipped_matcher_is_for_the_embedded_encoder(encoder):
    matcher = Matcher.shipped(encoder)
    assert matcher is not None
    assert matcher.about["encoder"] == encoder.fingerprint
    assert ScopeClassifier(encoder).matcher is matcher


def test_without_the_matcher_the_frozen_encoder_has_to_do(encoder):
    frozen = ScopeClassifier(encoder, calibration=Calibration.untrained())
    assert frozen.matcher is None
    frozen.put([(SPORT, 0)], encoder.encode)
    assert frozen.decide("Which sport does Lionel Messi play?").route == "counterfactual"
    assert frozen.decide("Where was Lionel Messi born?").route == "base"


def test_lexicon_profiles_by_hand(encoder):
    lexicon = Lexicon.read(
        "a: the capital; the main city\n*b: tell me\n+c: who is its mother?", encoder
    )
    assert lexicon.names == ("a", "b", "c")
    assert lexicon.generic.tolist() == [False, True, False]
    assert lexicon.personal.tolist() == [False, False, True]
    query = encoder.encode(["the capital of it"])
    (profile,) = lexicon.profiles(query)
    capital, city, *_ = (query @ lexicon.vectors.T)[0]
    assert profile[0] == max(capital, city)
    assert lexicon.nearest(profile) == "a"
    assert not lexicon.is_personal(profile)


def test_queries_near_a_choice_are_decided_again_alone(encoder, monkeypatch):
    from memedit.scope import classifier as module

    scope = module.ScopeClassifier(encoder)
    scope.put([(SPORT, 1)], encoder.encode)
    queries = ["Which sport does Lionel Messi play?", "Who wrote it?"]
    monkeypatch.setattr(module, "NEAR", 1.0)  # every probability is near the threshold now
    alone, decide = [], scope.decide
    monkeypatch.setattr(scope, "decide", lambda q, **kw: alone.append(q) or decide(q, **kw))
    decisions = scope.decide_many(queries)
    assert alone == queries[:1]  # the other has no candidate at all
    assert [d.route for d in decisions] == ["counterfactual", "base"]


def test_a_known_name_inside_a_longer_one_does_not_hide_it(classify):
    series = Edit(id="series", subject="Super Bowl", relation="organiser", target_new="FIFA")
    thirtieth = Edit(
        id="thirtieth",
        subject="Super Bowl XXX",
        prompt="{} was won by",
        target_new="the Denver Broncos",
    )
    decide = classify(series, thirtieth)
    decision = decide("Super Bowl 30 was won by")
    assert "thirtieth" in [c.edit.id for c in decision.candidates]
    assert [c.edit.id for c in decide("The Super Bowl was won by").candidates] == ["series"]
