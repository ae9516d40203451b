"""MQuAKE's figures: multi-hop questions, and the single facts they are made of.

Zhong et al. 2023 (MQuAKE, arXiv 2305.14795, and its notebook) and Gu et al. 2023 (PokeMQA,
arXiv 2312.15194, and its code). A question comes in several phrasings.

* any: one phrasing right is enough, the published multi-hop accuracy; all: every phrasing.
* exact: the answer is the gold answer or an alias and nothing else, case, accents, articles and
  punctuation aside.
* strict: the answer is the gold answer or an alias character by character, as the notebook
  compares, where the other figures look for it in the text
  (:func:`memedit.match.states`).
* hop-wise: of one phrasing, the answer is right, the trace has as many hops as the question, and
  every hop's answer is right; a method that shows no trace has no hop right.
* edit-wise: single edited facts recalled; instance-wise: all single facts of a chain recalled.

A question that another live edit may rightly answer otherwise (``contested``) is left out: in
MQuAKE-CF-3k a third of the gold answers are overturned by other cases' edits (Wang et al. 2024,
DeepEdit, arXiv 2401.10471).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import starmap

from memedit.evaluate.metrics.base import Mean, Metric, Observe, View, groups
from memedit.evaluate.metrics.editing import is_right
from memedit.evaluate.outcome import Output
from memedit.match import exact, states

_MQUAKE = "Zhong et al. 2023, arXiv 2305.14795 (MQuAKE)"
_POKEMQA = "Gu et al. 2023, arXiv 2312.15194 (PokeMQA)"
_HOPS = (2, 3, 4)
# Phrasings of one question and the chain's hops in order, to right or wrong; None without texts.
_Judge = Callable[[Sequence[Output], Sequence[Output]], float | None]
_Choose = Callable[[Sequence[float]], float]


def _questions(judge: _Judge, hops: int | None = None) -> Observe:
    """One observation for each question, of those with ``hops`` hops if given."""

    def observe(view: View) -> list[float | None]:
        asked = [pair for pair in view.pairs if pair[0].kind == "multi_hop"]
        chain = _chain(view)
        found: list[float | None] = []
        for members in groups(asked):
            phrasings = [output for output, _ in members]
            length = phrasings[0].meta.get("hops", len(chain))
            if hops in (None, length) and not any(output.contested for output in phrasings):
                found.append(judge(phrasings, chain))
        return found

    return observe


def _chain(view: View) -> list[Output]:
    """The chain's single hops in order."""
    hops = [output for output in view.outcome.outputs if output.kind == "hop"]
    return sorted(hops, key=lambda output: output.meta.get("hop", 0))


def _phrasings(judge: Callable[[Output], float | None], choose: _Choose) -> _Judge:
    """Judges a question by the best or the worst of its phrasings' results."""

    def judged(phrasings: Sequence[Output], chain: Sequence[Output]) -> float | None:
        results = [result for result in map(judge, phrasings) if result is not None]
        return choose(results) if results else None

    return judged


def _hopwise(phrasings: Sequence[Output], chain: Sequence[Output]) -> float | None:
    if not chain or all(output.text is None for output in phrasings):
        return None
    return float(any(is_right(output) == 1 and _follows(output, chain) for output in phrasings))


def _follows(output: Output, chain: Sequence[Output]) -> bool:
    """Whether the trace has as many hops as the chain, each with the chain's answer."""
    return len(output.hops) == len(chain) and all(
        states(str(step.get("answer") or ""), hop.answers)
        for step, hop in zip(output.hops, chain, strict=True)
    )


def _is_strict(output: Output) -> float | None:
    if output.text is None:
        return None
    return float(exact(output.text, output.answers, strict=True))


def _is_exact(output: Output) -> float | None:
    if output.text is None:
        return None
    return float(exact(output.text, output.answers))


def _edit_wise(view: View) -> list[float | None]:
    if all(output.kind != "multi_hop" for output in view.outcome.outputs):
        return []
    chosen = (pair for pair in view.pairs if pair[0].kind == "edit")
    return list(starmap(is_right, chosen))


def _instance_wise(view: View) -> list[float | None]:
    chain = _chain(view)
    if not chain or any(hop.contested for hop in chain):
        return []
    results = [is_right(hop) for hop in chain]
    return [None if None in results else float(all(results))]


def _accuracy(name: str, definition: str, observe: Observe, source: str = _MQUAKE) -> Mean:
    return Mean(
        name=name, definition=definition, source=source, measured="generation", observe=observe
    )


_ANY, _ALL = _phrasings(is_right, max), _phrasings(is_right, min)
_BY_PHRASINGS = (
    (
        "any",
        "Share of questions with at least one phrasing answered right",
        _phrasings(is_right, max),
        _MQUAKE,
    ),
    (
        "all",
        "Share of questions with every phrasing answered right",
        _phrasings(is_right, min),
        _MQUAKE,
    ),
    (
        "hopwise",
        "Share of questions with a phrasing answered right over a trace of the right length whose "
        "every hop is right",
        _hopwise,
        _POKEMQA,
    ),
)

MULTIHOP: tuple[Metric, ...] = (
    *(
        _accuracy(f"multihop.{name}", f"{definition}.", _questions(judge), source)
        for name, definition, judge, source in _BY_PHRASINGS
    ),
    _accuracy(
        "multihop.exact_any",
        "Share of questions with at least one phrasing answered by the gold answer or an alias "
        "and nothing else.",
        _questions(_phrasings(_is_exact, max)),
    ),
    _accuracy(
        "multihop.exact_all",
        "Share of questions with every phrasing answered by the gold answer or an alias and "
        "nothing else.",
        _questions(_phrasings(_is_exact, min)),
    ),
    _accuracy(
        "multihop.strict_any",
        "Share of questions with at least one phrasing answered by the gold answer or an alias, "
        "character by character.",
        _questions(_phrasings(_is_strict, max)),
    ),
    _accuracy(
        "multihop.strict_all",
        "Share of questions with every phrasing answered by the gold answer or an alias, character "
        "by character.",
        _questions(_phrasings(_is_strict, min)),
    ),
    Mean(
        name="multihop.edit_wise",
        definition="Share of edits recalled when asked by themselves, in cases with a multi-hop "
        "question; every edit weighs the same.",
        source=_MQUAKE,
        measured="generation",
        pooled=True,
        observe=_edit_wise,
    ),
    _accuracy(
        "multihop.instance_wise",
        "Share of cases in which every single hop of the chain is answered right by itself.",
        _instance_wise,
    ),
    *(
        _accuracy(
            f"multihop.{name}.{hops}hop",
            f"{definition}; questions of {hops} hops.",
            _questions(judge, hops),
            source,
        )
        for name, definition, judge, source in _BY_PHRASINGS
        for hops in _HOPS
    ),
)
