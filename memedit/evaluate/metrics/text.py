"""Figures of generated texts: fluency, repetition and consistency with reference texts.

Meng et al. 2022 (ROME, arXiv 2202.05262, section 3.4). Differences from the published figures, so
that nobody compares them: the texts here are greedy where ROME samples (top-k 5, 100 tokens), the
prompt is not part of the text, words are told apart by a simple rule where ROME uses NLTK's, and
the weights of the TF-IDF vectors come from the run's own reference texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import Any

from memedit.evaluate.metrics.base import Mean, Metric, View
from memedit.evaluate.outcome import Outcome, Output

_ROME = "Meng et al. 2022, arXiv 2202.05262, section 3.4"
_TOKEN = re.compile(r"\w+|[^\w\s]")


def tokens(text: str) -> list[str]:
    """Words and single punctuation marks, case kept, as NLTK's word tokeniser for plain prose."""
    return _TOKEN.findall(text)


def ngram_entropy(text: str, n: int) -> float:
    """Entropy of the text's word n-grams in bits; 0 where it has none."""
    counts = _ngrams(text, n)
    total = counts.total()
    return -sum(c / total * log2(c / total) for c in counts.values()) if total else 0.0


def generation_entropy(text: str) -> float:
    """GE: the mean of ⅔ H₂ and 4⁄3 H₃, times 100 as in ROME's tables.

    A repetitive text is near 0; the most that a text of w words can have is about 100 · log₂ w.
    """
    return 100 * (2 / 3 * ngram_entropy(text, 2) + 4 / 3 * ngram_entropy(text, 3)) / 2


def repeated_share(text: str, n: int = 3) -> float | None:
    """Share of the text's word n-grams that stood in it before; None below n words."""
    counts = _ngrams(text, n)
    return 1 - len(counts) / counts.total() if counts else None


def _ngrams(text: str, n: int) -> Counter[tuple[str, ...]]:
    found = tokens(text)
    return Counter(zip(*(found[i:] for i in range(n)), strict=False))


@dataclass(frozen=True, kw_only=True)
class Consistency(Mean):
    """Cosine similarity of generated and reference texts as TF-IDF vectors.

    Attributes:
        vectorizer: Fitted on the run's reference texts; without one nothing is measured.
    """

    vectorizer: Any = None

    def fitted(self, outcomes: Iterable[Outcome]) -> Metric:
        """The metric with word weights from the distinct reference texts of ``outcomes``."""
        references = sorted({text for outcome in outcomes for text in outcome.references})
        if not any(tokens(text) for text in references):
            return self
        # Imported late: most suites have no reference texts, and the import takes a second.
        from sklearn.feature_extraction.text import TfidfVectorizer

        # Words of any length: the default drops single letters and would leave "I" an empty text.
        vectorizer = TfidfVectorizer(token_pattern=r"(?u)\w+").fit(references)
        return replace(self, vectorizer=vectorizer, observe=_consistency(vectorizer))


def _consistency(vectorizer: Any) -> Callable[[View], list[float | None]]:
    def observe(view: View) -> list[float | None]:
        if not view.outcome.references:
            return []
        texts = _texts(view)
        if not texts:
            return [None] if _generated(view) else []
        joined = [" ".join(texts), " ".join(view.outcome.references)]
        # Rows have length 1 or, without a known word, 0: their product is the cosine.
        vectors = vectorizer.transform(joined)
        return [float((vectors[0] @ vectors[1].T).sum())]

    return observe


def _generated(view: View) -> list[Output]:
    return [output for output in view.outcome.outputs if output.kind == "generation"]


def _texts(view: View) -> list[str]:
    return [output.text for output in _generated(view) if output.text is not None]


def _each(judge: Callable[[str], float | None]) -> Callable[[View], Sequence[float | None]]:
    def observe(view: View) -> list[float | None]:
        return [None if output.text is None else judge(output.text) for output in _generated(view)]

    return observe


TEXT: tuple[Metric, ...] = (
    Mean(
        name="fluency",
        definition="Generation entropy: mean of ⅔ of the bigram and 4⁄3 of the trigram entropy of "
        "a text's words, in hundredths of a bit.",
        source=_ROME,
        measured="generation",
        unit="bits/100",
        observe=_each(generation_entropy),
    ),
    Mean(
        name="repetition",
        definition="Share of a text's word trigrams that stood in it before.",
        source="Welleck et al. 2020, arXiv 1908.04319 (repeated n-grams)",
        measured="generation",
        better="lower",
        worst=1.0,
        observe=_each(repeated_share),
    ),
    Consistency(
        name="consistency",
        definition="Cosine similarity of a case's joined texts and its joined reference texts as "
        "TF-IDF vectors.",
        source=_ROME,
        measured="generation",
        unit="cosine",
        observe=lambda view: [],
    ),
)
