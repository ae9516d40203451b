"""Figures of answers in free text, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from memedit.evaluate.cases import FREE_TEXT
from memedit.evaluate.compare import compare
from memedit.evaluate.metrics import View, figures
from memedit.evaluate.metrics.commonsense import Similarity, beginning
from memedit.evaluate.metrics.figures import METRICS
from tests.evaluate.metrics.made import case, likelihood, output

OPEN = dict(FREE_TEXT)


def said(kind, text, answers=("say thanks",), **values):
    return output(kind, text, answers, meta=OPEN, **values)


def leaning(yes, no=-1.0):
    return output("locality", "Yes", (), new=likelihood(yes), true=likelihood(no))


class Letters:
    """An encoder that counts three letters; it remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[list[str]] = []

    def encode(self, texts, *, progress=None):
        self.given.append(list(texts))
        counts = np.array([[text.count(c) + 0.0 for c in "sto"] for text in texts])
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def similarity(encoder):
    return replace(METRICS["similarity"], encoder=encoder)


def test_specificity_is_whether_the_likelier_of_yes_and_no_stays():
    base = [case("1", leaning(-0.5), leaning(-2.0)), case("2", leaning(-0.5))]
    after = [case("1", leaning(-0.1), leaning(-0.9)), case("2", leaning(-0.9))]
    found = figures(after, base, names=["tf.specificity"])["tf.specificity"]
    assert (found.value, found.base, found.n) == (pytest.approx((1 / 2 + 1) / 2), 1, 3)


def test_the_score_is_the_harmonic_mean_of_the_four():
    wrong, right = "sleep", "say thanks"
    after = [
        case(
            "1",
            said("edit", right),
            *(said("rephrase", text) for text in (right, wrong)),
            *(said("reasoning", text) for text in (right, wrong, wrong, wrong)),
            leaning(-0.1),
        )
    ]
    base = [replace(after[0], outputs=tuple(replace(o, text="") for o in after[0].outputs))]
    found = figures(after, base, names=["commonsense.score", "reasoning"])
    assert found["reasoning"].value == 0.25
    assert found["commonsense.score"].value == pytest.approx(4 / (1 + 2 + 4 + 1))


def test_words_that_repeat_are_caught_also_where_the_target_is_there():
    text = "say thanks needs to needs to needs to"
    names = ["answers.repetition", "answers.entropy", "reliability"]
    found = figures([case("1", said("edit", text))], names=names)
    # Pairs: say thanks, thanks needs, needs to x3, to needs x2: 7, of which 4 are different.
    assert found["answers.repetition"].value == pytest.approx(3 / 7)
    assert found["reliability"].value == 1
    assert found["answers.entropy"].value == pytest.approx(1.842, abs=1e-3)
    assert list(figures([case("1", output("edit", text))], names=names)) == ["reliability"]


def test_the_beginning_is_a_sentence_of_so_many_words():
    assert beginning(" say thanks. Then he goes", 9) == "say thanks."
    assert beginning("say thanks to all of them", 4) == "say thanks to all"
    assert beginning("", 4) == ""


def test_similarity_is_that_of_the_likest_answer():
    encoder = Letters()
    metric = similarity(encoder)
    assert isinstance(metric, Similarity)
    outcomes = [case("1", said("edit", "s s", ("t", "so")), said("rephrase", "o", ("t",)))]
    fitted = metric.fitted(outcomes)
    assert encoder.given == [["s s", "so", "t"]]  # each text once, of the edit prompts alone
    assert fitted.row(View(outcomes[0]))[1] == pytest.approx(1 / np.sqrt(2))


def test_another_runs_texts_are_read_when_they_come(monkeypatch):
    encoder = Letters()
    monkeypatch.setitem(METRICS, "similarity", similarity(encoder))
    a = [case("1", said("edit", "s", ("t",)))]
    b = [case("1", said("edit", "t", ("t",)))]
    [found] = compare(a, b, names=["similarity"])
    assert (found.a, found.b) == (0, pytest.approx(1))
    assert figures(a, b, names=["similarity"])["similarity"].base == pytest.approx(1)
