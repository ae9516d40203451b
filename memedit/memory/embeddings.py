"""Vectors of statements and phrases: made once with the store's encoder, kept beside the edits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np

from memedit.errors import EncoderError, StoreLockedError
from memedit.memory.plan import Change
from memedit.memory.queries import IN_LIST, as_list
from memedit.memory.records import edit_of
from memedit.memory.store import Store
from memedit.memory.writing import (
    Occasion,
    delete_unused_phrases,
    store_phrases,
    write_empty_revision,
)
from memedit.scope.encoder import EMBEDDED_NAME, Encoder, Progress, Vectors, load_encoder
from memedit.scope.phrases import relation_phrases

_log = logging.getLogger(__name__)


class Embeddings:
    """The vectors of one store.

    Args:
        store: Where they are kept.
        encoder: What makes them, or the name to load it by when it is first needed.
    """

    def __init__(self, store: Store, encoder: Encoder | str | None) -> None:
        self._store = store
        self._encoder = encoder
        self._loading = threading.Lock()

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded at first use.

        Raises:
            EncoderError: It cannot be loaded, or the store's vectors are another encoder's.
        """
        with self._loading:
            if self._encoder is None or isinstance(self._encoder, str):
                self._encoder = load_encoder(self._encoder or EMBEDDED_NAME)
        known = self._store.state()[1]
        if known not in (None, self._encoder.fingerprint):
            raise EncoderError(
                f"The store {self._store.path} was made with the encoder {known}, not with "
                f"{self._encoder.fingerprint}.",
                hint="Open it with that encoder, or embed its edits anew with "
                "memory.reencode(encoder) or: memedit doctor --reencode",
            )
        return self._encoder

    def missing_for(
        self,
        changes: Sequence[Change],
        have: Mapping[str, bytes],
        progress: Progress | None = None,
    ) -> dict[str, bytes]:
        """Encodes what ``changes`` need and neither the store nor ``have`` holds.

        Args:
            changes: The changes about to be written.
            have: Vectors by their text, from an earlier call.
            progress: Called with the number of edits just done.

        Returns:
            ``have`` and the new vectors, by text.
        """
        edits = [change.edit for change in changes if change.words_differ]
        stated = {edit.stated for edit in edits} - have.keys()
        phrases = {phrase for edit in edits for phrase in relation_phrases(edit)}
        phrases -= stated | have.keys() | self._stored(phrases).keys()
        # Two calls, so that progress counts statements and with them edits.
        vectors = {**have, **self._encode(sorted(phrases))}
        if progress and len(stated) < len(edits):
            progress(len(edits) - len(stated))  # several edits may state the same
        return {**vectors, **self._encode(sorted(stated), progress)}

    def phrase_vectors(self, texts: Sequence[str]) -> Vectors:
        """Vectors of phrases from the store; those it lacks are encoded and kept.

        Args:
            texts: Phrases, repetitions allowed.

        Returns:
            float32 ``[len(texts), dimension]``.
        """
        encoder = self.encoder
        vectors = self._stored(texts)
        new = self._encode(sorted(set(texts) - vectors.keys()))
        if new and not self._store.read_only:
            try:
                with self._store.writing() as connection:
                    self.record_encoder()
                    store_phrases(connection, new)
            except StoreLockedError:
                _log.info("%d phrase vectors were not kept: the store is being written", len(new))
        vectors.update(new)
        return matrix([vectors[text] for text in texts], encoder.dimension)

    def record_encoder(self) -> None:
        """Notes in the store, inside a transaction, whose vectors it holds."""
        encoder = self.encoder
        with self._store.writing() as connection:
            connection.execute(
                "UPDATE store SET encoder = ?, dimension = ? WHERE encoder IS NULL",
                (encoder.fingerprint, encoder.dimension),
            )

    def reencode(self, encoder: Encoder | str, occasion: Occasion) -> int:
        """Embeds every edit of every namespace anew, as one revision.

        Returns:
            How many edits were embedded.
        """
        encoder = load_encoder(encoder) if isinstance(encoder, str) else encoder
        vectors = encoded(encoder, sorted(self._texts()))
        with self._store.writing() as connection:
            # Phrases without an edit are a cache, and would be embedded for nothing.
            delete_unused_phrases(connection)
            came_between = self._texts() - vectors.keys()
            vectors |= encoded(encoder, sorted(came_between)) if came_between else {}
            connection.executemany(
                "UPDATE vectors SET vector = ? WHERE row = ?",
                [(vectors[text], row) for row, text in self._statements()],
            )
            connection.executemany(
                "UPDATE phrases SET vector = ? WHERE text = ?",
                [(vectors[text], text) for text in self._phrases()],
            )
            connection.execute(
                "UPDATE store SET encoder = ?, dimension = ?",
                (encoder.fingerprint, encoder.dimension),
            )
            write_empty_revision(connection, occasion)
        self._encoder = encoder
        return len(self._statements())

    def _statements(self) -> list[tuple[int, str]]:
        found = self._store.rows("SELECT row, payload FROM edits JOIN vectors USING (row)")
        return [(row, edit_of(payload).stated) for row, payload in found]

    def _phrases(self) -> list[str]:
        return [text for (text,) in self._store.rows("SELECT text FROM phrases")]

    def _texts(self) -> set[str]:
        return {text for _, text in self._statements()} | set(self._phrases())

    def _stored(self, texts: Iterable[str]) -> dict[str, bytes]:
        return dict(
            self._store.rows(
                f"SELECT text, vector FROM phrases WHERE text {IN_LIST}", [as_list(set(texts))]
            )
        )

    def _encode(self, texts: list[str], progress: Progress | None = None) -> dict[str, bytes]:
        return encoded(self.encoder, texts, progress) if texts else {}


def encoded(
    encoder: Encoder, texts: Sequence[str], progress: Progress | None = None
) -> dict[str, bytes]:
    """Vectors as they are stored, by text.

    Raises:
        EncoderError: The encoder gave something else than one finite vector a text.
    """
    vectors = np.ascontiguousarray(encoder.encode(texts, progress=progress), dtype="<f4")
    if vectors.shape != (len(texts), encoder.dimension) or not np.isfinite(vectors).all():
        raise EncoderError(
            f"The encoder {encoder.fingerprint} gave vectors of shape {vectors.shape} for "
            f"{len(texts)} texts, or numbers that are not finite.",
            hint=f"It must give one finite vector of {encoder.dimension} numbers a text.",
        )
    return {text: vector.tobytes() for text, vector in zip(texts, vectors, strict=True)}


def matrix(vectors: Sequence[bytes], dimension: int) -> Vectors:
    """Stored vectors as float32 ``[len(vectors), dimension]``."""
    flat = np.frombuffer(b"".join(vectors), dtype="<f4")
    return cast(Vectors, flat.reshape(len(vectors), dimension))
