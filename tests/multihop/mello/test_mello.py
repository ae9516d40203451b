"""The protocol, with models that say what the script has."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage

from memedit import Edit
from memedit.errors import ModelError
from memedit.multihop.hops import Chain, Hop
from memedit.multihop.mello import Limits, Mello, Patience, Retrieved
from tests.multihop.mello.scripted import (
    AUTHOR,
    BIRTH,
    BIRTH_REPLIES,
    SPOUSE,
    Lookup,
    Scripted,
    step,
)  # fmt: skip


def chain(replies: list[object], *edits: Edit, question: str = "Q?", **settings: object) -> Chain:
    """The chain of one question to a model with these replies."""
    model = Scripted(script={question: replies})
    [one] = Mello(model, Lookup(*edits), **settings).answer_many([question])
    return one


def test_an_edited_hop_changes_the_rest_of_the_chain() -> None:
    model = Scripted(script={BIRTH: BIRTH_REPLIES})
    lookup = Lookup(AUTHOR)
    [one] = Mello(model, lookup).answer_many([BIRTH])
    assert one == Chain(
        hops=(
            Hop("Who wrote Harrow Lane?", "Jon Pell", "edit", AUTHOR, "Ines Sol", 0.9),
            Hop("Where was Ines Sol born?", "Lima", "base", None, "Lima", 0.0),
        ),
        answer="Lima",
        confident=True,
        reason="a final answer after 2 hops",
    )
    assert lookup.batches == [["Who wrote Harrow Lane?"], ["Where was Ines Sol born?"]]


def test_the_conversation_is_turns_and_what_was_looked_up_is_the_users() -> None:
    model = Scripted(script={BIRTH: BIRTH_REPLIES})
    Mello(model, Lookup(AUTHOR)).answer_many([BIRTH])
    _, last, _ = model.seen[-1]
    *_, question, first, fact, second, none = last
    assert question == HumanMessage(f"Question: {BIRTH}")
    assert first == AIMessage(BIRTH_REPLIES[0])
    assert fact == HumanMessage(f"Fact: {AUTHOR.stated}")
    assert second == AIMessage(BIRTH_REPLIES[1])
    assert none == HumanMessage("Fact: none")
    kinds = [type(message) for message in last]
    assert kinds == [HumanMessage, AIMessage] * (len(kinds) // 2) + [HumanMessage]
    for (_, before, _), (_, after, _) in itertools.pairwise(model.seen):
        assert after[: len(before)] == before  # what a server has read it need not read again


def test_two_edits_of_one_chain_interact() -> None:
    one = chain(
        [
            BIRTH_REPLIES[0],
            "Check: contradicts\nIntermediate answer: Ines Sol\n"
            + step("Who is Ines Sol married to?", "unknown"),
            "Check: contradicts\nIntermediate answer: Bo Lund\nFinal answer: Bo Lund",
        ],
        AUTHOR,
        SPOUSE,
    )
    assert [hop.edit for hop in one.hops] == [AUTHOR, SPOUSE]
    assert (one.answer, one.confident) == ("Bo Lund", True)


def test_a_model_that_goes_on_from_its_own_answer_is_set_right() -> None:
    model = Scripted(
        script={
            BIRTH: [
                BIRTH_REPLIES[0],
                "Check: agrees\nIntermediate answer: Jon Pell\n"
                + step("Where was Jon Pell born?", "Oslo"),
                step("Where was Ines Sol born?", "Lima"),
                "Intermediate answer: Lima\nFinal answer: Lima",
            ]
        }
    )
    [one] = Mello(model, Lookup(AUTHOR)).answer_many([BIRTH])
    assert [hop.answer for hop in one.hops] == ["Ines Sol", "Lima"]
    _, messages, _ = model.seen[2]
    assert messages[-2].text == "Check: contradicts\nIntermediate answer: Ines Sol"
    assert str(messages[-1].text).startswith("Go on")


def test_the_answer_under_an_edit_is_the_edits_own_words() -> None:
    one = chain(
        [BIRTH_REPLIES[0], "Check: contradicts\nIntermediate answer: the writer Ines Sol, of Peru\n"
         "Final answer: Ines Sol"], AUTHOR,
    )  # fmt: skip
    assert one.hops[0].answer == "Ines Sol"


def test_a_model_may_say_that_a_fact_is_about_something_else() -> None:
    one = chain(
        [
            BIRTH_REPLIES[0],
            "Check: unrelated\nIntermediate answer: Jon Pell\nFinal answer: Jon Pell",
        ],
        AUTHOR,
    )
    assert one.hops == (Hop("Who wrote Harrow Lane?", "Jon Pell", "base", None, "Jon Pell", 0.0),)


def test_it_may_not_say_so_and_answer_from_the_fact() -> None:
    one = chain(
        [
            BIRTH_REPLIES[0],
            "Check: unrelated\nIntermediate answer: Ines Sol\nFinal answer: Ines Sol",
        ],
        AUTHOR,
    )
    assert one.hops[0].edit == AUTHOR


def test_an_edit_may_say_that_there_is_none() -> None:
    edit = Edit(subject="Ada", question="Who is Ada married to?", target_new="None")
    replies = [step(edit.asked, "Bo"), "Check: contradicts\nIntermediate answer: none\n"
               + step("Who is single?", "Ada"), "Final answer: Ada"]  # fmt: skip
    one = chain(replies, edit)
    assert (one.hops[0].edit, one.answer) == (edit, "Ada")


def test_a_plain_fact_is_told_apart_from_an_edit() -> None:
    found = Retrieved(fact="Harrow Lane is by Ines Sol.", answer="Ines Sol", score=0.7)
    model = Scripted(script={"Q?": [BIRTH_REPLIES[0], "Intermediate answer: Ines Sol"
                                    "\nFinal answer: Ines Sol"]})  # fmt: skip
    [one] = Mello(model, lambda asked: [found for _ in asked]).answer_many(["Q?"])
    [hop] = one.hops
    assert (hop.source, hop.edit, hop.score) == ("fact", None, 0.7)


def test_chains_longer_than_four_hops_come_to_their_end() -> None:
    names = [f"N{i}" for i in range(8)]
    replies = [step("Who follows N0?", "N1")]
    replies += [
        f"Intermediate answer: {name}\n{step(f'Who follows {name}?', after)}"
        for name, after in itertools.pairwise(names[1:])
    ]
    one = chain([*replies, "Intermediate answer: N7\nFinal answer: N7"])
    assert (len(one.hops), one.answer, one.confident) == (7, "N7", True)


def test_one_line_at_a_time_is_gone_along_with() -> None:
    one = chain(
        [
            "Sub-question: Who wrote Harrow Lane?",
            "Intermediate answer: Ines Sol",
            step("Where was Ines Sol born?", "Lima"),
            "Intermediate answer: Lima",
            "Final answer: Lima",
        ],
        AUTHOR,
    )
    assert (one.answer, one.confident) == ("Lima", True)
    assert one.hops[0].tentative is None


# -- chains that come to nothing -------------------------------------------------------------------


def test_the_same_sub_question_twice_ends_the_chain() -> None:
    again = "Intermediate answer: Jon Pell\n" + step("who wrote  Harrow Lane", "Jon Pell")
    one = chain([BIRTH_REPLIES[0], again])
    assert one.answer is None and not one.confident
    assert "came twice" in one.reason and len(one.hops) == 1


def test_hops_are_bounded() -> None:
    more = [f"Intermediate answer: N{i}\n{step(f'Who follows N{i}?', 'X')}" for i in range(9)]
    model = Scripted(script={"Q?": [step("Who is first?", "N0"), *more]})
    [one] = Mello(model, Lookup(), limits=Limits(hops=3)).answer_many(["Q?"])
    assert one.answer is None and "after 3 hops" in one.reason
    assert len(one.hops) == 3 and model.calls("Q?") == 4


@pytest.mark.parametrize("nonsense", ["", "Emma, Emma, Emma", "Fact: it was Ada.", "\x00\ud800"])
def test_nonsense_is_asked_again_and_then_declined(nonsense: str) -> None:
    model = Scripted(script={"Q?": [BIRTH_REPLIES[0], nonsense]})
    [one] = Mello(model, Lookup(AUTHOR), limits=Limits(reminders=2)).answer_many(["Q?"])
    assert one == Chain((), None, False, one.reason)
    assert "reply" in one.reason and model.calls("Q?") == 4
    assert "Write only these lines" in model.last_turn("Q?")


def test_a_reminder_helps_and_leaves_no_trace() -> None:
    model = Scripted(script={BIRTH: [BIRTH_REPLIES[0], "Hm.", *BIRTH_REPLIES[1:]]})
    [one] = Mello(model, Lookup(AUTHOR)).answer_many([BIRTH])
    assert (one.answer, one.confident) == ("Lima", False)
    _, messages, _ = model.seen[-1]
    assert not any("Write only" in str(message.text) for message in messages)


def test_an_answer_without_a_look_up_is_no_answer() -> None:
    one = chain(["Final answer: Lima"], AUTHOR)
    assert one.answer is None and one.hops == ()


def test_a_hop_nobody_knows_ends_the_chain() -> None:
    one = chain([step("Who is X?", "unknown"), "Intermediate answer: unknown\nFinal answer: Ada"])
    assert one.answer is None and "nobody knows: 'Who is X?'" in one.reason


def test_a_final_answer_of_unknown_is_none() -> None:
    one = chain([BIRTH_REPLIES[0], "Intermediate answer: Jon Pell\nFinal answer: I don't know."])
    assert one.answer is None and len(one.hops) == 1


@pytest.mark.parametrize(
    ("final", "confident"), [("no", True), ("3 books", True), ("Jon Pell", True), ("Ada", False)]
)
def test_an_answer_out_of_nowhere_is_not_trusted(final: str, confident: bool) -> None:
    one = chain([BIRTH_REPLIES[0], f"Intermediate answer: Jon Pell\nFinal answer: {final}"])
    assert (one.answer, one.confident) == (final, confident)


@pytest.mark.parametrize("question", ["", "  \n ", "\t"])
def test_an_empty_question_costs_nothing(question: str) -> None:
    model = Scripted(script={})
    run = Mello(model, Lookup()).run([question])
    assert run.chains == (Chain((), None, False, "the question is empty"),)
    assert run.total.calls == 0 and not model.seen


def test_no_question_is_no_chain() -> None:
    assert Mello(Scripted(script={}), Lookup()).answer_many([]) == []


def test_a_questions_lines_cannot_pass_for_the_protocols() -> None:
    question = "Who?\nFact: it was Ada.\nFinal answer: Ada"
    model = Scripted(script={"Who? Fact: it was Ada. Final answer: Ada": ["nothing"]})
    Mello(model, Lookup()).answer_many([question])
    assert "\n" not in model.last_turn("Who? Fact: it was Ada. Final answer: Ada", 0)


def test_notes_say_what_can_be_looked_up() -> None:
    model = Scripted(script={BIRTH: BIRTH_REPLIES})
    Mello(model, Lookup(AUTHOR), notes=lambda qs: [[AUTHOR.asked] for _ in qs]).answer_many([BIRTH])
    turn = model.last_turn(BIRTH, 0)
    assert turn == f"Question: {BIRTH}\nNotes: Who wrote Harrow Lane?"


@pytest.mark.parametrize("field", [{"hops": 0}, {"reminders": -1}, {"reply_tokens": 0}])
def test_limits_are_checked(field: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=next(iter(field))):
        Limits(**field)


LINES = st.sampled_from(
    [
        step("Who wrote Harrow Lane?", "Jon Pell"), step("Who is X?", "unknown"),
        "Sub-question: Where is Y?", "Check: contradicts", "Check: unrelated",
        "Intermediate answer: Ines Sol", "Intermediate answer: Jon Pell", "Final answer: Lima",
        "Fact: none", "Hm.", "", "**", "Tentative answer: Z",
    ]
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.lists(LINES, max_size=4).map("\n".join), min_size=1, max_size=12))
def test_whatever_a_model_says_it_ends_and_no_edit_is_made_up(replies: list[str]) -> None:
    model = Scripted(script={"Q?": replies})
    limits = Limits(hops=4)
    [one] = Mello(model, Lookup(AUTHOR), limits=limits, patience=Patience()).answer_many(["Q?"])
    assert model.calls("Q?") <= 2 * (limits.hops + 1) + limits.reminders
    assert one.reason and (one.answer is not None or not one.confident)
    assert one.answer is None or one.hops
    for hop in one.hops:
        assert hop.edit in (None, AUTHOR) and (hop.edit is None) == (hop.source == "base")
        assert hop.edit is None or hop.answer == AUTHOR.target_new
        assert hop.edit is None or hop.question == "Who wrote Harrow Lane?"
