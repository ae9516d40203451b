"""Figures of commonsense edits: answers in words of one's own, yes or no off scope, one Score.

Huang et al. 2024 (DEM, arXiv 2410.23844) report Efficacy, Generality, Specificity, Commonsense and
their Score on CKEBench, but neither code nor what each is measured on. Here they are
``reliability``, ``generalization``, ``tf.specificity`` and ``reasoning``, and Score is their
harmonic mean; which field of the data is which is said in
:func:`~memedit.evaluate.datasets.commonsense.ckebench_case`.

An answer of several words may be right in others, or repeat a word for ever and hold the target all
the same. So beside containment there are the similarity to the target by the shipped encoder, and
the repetition and entropy of what was written. Only queries that are answered in free text count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from memedit.evaluate.metrics.base import Mean, Metric, Select, View, queries, uncontested
from memedit.evaluate.metrics.base import of_kind as _of_kind
from memedit.evaluate.metrics.counterfact import HarmonicMean
from memedit.evaluate.metrics.editing import EDITING
from memedit.evaluate.metrics.text import ngram_entropy, repeated_share
from memedit.evaluate.outcome import Outcome, Output

if TYPE_CHECKING:
    from memedit.scope.encoder import Encoder

_DEM = "Huang et al. 2024, arXiv 2410.23844; which fields, this project"
_OPEN = ("edit", "rephrase", "reasoning")


def beginning(text: str, words: int) -> str:
    """The first sentence of a text, cut to so many words."""
    first = re.split(r"(?<=[.!?])\s|\n", text.strip(), maxsplit=1)[0]
    return " ".join(first.split()[:words])


def _open(*kinds: str) -> Select:
    """Selects outputs of these kinds that are answered in free text."""
    return lambda output: output.kind in kinds and bool(output.meta.get("free_text"))


def _leans(output: Output, base: Output | None) -> float | None:
    """1 where the likelier of yes and no is the one it was for the unedited model."""
    if base is None or output.new is None or output.true is None:
        return None
    if base.new is None or base.true is None:
        return None
    return float((output.new.mean > output.true.mean) == (base.new.mean > base.true.mean))


@dataclass(frozen=True, kw_only=True)
class Similarity(Mean):
    """Cosine of the beginning of a text and its likest right answer, by an encoder.

    The beginning is the first sentence, cut to twice the words of the longest answer: a model goes
    on after the answer, and what it adds is not to count.

    Attributes:
        kinds: Of which queries.
        encoder: Embeds both; loaded when first needed, the shipped one where None.
    """

    kinds: tuple[str, ...]
    encoder: Encoder | None = None

    def fitted(self, outcomes: Iterable[Outcome]) -> Metric:
        """The metric with the similarities of these outcomes' texts, embedded together."""
        chosen = [
            output
            for outcome in outcomes
            for output in outcome.outputs
            if _open(*self.kinds)(output) and output.text is not None
        ]
        if not chosen:
            return self
        from memedit.scope.encoder import load_encoder

        likest = _Likest(self.encoder or load_encoder())
        likest.read([_pair(output) for output in chosen])
        return replace(
            self,
            observe=queries(
                _open(*self.kinds),
                lambda output, base: None if output.text is None else likest(_pair(output)),
            ),
        )


_Pair = tuple[str, tuple[str, ...]]  # the beginning of a text, and the right answers


def _pair(output: Output) -> _Pair:
    longest = max(len(answer.split()) for answer in output.answers)
    return beginning(output.text or "", 2 * longest), output.answers


class _Likest:
    """Cosines of beginnings and their likest answers; every text is embedded once."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str, Any] = {}

    def read(self, pairs: Iterable[_Pair]) -> None:
        """Embeds what is not yet."""
        texts = {text for said, answers in pairs for text in (said, *answers)}
        new = sorted(texts - self._vectors.keys())
        if new:
            self._vectors |= dict(zip(new, self._encoder.encode(new), strict=True))

    def __call__(self, pair: _Pair) -> float:
        self.read([pair])  # another run's text, which the metric was not fitted on
        said, answers = pair
        return max(float(self._vectors[said] @ self._vectors[answer]) for answer in answers)


def _similar(name: str, what: str, *kinds: str) -> Similarity:
    return Similarity(
        name=name,
        definition=f"Cosine of what was written to {what} and the likest right answer, by the "
        "shipped encoder; the first sentence, at most twice as long as the answer.",
        source="This project (in place of the judge of arXiv 2410.23844)",
        measured="generation",
        unit="cosine",
        kinds=kinds,
        observe=lambda view: [],
    )


def _written(judge: Callable[[str], float | None]) -> Callable[[View], Sequence[float | None]]:
    return queries(
        _open(*_OPEN),
        lambda output, base: None if output.text is None else judge(output.text),
    )


SPECIFICITY = Mean(
    name="tf.specificity",
    definition="Share of yes-or-no queries out of scope on which the likelier of the two words is "
    "the one it was without edits; 1 for the base model by definition.",
    source=_DEM,
    measured="teacher-forced",
    observe=queries(uncontested(_of_kind("locality")), _leans),
)
_NAMED = {metric.name: metric for metric in EDITING if isinstance(metric, Mean)}

COMMONSENSE: tuple[Metric, ...] = (
    SPECIFICITY,
    HarmonicMean(
        name="commonsense.score",
        definition="Harmonic mean of reliability, generalization, tf.specificity and reasoning.",
        source=_DEM,
        measured="generation",
        parts=(
            _NAMED["reliability"],
            _NAMED["generalization"],
            SPECIFICITY,
            _NAMED["reasoning"],
        ),
    ),
    _similar("similarity", "the edit prompt", "edit"),
    _similar("similarity.generalization", "rephrasings of the edit", "rephrase"),
    _similar("similarity.reasoning", "commonsense queries that follow from the edit", "reasoning"),
    Mean(
        name="answers.repetition",
        definition="Share of the word pairs of an answer in free text that stood in it before.",
        source="Welleck et al. 2020, arXiv 1908.04319 (repeated n-grams)",
        measured="generation",
        better="lower",
        worst=1.0,
        observe=_written(lambda text: repeated_share(text, 2)),
    ),
    Mean(
        name="answers.entropy",
        definition="Entropy of the word pairs of an answer in free text.",
        source="Zhang et al. 2018, arXiv 1809.05972 (n-gram entropy)",
        measured="generation",
        unit="bits",
        observe=_written(lambda text: ngram_entropy(text, 2)),
    ),
)
