"""What models write, and what is read out of it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from memedit.multihop.mello.dialogue import beginning
from memedit.multihop.mello.reply import MAX_CHARS, Reply, is_unknown, read_reply, states

FIRST = Reply(question="Who wrote Emma?", tentative="Jane Austen")


@pytest.mark.parametrize(
    "text",
    [
        "Sub-question: Who wrote Emma?\nTentative answer: Jane Austen",
        "Sub-question: Who wrote Emma?\r\nTentative answer: Jane Austen.\r\n",
        "  sub question 1 :  Who wrote Emma?\n\n  TENTATIVE ANSWER:Jane Austen",
        "**Sub-question 1:** Who wrote Emma?\n**Tentative answer:** Jane Austen",
        "**Sub-question**: *Who wrote Emma?*\n**Tentative answer**: **Jane Austen**",
        "1. Sub-question: Who wrote Emma?\n2. Tentative answer: Jane Austen",
        "- Subquestion (1): Who wrote Emma?\n- Generated answer: Jane Austen",
        "### Sub-question\nWho wrote Emma?\n### Tentative answer\nJane Austen",
        "Sub-question:\nWho wrote Emma?\nTentative answer:\n\nJane Austen",
        "Sub-question：Who wrote Emma?\nTentative answer：Jane Austen",
        "Sub-question - Who wrote Emma? Tentative answer - Jane Austen",
        "Follow-up question: Who wrote Emma? Preliminary answer: Jane Austen",
        'Sub-question: "Who wrote Emma?"\nTentative answer: “Jane Austen”',
        '{"sub_question": "Who wrote Emma?", "tentative_answer": "Jane Austen"}',
        '```json\n{"sub_question": "Who wrote Emma?",\n "tentative_answer": "Jane Austen"}\n```',
        "Sure! Step by step, then.\n\nSub-question: Who wrote Emma?\nAnswer: Jane Austen",
        "<think>Sub-question: Who is Emma?</think>Sub-question: Who wrote Emma?\n"
        "Tentative answer: Jane Austen",
        "and so on</think>\nSub-question: Who wrote Emma?\nTentative answer: Jane Austen",
        "Question: Is Emma long?\nSub-question: Who wrote Emma?\nTentative answer: Jane Austen",
        # A model that runs on by itself: what comes after its own step is not read.
        "Sub-question: Who wrote Emma?\nTentative answer: Jane Austen\nFact: Emma is by Ada.\n"
        "Check: contradicts\nIntermediate answer: Ada\nFinal answer: Ada",
        "Sub-question: Who wrote Emma?\nTentative answer: Jane Austen\nFinal answer: Jane Austen",
        "Sub-question: Who wrote Emma?\nTentative answer: Jane Austen\n"
        "Sub-question: Where was she born?\nTentative answer: Steventon",
    ],
)
def test_the_first_step_is_read_however_it_is_written(text: str) -> None:
    assert read_reply(text) == FIRST


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Check: contradicts", "contradicts"),
        ("Check: The fact contradicts the tentative answer.", "contradicts"),
        ("The retrieved fact contradicts the generated answer.", "contradicts"),
        ("Check: they are inconsistent", "contradicts"),
        ("Verdict: it disagrees", "contradicts"),
        ("Contradiction check: The fact does not contradict the answer about Emma", "agrees"),
        ("The fact doesn't contradict it.", "agrees"),
        ("Check: no contradiction", "agrees"),
        ("**Check:** agrees", "agrees"),
        ("Check: it is not related to the question", "unrelated"),
        ("Check: unrelated", "unrelated"),
        ("The fact does not answer the sub-question.", "unrelated"),
        ("Check: banana", None),
        ("", None),
    ],
)
def test_the_check_is_read(text: str, verdict: str | None) -> None:
    reply = read_reply(f"{text}\nIntermediate answer: Rome")
    assert reply == Reply(check=verdict, intermediate="Rome")


def test_an_answer_before_the_next_sub_question_is_the_last_ones() -> None:
    text = "Answer: Rome.\nSub-question: Who rules Rome?\nAnswer: Ada Jr."
    assert read_reply(text) == Reply(
        intermediate="Rome", question="Who rules Rome?", tentative="Ada Jr."
    )


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("Final answer: Washington D.C.", "Washington D.C."),
        ("So, the final answer is Rome.", "Rome"),
        ("**Final Answer:** C#", "C#"),
        ("Final answer: **-5 degrees**", "-5 degrees"),
        ("Final answer: 1984.\nSub-question: what else?", "1984"),
    ],
)
def test_the_final_answer_is_read(text: str, final: str) -> None:
    assert read_reply(text) == Reply(final=final)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "Emma was written by Jane Austen.",
        "<think>Sub-question: Who wrote Emma?",
        "Sub-question:",
        "Sub-question: ???",
        "Tentative answer: Jane Austen",
        "Fact: Emma was written by Ada.",
        "Sub-question: " + "x" * (MAX_CHARS + 1),
    ],
)
def test_what_carries_nothing_on_is_empty(text: str) -> None:
    assert read_reply(text).empty


NAME = st.text(st.sampled_from("abcXYZäßéøЖ東' -&"), min_size=1, max_size=30).map(
    lambda text: "A" + " ".join(text.replace("'", "’").split()).rstrip("-–— ’*")
)
REPLIES = st.one_of(
    st.builds(Reply, question=NAME.map(lambda n: f"Who is {n}?"), tentative=st.none() | NAME),
    st.builds(
        Reply,
        check=st.sampled_from(["contradicts", "agrees", "unrelated"]) | st.none(),
        intermediate=NAME,
        question=NAME.map(lambda n: f"Where is {n}?"),
        tentative=NAME,
    ),
    st.builds(Reply, intermediate=NAME, final=NAME),
)


@given(REPLIES)
def test_a_reply_is_read_back(reply: Reply) -> None:
    assert read_reply(reply.text) == reply


@given(
    REPLIES,
    st.sampled_from(["", "Of course.\n", "<think>hm\nhm</think>\n", "\n\n"]),
    st.sampled_from(["{}:", "**{}:**", "- {} :", "## {}\n", "2. **{}**:", '"{}":']),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
    st.sampled_from(["", "\nFact: none\nFinal answer: nonsense", "\n\nUser: and now?"]),
)
def test_decoration_does_not_change_what_is_read(
    reply: Reply, before: str, label: str, newline: str, after: str
) -> None:
    lines = [line.partition(": ") for line in reply.text.split("\n")]
    text = newline.join(f"{label.format(name)} {value}" for name, _, value in lines)
    assert read_reply(before + text + after) == reply


PIECES = st.sampled_from(
    "Sub-question: |Tentative answer|Intermediate answer:|Final answer: |Fact:|Check: |\n|*|\"|'|{|"
    "<think>|</think>|contradict| not |```|Answer:|: | - |1.|?|\ud800|\u2028|\x00".split("|")
)


@given(st.lists(PIECES | st.text(max_size=9), max_size=40).map("".join))
def test_whatever_is_written_gives_short_clean_lines(text: str) -> None:
    reply = read_reply(text)
    for value in (reply.intermediate, reply.question, reply.tentative, reply.final):
        assert value is None or 0 < len(value) <= MAX_CHARS
        assert value is None or value == " ".join(value.split())
        (value or "").encode()  # no lone surrogate
    assert reply.question is None or reply.final is None
    assert reply.question is not None or reply.tentative is None
    assert read_reply(reply.text).empty == reply.empty


@pytest.mark.parametrize(
    "piece", ["*", '"', "<think>", "not ", "\n", "sub-question:", " - ", "1. "]
)
def test_a_flood_is_read_in_no_time(piece: str) -> None:
    started = time.perf_counter()
    read_reply(piece * 50_000)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("text", ["unknown", "Unknown.", "I don't know", "None", "N/A", "?", "-"])
def test_no_answer_is_known_as_such(text: str) -> None:
    assert is_unknown(text)


@pytest.mark.parametrize("text", ["Unknown Pleasures", "no", "Nonesuch", "0", "I, Robot"])
def test_an_answer_is_not_taken_for_none(text: str) -> None:
    assert not is_unknown(text)


def test_a_text_states_an_answer_in_whole_words() -> None:
    assert states("It is Rome, Italy.", "Rome") and states("rome", "Rome, Italy")
    assert not states("Romeo", "Rome") and not states("", "Rome") and not states("Rome", "?")


def test_the_worked_examples_keep_to_the_protocol() -> None:
    replies = [turn for turn in beginning() if isinstance(turn, AIMessage)]
    assert len(replies) >= 10
    for turn in replies:
        reply = read_reply(str(turn.text))
        assert reply.text == turn.text
