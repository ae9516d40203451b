from __future__ import annotations

import numpy as np
import pytest

from memedit.errors import EncoderError
from memedit.memory import EditMemory
from memedit.scope.encoder import EMBEDDED_NAME
from memedit.scope.phrases import relation_phrases


def test_phrases_are_encoded_once(memory, encoder, fact):
    memory.add([fact("Ada"), fact("Bob")])
    assert len(encoder.encoded) == len(set(encoder.encoded))
    phrases = relation_phrases(fact())
    encoder.encoded.clear()
    assert np.allclose(
        memory.phrase_vectors([*phrases, phrases[0]])[-1], encoder.encode(phrases)[0]
    )
    assert encoder.encoded == list(phrases)  # only the test itself encoded


def test_unseen_phrases_are_kept(memory, encoder):
    first = memory.phrase_vectors(["b", "a", "b"])
    encoder.encoded.clear()
    assert np.array_equal(memory.phrase_vectors(["b", "a", "b"]), first)
    assert encoder.encoded == []
    assert memory.phrase_vectors([]).shape == (0, 16)
    assert memory.revision == 0


def test_a_store_of_another_encoder(memory, path, make_encoder, fact):
    (edit_id,) = memory.add(fact())
    with EditMemory.open(path, encoder=make_encoder("other")) as wrong:
        for use in (
            lambda: wrong.encoder,
            lambda: wrong.search("x"),
            lambda: wrong.phrase_vectors(["plays"]),
            lambda: wrong.add(fact("Ada")),
            lambda: wrong.update(edit_id, target_new="golf"),
        ):
            with pytest.raises(EncoderError, match="hash, not with other.*doctor --reencode"):
                use()
        assert len(wrong.list()) == 1
        assert wrong.retire(edit_id) == 1  # needs no vectors


def test_reencode_all_namespaces(memory, path, make_encoder, fact):
    (mine,) = memory.add(fact())
    other = memory.in_namespace("other")
    (theirs,) = other.add(fact("Ada"))
    memory.retire(mine)
    query = memory.encoder.encode(["x"])[0]
    assert len(other.nearest(query, 5)) == 1
    new = make_encoder("new", 24)
    with EditMemory.open(path, encoder=new) as again:
        assert again.reencode(new) == 2
        again.restore(mine)
        stated = again.get(mine).stated
        assert again.nearest(new.encode([stated])[0], 1) == [(mine, pytest.approx(1, abs=1e-5))]
        phrases = relation_phrases(fact())
        assert np.allclose(again.phrase_vectors(phrases), new.encode(phrases))
        assert again.stats().encoder == "new"
    with pytest.raises(EncoderError):
        memory.search("x")
    vector = new.encode([other.get(theirs).stated])[0]
    assert other.nearest(vector, 5) == [(theirs, pytest.approx(1, abs=1e-5))]


@pytest.mark.parametrize("bad", [np.ones((1, 16)), np.full((3, 16), np.nan), np.ones((3, 5))])
def test_an_encoder_that_gives_rubbish_writes_nothing(memory, encoder, fact, bad, monkeypatch):
    monkeypatch.setattr(encoder, "encode", lambda texts, progress=None: bad)
    with pytest.raises(EncoderError, match="It must give one finite vector of 16 numbers"):
        memory.add(fact())
    assert memory.revision == 0


def test_another_writer_comes_in_between(memory, path, make_encoder, fact):
    """The plan made before encoding no longer holds when the lock is taken."""

    class Slow(make_encoder):
        def encode(self, texts, *, progress=None):
            if any("chess" in text for text in texts):
                memory.add(fact(target="golf", id="golf"))
                memory.add(fact("Ada", "poker", id="poker"))
            return super().encode(texts, progress=progress)

    with EditMemory.open(path, encoder=Slow()) as slow:
        assert slow.add([fact(target="chess", id="chess"), fact("Ada", "poker")]) == [
            "chess",
            "poker",
        ]
    assert memory.record("golf").superseded_by == "chess"
    assert [record.id for record in memory.list()] == ["poker", "chess"]
    assert len(memory.nearest(memory.encoder.encode(["x"])[0], 9)) == 2


def test_the_embedded_encoder_finds_by_meaning(path, fact):
    with EditMemory.open(path, encoder=EMBEDDED_NAME) as memory:
        memory.add(
            [
                fact("Lionel Messi", id="sport"),
                fact("France", "Lyon", prompt="The capital of {} is", id="capital"),
                fact("Mozart", "Beethoven", prompt="The father of {} is", id="father"),
            ]
        )
        assert memory.search("Who raised the composer?", 1)[0].record.id == "father"
        assert memory.search("Which city governs the French?", 1)[0].record.id == "capital"
        assert memory.stats().encoder == memory.encoder.fingerprint
