from __future__ import annotations

from math import log2, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.evaluate.metrics import figures
from memedit.evaluate.metrics.text import (
    generation_entropy,
    ngram_entropy,
    repeated_share,
    tokens,
)
from tests.evaluate.metrics.made import case, output


def generated(text):
    return output("generation", text, answers=())


def test_tokens_are_words_and_punctuation_marks():
    assert tokens("Perth, it's (1.5)!") == [
        "Perth", ",", "it", "'", "s", "(", "1", ".", "5", ")", "!",
    ]  # fmt: skip


def test_entropies_of_tiny_texts_by_hand():
    # "a b a b a": bigrams ab ba ab ba: 1 bit; trigrams aba bab aba: ⅔ and ⅓.
    text = "a b a b a"
    h3 = -(2 / 3 * log2(2 / 3) + 1 / 3 * log2(1 / 3))
    assert ngram_entropy(text, 2) == pytest.approx(1)
    assert ngram_entropy(text, 3) == pytest.approx(h3)
    assert generation_entropy(text) == pytest.approx(100 * (2 / 3 * 1 + 4 / 3 * h3) / 2)
    # Four different words: 3 bigrams, 2 trigrams: 100/2 * (2/3 log2 3 + 4/3)
    assert generation_entropy("a b c d") == pytest.approx(50 * (2 / 3 * log2(3) + 4 / 3))
    # One trigram and no repeated bigram
    assert generation_entropy("a b c") == pytest.approx(50 * 2 / 3)


@pytest.mark.parametrize("text", ["", "a", "a b", "a a a a"])
def test_short_and_repetitive_texts_have_no_entropy(text):
    assert generation_entropy(text) == 0


def test_repetition_by_hand():
    assert repeated_share("a b a b a") == pytest.approx(1 / 3)
    assert repeated_share("a b c d") == 0
    assert repeated_share("a a a a") == pytest.approx(1 / 2)
    assert repeated_share("a b") is None


def test_text_figures_are_means_over_a_cases_texts_then_over_cases():
    outcomes = [
        case("1", generated("a b a b a"), generated("a b c d")),
        case("2", generated("a")),
    ]
    found = figures(outcomes)
    first = (generation_entropy("a b a b a") + generation_entropy("a b c d")) / 2
    assert found["fluency"].value == pytest.approx(first / 2)
    assert found["repetition"].value == pytest.approx((1 / 3 + 0) / 2)  # case 2 is too short
    assert found["repetition"].n == 2
    assert "consistency" not in found  # no reference texts


def test_consistency_by_hand():
    # References "x y" and "x z" (two documents): idf(x) = ln(3/3)+1 = 1,
    # idf(y) = idf(z) = ln(3/2)+1 = w. Joined references: x 2, y w, z w. Text "x y": x 1, y w.
    # "q" is in no reference and weighs nothing.
    from math import log

    w = log(3 / 2) + 1
    cosine = (2 + w * w) / (sqrt(4 + 2 * w * w) * sqrt(1 + w * w))
    outcomes = [case("1", generated("X"), generated("y q"), references=("x y", "x z"))]
    assert figures(outcomes)["consistency"].value == pytest.approx(cosine)


def test_consistency_of_texts_without_a_known_word_is_0():
    outcomes = [case("1", generated("q"), references=("x y",))]
    assert figures(outcomes)["consistency"].value == 0
    same = [case("1", generated("x y"), references=("x y",))]
    assert figures(same)["consistency"].value == pytest.approx(1)


def test_the_base_column_uses_the_same_word_weights():
    outcomes = [case("1", generated("x y"), references=("x y", "x z"))]
    assert figures(outcomes, outcomes)["consistency"].base == pytest.approx(
        figures(outcomes)["consistency"].value
    )


@given(st.lists(st.sampled_from("a b c d".split()), max_size=30))
def test_entropy_is_within_its_bounds(drawn):
    text = " ".join(drawn)
    most = 100 * log2(max(1, len(drawn)))
    assert -1e-9 <= generation_entropy(text) <= most + 1e-9
