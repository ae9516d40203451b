from __future__ import annotations

import gzip
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memedit.evaluate.datasets import DataSetError
from memedit.evaluate.datasets.source import checksum, read_records

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def write(path, data: bytes | str):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def values(path, **options):
    return [record.data for record in read_records(path, **options)]


@given(
    items=st.lists(JSON, min_size=1, max_size=6),
    chunk=st.integers(1, 40),
    indent=st.none() | st.integers(0, 2),
    ascii=st.booleans(),
    packed=st.booleans(),
)
def test_a_list_is_what_json_load_gives(tmp_path_factory, items, chunk, indent, ascii, packed):
    # A lone surrogate has no UTF-8; escaped it is valid JSON.
    text = json.dumps(items, indent=indent, ensure_ascii=ascii)
    raw = text.encode("utf-8", errors="replace")
    path = tmp_path_factory.mktemp("list") / "data"
    write(path, gzip.compress(raw, mtime=0) if packed else raw)
    expected = json.loads(raw)
    records = list(read_records(path, chunk=chunk))
    assert [record.place for record in records] == list(range(1, len(items) + 1))
    assert not any(record.broken for record in records)
    assert repr([record.data for record in records]) == repr(expected)  # NaN differs from itself


@settings(max_examples=40)
@given(items=st.lists(st.dictionaries(st.text(), JSON), min_size=1), chunk=st.integers(1, 40))
def test_lines_of_json_are_read_one_by_one(tmp_path_factory, items, chunk):
    path = tmp_path_factory.mktemp("lines") / "data"
    write(path, "".join(json.dumps(item) + "\n" for item in items))
    assert repr(values(path, chunk=chunk)) == repr(json.loads(json.dumps(items)))


@given(cut=st.integers(1, 60), chunk=st.integers(1, 20))
def test_wherever_a_list_is_cut_what_came_before_stands(tmp_path_factory, cut, chunk):
    items = [{"a": 1}, {"b": [2, "}"]}, {"c": {"d": "é\\"}}, 12345, "end"]
    raw = json.dumps(items, ensure_ascii=False).encode()
    path = write(tmp_path_factory.mktemp("cut") / "data", raw[:cut])
    try:
        records = list(read_records(path, chunk=chunk))
    except DataSetError:
        assert cut <= len(json.dumps(items[:1]))  # not one record was complete
        return
    whole = [record.data for record in records if not record.broken]
    assert whole == items[: len(whole)]
    assert records[-1].broken or cut >= len(raw)
    assert sum(bool(record.broken) for record in records) <= 1


def test_what_a_file_is_is_told_by_its_bytes(tmp_path):
    lines = b'{"a": 1}\n\n{"a": 2}\r\n'
    path = write(tmp_path / "misnamed.tsv", b"\xef\xbb\xbf" + lines)
    assert [(r.place, r.data) for r in read_records(path)] == [(1, {"a": 1}), (3, {"a": 2})]
    packed = write(tmp_path / "misnamed.json", gzip.compress(b"head @@ xNeed\ttail| \nnext\tx\n"))
    assert values(packed) == ["head @@ xNeed\ttail| ", "next\tx"]


def test_one_object_over_many_lines_is_one_record(tmp_path):
    data = {"success": [{"question": "Q?"}], "locality": []}
    assert values(write(tmp_path / "pretty.json", json.dumps(data, indent=2))) == [data]
    assert values(write(tmp_path / "short.json", json.dumps(data))) == [data]


def test_a_broken_line_does_not_end_the_file(tmp_path):
    path = write(tmp_path / "data.jsonl", '{"a": \n{"a": 2}\n{"a": 3\n{"a": 4}')
    records = list(read_records(path))
    assert [(r.place, r.data, bool(r.broken)) for r in records] == [
        (1, None, True),
        (2, {"a": 2}, False),
        (3, None, True),
        (4, {"a": 4}, False),
    ]
    assert "not valid JSON" in records[0].broken and "line 3" in records[2].broken


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"a": 1}, {"a" 2}, {"a": 3}]', "not valid JSON"),
        ('[{"a": 1} {"a": 2}]', "neither ',' nor ']'"),
        ('[{"a": 1},]', "not valid JSON"),
        ('[{"a": 1}, {"a":', "ends within the list"),
        ('[{"a": 1}', "ends within the list"),
        ('[{"a": 1}] and more', "text follows"),
    ],
)
def test_broken_syntax_ends_a_list_with_its_reason(tmp_path, text, reason):
    first, last = read_records(write(tmp_path / "data.json", text))
    assert first.data == {"a": 1} and not first.broken
    assert last.place == 2 and last.data is None and reason in last.broken


@pytest.mark.parametrize("form", ["list", "lines"])
def test_a_gzip_cut_off_keeps_what_came_before(tmp_path, form):
    # Digests do not compress, so that half the packed bytes hold about half the records.
    items = [{"n": n, "x": hashlib.sha256(b"%d" % n).hexdigest()} for n in range(400)]
    text = json.dumps(items) if form == "list" else "\n".join(map(json.dumps, items))
    raw = gzip.compress(text.encode())
    records = list(read_records(write(tmp_path / "cut.gz", raw[: len(raw) // 2])))
    assert 100 < len(records) < 300
    assert [record.data for record in records[:-1]] == items[: len(records) - 1]
    assert "damaged or cut off" in records[-1].broken and records[-1].place == len(records)


def test_a_gzip_with_flipped_bytes_is_damaged(tmp_path):
    raw = bytearray(gzip.compress(json.dumps([{"n": n} for n in range(20)]).encode()))
    raw[-8] ^= 0xFF  # the check sum
    records = list(read_records(write(tmp_path / "data.gz", bytes(raw))))
    assert [record.data for record in records[:-1]] == [{"n": n} for n in range(20)]
    assert "damaged" in records[-1].broken


def test_what_is_not_utf8_ends_the_file_with_its_reason(tmp_path):
    path = write(tmp_path / "data.json", b'[{"a": "\xc3\xa9"}, {"a": "\xe9t"}, {"a": 3}]')
    first, last = read_records(path)
    assert first.data == {"a": "é"} and last.broken == "the file is not UTF-8 (byte 0xe9)"
    path = write(tmp_path / "data.jsonl", b'{"a": 1}\n{"a": "\xff"}\n{"a": 3}\n')
    first, last = read_records(path)
    assert first.data == {"a": 1} and last.place == 2 and "0xff" in last.broken


@pytest.mark.parametrize(
    "raw", [b"", b" \n ", b"[]", b'[{"a": ', b'{"a": \n', b"\xff\xfe", gzip.compress(b"[1]")[:12]]
)
def test_a_file_without_a_record_is_refused(tmp_path, raw):
    with pytest.raises(DataSetError, match="holds no record"):
        list(read_records(write(tmp_path / "data.json", raw)))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataSetError, match=r"absent\.json.*cannot be read.*Check the path"):
        list(read_records(tmp_path / "absent.json"))
    with pytest.raises(DataSetError, match="cannot be read"):
        checksum(tmp_path)


def test_numbers_and_nestings_without_end_are_broken_records(tmp_path):
    endless = "[" * 100_000
    first, last = read_records(write(tmp_path / "data.json", f'[1, {{"a": {endless}'))
    assert first.data == 1 and last.broken
    path = write(tmp_path / "data.jsonl", f'{{"a": 1}}\n{{"a": {"9" * 5000}}}\n{{"a": 3}}')
    assert [record.data for record in read_records(path)] == [{"a": 1}, None, {"a": 3}]


def test_a_list_is_not_read_further_than_needed(tmp_path):
    path = write(tmp_path / "data.json", json.dumps([{"x": "y" * 100}] * 10_000))
    records = read_records(path, chunk=1000)
    next(records)
    path.write_bytes(b"")  # the open file has ended where it stands
    assert len(list(records)) < 100


def test_the_checksum_is_that_of_the_bytes_on_disk(tmp_path):
    path = write(tmp_path / "data.gz", gzip.compress(b"[1]", mtime=0))
    assert checksum(path) == hashlib.sha256(path.read_bytes()).hexdigest()
