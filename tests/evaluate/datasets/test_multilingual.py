"""MzsRE and WikiFactDiff: an edit in one language, asked in two."""

from __future__ import annotations

from copy import deepcopy

ENGLISH = {
    "subject": "Tally Ford",
    "src": "Which city is Tally Ford from?",
    "rephrase": "What is the home city of Tally Ford?",
    "alt": "Brighthaven",
    "loc": "nq question: who sang the winter song??",
    "loc_ans": "The Larks",
    "portability": {"New Question": "Which river runs by Tally Ford's city?", "New Answer": "Ouse"},
}
GERMAN = {
    "subject": "Tally Furt",
    "src": "Aus welcher Stadt kommt Tally Ford?",
    "rephrase": "Was ist die Heimatstadt von Tally Ford?",
    "alt": "Hellhafen",
    "loc": "Wer sang das Winterlied???",
    "loc_ans": "Die Lerchen",
    "portability": {
        "New Question": "Welcher Fluss fließt durch die Stadt von Tally Ford?",
        "New Answer": "Ouse",
    },
}


def record(**german):
    return {"en": deepcopy(ENGLISH), "de": deepcopy(GERMAN) | german}


def test_the_edit_is_english_and_asked_in_both_languages(read):
    result = read("mzsre", record())
    (case,) = result.cases
    (edit,) = case.edits
    assert (edit.subject, edit.asked, edit.target_new, edit.language) == (
        "Tally Ford",
        "Which city is Tally Ford from?",
        "Brighthaven",
        "en",
    )
    assert case.language == "de"
    assert [(query.kind, query.label, query.meta["field"]) for query in case.queries] == [
        ("edit", "en", "src"),
        ("rephrase", "en", "rephrase"),
        ("locality", "en", "loc"),
        ("one_hop", "en", "portability"),
        ("rephrase", "de", "src"),
        ("rephrase", "de", "rephrase"),
        ("locality", "de", "loc"),
        ("one_hop", "de", "portability"),
    ]


def test_the_english_answer_is_right_in_any_language_but_not_the_other_way(read):
    result = read("mzsre", record())
    (english,) = result.queries("edit")
    _, german, _ = result.queries("rephrase")
    assert (english.answers, english.new) == (("Brighthaven",), "Brighthaven")
    assert (german.answers, german.new) == (("Hellhafen", "Brighthaven"), "Hellhafen")
    assert (english.fires, german.fires) == (True, True)
    hops = result.queries("one_hop")
    assert [hop.answers for hop in hops] == [("Ouse",), ("Ouse",)]
    assert {hop.fires for hop in hops} == {None}


def test_locality_is_asked_without_the_data_sets_marks(read):
    english, german = read("mzsre", record()).queries("locality")
    assert english.prompt == "who sang the winter song?"
    assert german.prompt == "Wer sang das Winterlied?"
    assert (german.answers, german.true) == (("Die Lerchen", "The Larks"), "Die Lerchen")
    assert english.fires is False


def test_a_rephrasing_that_is_no_rephrasing_is_left_out(read):
    result = read("mzsre", record(rephrase=GERMAN["src"]))
    assert len(result.queries("rephrase")) == 2
    assert result.dropped == {"query: it repeats another of its case": 1}


def test_the_other_direction_edits_the_other_language(read):
    result = read("mzsre_to_english", record(rephrase=GERMAN["src"]))
    (case,) = result.cases
    (edit,) = case.edits
    # The translated question keeps the English name, so that is the edit's subject.
    assert (edit.subject, edit.asked, edit.language) == ("Tally Ford", GERMAN["src"], "de")
    assert edit.target_new == "Hellhafen"
    (own,) = result.queries("edit")
    assert (own.prompt, own.label) == (GERMAN["src"], "de")
    assert [query.label for query in result.queries("rephrase")] == ["en", "en"]
    assert result.dropped == {"query: it repeats another of its case": 1}


def test_a_full_width_question_mark_asks_too(read):
    chinese = deepcopy(GERMAN) | {
        "subject": "塔利",
        "src": "塔利 来自哪座城市？",
        "loc": "谁唱了冬之歌？?",
    }
    result = read("mzsre_to_english", {"en": ENGLISH, "zh-cn": chinese})
    (case,) = result.cases
    assert case.language == "zh-cn"
    assert case.edits[0].asked == "塔利 来自哪座城市？"
    assert result.queries("locality")[0].prompt == "谁唱了冬之歌？"


def test_wikifactdiff_knows_what_was_true(read):
    block = ENGLISH | {"case_id": 5, "src": "Tally Ford lives in", "old": "Oldport"}
    other = GERMAN | {"old": "Altport", "loc": "", "loc_ans": ""}
    result = read("wikifactdiff", {"en": block, "de": other})
    (case,) = result.cases
    assert case.edits[0].target_true == "Oldport"
    assert case.edits[0].prompt == "{} lives in"
    german = result.queries("rephrase")[1]
    assert (german.old, german.true) == (("Altport", "Oldport"), "Altport")
    assert result.dropped == {"query: its prompt or its answer is empty": 1}


def test_a_record_in_english_alone_is_a_case(read):
    (case,) = read("mzsre", {"en": ENGLISH}).cases
    assert case.language == "en"
    assert len(case.queries) == 4


def test_records_that_cannot_be_edited_are_left_out(read):
    elsewhere = record()
    elsewhere["en"]["subject"] = "Someone Else"
    told = record()
    told["en"]["old"] = "brighthaven"
    against = record()
    against["en"]["alt"] = "Dunmoor"
    result = read("wikifactdiff", elsewhere, told, record(), record(), against)
    assert len(result.cases) == 1
    assert result.dropped == {
        "record: its subject does not stand in its prompt": 1,
        "record: its target is already true": 1,
        "record: it repeats an earlier one": 1,
        "record: an earlier one gives its subject and relation another target": 1,
    }


def test_a_broken_record_says_what_is_wrong(read):
    german_alone = {"de": GERMAN}
    three = {"en": ENGLISH, "de": GERMAN, "fr": GERMAN}
    no_target = record()
    no_target["en"]["alt"] = ""
    number = record(loc=4)
    no_hop = record()
    del no_hop["de"]["portability"]
    result = read("mzsre", german_alone, three, no_target, number, no_hop, {"en": "text"}, record())
    assert len(result.cases) == 1
    reasons = [item.reason for item in result.malformed]
    for field, reason in zip(("en", "'fr'", "alt", "4", "portability", "en"), reasons, strict=True):
        assert field in reason
