from __future__ import annotations

import json
import random
import sqlite3

import numpy as np
import pytest

from memedit.errors import StoreLockedError, UnknownEditError
from memedit.memory import EditMemory
from memedit.text import name_key

SECRETS = ["Zyxomma Quillfeather", "Ünterwürzel", "Grobnik", "Vlorptown", "Snarfblat", "Quaggles"]


# With these, SQLite 3.40 leaves copies of the words unless the file is rewritten.
SEEDS = (3, 5, 16)


def secret_edit(fact, **fields):
    return fact(
        "Zyxomma Quillfeather",
        "Vlorptown",
        aliases=["Ünterwürzel", "Grobnik"],
        target_true="Snarfblat",
        paraphrases=["Ask Grobnik where Quaggles are"],
        statement="Zyxomma Quillfeather keeps Quaggles in Vlorptown.",
        **fields,
    )


def left_in_files(path):
    """Those of SECRETS that any file of the store holds, in any of the forms it could."""
    found = set()
    for file in path.parent.rglob("*"):
        content = file.read_bytes().lower() if file.is_file() else b""
        for secret in SECRETS:
            spellings = {secret, secret.casefold(), name_key(secret), json.dumps(secret)[1:-1]}
            if any(spelling.encode().lower() in content for spelling in spellings):
                found.add((secret, file.name))
    return found


def fill(memory, fact, count=300):
    """Edits of many lengths, so that pages of the database split and rows move."""
    rng = np.random.default_rng(0)
    texts = ["lorem " * int(rng.integers(1, 60)) for _ in range(count)]
    return memory.add([fact(f"S{n}", text) for n, text in enumerate(texts)])


def test_the_words_leave_every_file(memory, path, encoder, fact):
    others = fill(memory, fact)
    (edit_id,) = memory.add(secret_edit(fact), reason="Grobnik said so")
    memory.update(edit_id, tags=["Quaggles"], reason="about Zyxomma")
    memory.update(others[5], target_new="moved " * 400)
    memory.retire([edit_id, others[0]], reason="spring cleaning")
    memory.rebuild_index()
    memory.close()
    assert len(left_in_files(path)) >= len(SECRETS)  # the search finds what is there

    with EditMemory.open(path, encoder=encoder, actor="ada") as again:
        assert again.erase(edit_id, reason="Quillfeather asked") == 1
        assert left_in_files(path) == set()
        (*earlier, last) = again.history(edit_id)
        assert [event.action for event in earlier] == ["add", "update", "retire"]
        assert all(event.before is event.after is None for event in again.history(edit_id))
        assert [event.reason for event in earlier] == ["", "", "spring cleaning"]
        assert (last.action, last.actor, last.reason) == ("erase", "ada", "")
        tombstone = again.record(edit_id)
        assert (tombstone.status, tombstone.edit) == ("erased", None)
        assert again.list(status="erased") == [tombstone]
        assert again.list(contains="lorem", limit=1)
    assert left_in_files(path) == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_copies_that_moving_rows_leave_behind_go_too(memory, path, fact, seed):
    """Pages split and rows move between them; a plain DELETE leaves copies in unused bytes."""
    rng = random.Random(seed)
    ids, secrets = [], []
    for turn in range(40):
        batch = [
            fact(f"S{turn} {n}", "lorem " * rng.randint(1, 200), id=f"{turn}-{n}")
            for n in range(rng.randint(1, 12))
        ]
        if turn % 4 == 0:
            secrets.append(f"secret-{turn}")
            words = "Quaggles " * rng.randint(1, 40)
            batch.append(fact(f"Grobnik {turn}", words, id=secrets[-1]))
        rng.shuffle(batch)
        ids += memory.add(batch)
        for edit_id in rng.sample(ids, min(4, len(ids))):
            word = "Quaggles " if edit_id in secrets else "dolor "
            memory.update(edit_id, target_new=word * rng.randint(1, 200))
    memory.erase(secrets)
    assert left_in_files(path) == set()


def test_with_another_reader_connected(memory, path, fact, make_encoder):
    (edit_id,) = memory.add(secret_edit(fact))
    with EditMemory.open(path, encoder=make_encoder(), read_only=True) as reader:
        assert reader.list()
        memory.erase(edit_id, reason="kept in words of its own")
        assert left_in_files(path) == set()
        assert reader.record(edit_id).status == "erased"
    assert memory.history(edit_id)[-1].reason == "kept in words of its own"


def test_a_reader_that_keeps_old_pages_is_reported_and_made_up_for(path, encoder, fact):
    memory = EditMemory.open(path, encoder=encoder, lock_timeout=0.1)
    (edit_id,) = memory.add(secret_edit(fact))
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM edits").fetchall()
    with pytest.raises(StoreLockedError, match="erased from every table"):
        memory.erase(edit_id)
    assert memory.record(edit_id).status == "erased"
    reader.close()
    memory.close()
    with EditMemory.open(path, encoder=encoder):
        assert left_in_files(path) == set()


def test_rolled_back_and_superseded_words_leave_too(memory, path, fact):
    memory.add(fact("Ada"))
    (taken_back,) = memory.add(secret_edit(fact))
    memory.rollback(1)
    assert memory.erase(taken_back) == 1
    assert left_in_files(path) == set()


def test_shared_phrases_stay(memory, fact):
    one, other = memory.add([fact("Ada"), fact("Bob")])
    memory.erase(one)
    assert [hit.record.id for hit in memory.search("Bob")] == [other]
    assert memory.stats().erased == 1


def test_erase_twice_and_unknown(memory, fact):
    (edit_id,) = memory.add(fact())
    assert (memory.erase([edit_id, edit_id]), memory.erase(edit_id)) == (1, 0)
    assert memory.revision == 2
    with pytest.raises(UnknownEditError, match="was erased"):
        memory.get(edit_id)
    with pytest.raises(UnknownEditError, match="was erased"):
        memory.restore(edit_id)


def test_erase_subject_finds_every_spelling_and_every_past(memory, fact):
    ids = memory.add(
        [
            fact("Beyoncé"),
            fact("B", aliases=["BEYONCE"]),
            fact("C"),
            fact("Ada", "Beyoncé", prompt="{} is a friend of"),
        ]
    )
    memory.update(ids[2], subject="beyonce", prompt="{} lives in")
    memory.update(ids[2], subject="C")
    memory.retire(ids[1])
    assert memory.erase_subject("Beyonce") == 3
    assert [record.id for record in memory.list()] == [ids[3]]
    assert memory.erase_subject("Beyonce") == 0


def test_the_index_forgets(memory, encoder, fact):
    one, other = memory.add([fact("Ada"), fact("Bob")])
    vector = encoder.encode([memory.get(one).stated])[0]
    assert memory.nearest(vector, 1)[0][0] == one
    memory.erase(one)
    assert [id_ for id_, _ in memory.nearest(vector, 5)] == [other]
