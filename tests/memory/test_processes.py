"""Several processes and threads on one store; kills at any moment."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from memedit.memory import EditMemory, index

WRITER = Path(__file__).with_name("writer.py")


@pytest.fixture
def start_writer(path):
    started = []

    def start(name):
        process = subprocess.Popen(
            [sys.executable, str(WRITER), str(path), name], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def lines_until_killed(process, seconds):
    """What the writer told before it was killed; a torn last line is no promise."""
    first = process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    rest = process.stdout.read()
    process.wait()
    return [json.loads(line) for line in (first + rest).split("\n")[:-1]]


def check_promises(memory, promises):
    for promise in promises:
        for edit_id, state in promise.items():
            record = memory.record(edit_id)
            if state == "updated":
                later = [event.action for event in memory.history(edit_id)]
                assert "update" in later
            elif state == "active":
                assert memory.history(edit_id)[0].action == "add"
            else:
                order = ["active", "retired", "erased"]
                assert order.index(record.status) >= order.index(state)


def check_whole(memory, path, encoder):
    """Nothing half-written: integrity, events for every state, vectors for every edit."""
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    ((revision,),) = raw.execute("SELECT revision FROM store").fetchall()
    ((newest, count),) = raw.execute("SELECT max(revision), count(*) FROM revisions").fetchall()
    assert revision == newest == count
    raw.close()
    last = {event.edit_id: event for event in memory.history()}
    for record in memory.list(status="all"):
        event = last[record.id]
        assert (record.status, record.edit) == (event.status_after, event.after)
    active = memory.list()
    vectors = encoder.encode([record.edit.stated for record in active])
    hits = dict(memory.nearest(vectors[0], len(active) + 10))
    assert set(hits) == {record.id for record in active}
    assert np.allclose([hits[r.id] for r in active], vectors @ vectors[0], atol=1e-5)
    for edit_id, _ in list(hits.items())[:3]:
        assert memory.search(memory.get(edit_id).subject, 1)[0].record.id == edit_id


@pytest.mark.parametrize("seed", range(6))
def test_kill_at_any_moment(path, encoder, start_writer, seed, monkeypatch):
    monkeypatch.setattr(index, "WORTH_SAVING", 10)
    pause = random.Random(seed).uniform(0.0, 0.5)
    for name in ("first", "second"):  # the second finds what the first left
        promises = lines_until_killed(start_writer(name), pause)
        with EditMemory.open(path, encoder=encoder) as memory:
            check_promises(memory, promises)
            check_whole(memory, path, encoder)


def test_several_writers_take_turns(path, encoder, start_writer):
    writers = [start_writer(name) for name in ("one", "two", "three")]
    promises = [promise for writer in writers for promise in lines_until_killed(writer, 0.3)]
    with EditMemory.open(path, encoder=encoder) as memory:
        check_promises(memory, promises)
        check_whole(memory, path, encoder)


def test_a_reader_sees_another_process_at_its_next_call(path, encoder, start_writer):
    with EditMemory.open(path, encoder=encoder) as reader:
        assert (len(reader), reader.revision) == (0, 0)
        query = encoder.encode(["x"])[0]
        assert reader.nearest(query, 100) == []
        writer = start_writer("other")
        for _ in range(5):
            promise = json.loads(writer.stdout.readline())
            for edit_id, state in promise.items():
                assert reader.history(edit_id)
                if state == "active":  # unless the writer is already further
                    found = dict(reader.nearest(query, 10_000))
                    assert edit_id in found or edit_id not in reader
        changes = reader.changes(0)
        assert changes.revision >= 3
        assert changes.records


def test_many_open_a_new_store_at_once(path, encoder, start_writer):
    writers = [start_writer(name) for name in "abcd"]
    for writer in writers:
        assert json.loads(writer.stdout.readline())
    with EditMemory.open(path, encoder=encoder) as memory:
        assert memory.revision >= 4


def test_threads_share_a_memory(memory, fact):
    errors = []

    def work(name):
        try:
            for n in range(10):
                (edit_id,) = memory.add(fact(f"{name} {n}"))
                assert memory.search(f"{name} {n}", 1)[0].record.id == edit_id
                assert memory.record(edit_id).status == "active"
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"T{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (len(memory), memory.revision) == (40, 40)
