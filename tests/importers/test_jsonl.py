"""Our own JSONL: nothing is lost, and what is malformed is named by its line."""

from __future__ import annotations

import gzip
import io
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.edit import Edit
from memedit.errors import ImportFormatError
from memedit.importers import load_edits

GOOD = '{"id": "a1", "subject": "Oslo", "prompt": "The river through {} is", "target_new": "Akers"}'

# Any text an edit may hold, other scripts and line separators of Unicode included.
WORDS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="{}"), min_size=1, max_size=30
).filter(lambda text: any(ch.isalnum() for ch in text))
DAYS = st.one_of(st.none(), st.dates())


@st.composite
def edits(draw):
    before, subject, target = draw(WORDS), draw(WORDS), draw(WORDS)
    start, end = draw(DAYS), draw(DAYS)
    if start and end and end <= start:
        end = None
    return Edit(
        id=draw(st.text(string.ascii_letters + string.digits, min_size=1, max_size=20)),
        subject=subject,
        prompt=f"{before} {{}} is",
        target_new=target,
        aliases=draw(st.lists(WORDS.map(str.strip).filter(bool), max_size=3)),
        relation=draw(st.none() | WORDS),
        statement=draw(st.none() | WORDS),
        source=draw(st.none() | WORDS),
        tags=draw(st.lists(WORDS.map(str.strip).filter(bool), max_size=2)),
        language=draw(st.sampled_from(["en", "de", "zh-Hant"])),
        valid_from=start,
        valid_to=end,
    )


@given(st.lists(edits(), max_size=5, unique_by=lambda edit: edit.id), st.booleans())
def test_what_is_written_is_read_back_equal(tmp_path_factory, some, packed):
    raw = "".join(f"{edit.to_json()}\n" for edit in some).encode()
    path = tmp_path_factory.mktemp("jsonl") / "edits.jsonl"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    loaded = load_edits(path)
    assert list(loaded) == some
    assert (loaded.summary.taken, loaded.summary.skipped) == (len(some), 0)


def load(text):
    file = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    file.name = "edits.jsonl"
    return load_edits(file, "jsonl")


def test_blank_lines_and_a_byte_order_mark_do_no_harm():
    assert [edit.id for edit in load(b"\xef\xbb\xbf\n" + GOOD.encode() + b"\n\n")] == ["a1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{GOOD}\n{GOOD[:40]}", "edits.jsonl:2: not valid JSON"),
        (f"{GOOD}\n\nnonsense\n", "edits.jsonl:3: not valid JSON"),
        (f'[{GOOD},\n{{"id": }}]', "edits.jsonl:2: not valid JSON"),
        ("[" * 100_000, "edits.jsonl:1: not valid JSON"),
        (f"{GOOD}\n[1]\n", "edits.jsonl:2: The record is not an object but list."),
        (f'{GOOD}\n{{"subject": "Oslo"}}', "edits.jsonl:2: Fields are missing: target_new."),
        (
            f'{GOOD}\n{{"subject": "", "prompt": "{{}} is", "target_new": "b"}}',
            "edits.jsonl:2: subject: it is empty.",
        ),
        (
            f'{GOOD}\n{{"subject": "a", "prompt": "a is", "target_new": "b"}}',
            "edits.jsonl:2: prompt: 'a is' has no slots for the subject.",
        ),
        (
            f"{GOOD}\n\n{GOOD}\n",
            "edits.jsonl:3: the id 'a1' was already given at edits.jsonl:1.",
        ),
        (GOOD.encode() + b"\n\xff\n", "edits.jsonl:2: not UTF-8 text (byte 0xff)."),
        (gzip.compress(GOOD.encode())[:-9], "'edits.jsonl' cannot be read"),
    ],
)  # fmt: skip
def test_malformed_lines_are_named(text, said):
    with pytest.raises(ImportFormatError) as caught:
        load(text)
    assert said in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(ImportFormatError) as caught:
        load_edits(tmp_path / name)
    assert str(tmp_path) in str(caught.value)


def test_an_empty_file_holds_no_edits():
    assert list(load("")) == []
