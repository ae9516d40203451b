"""Where a text may hold names, whether or not they are known: runs of capitalised words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memedit.scope.vocabulary import FUNCTION_WORDS, HONORIFICS, IMPERATIVES, PARTICLES, SAME_WORDS

Token = tuple[str, int, int]
Span = tuple[int, int]

_TIGHT = re.compile(r"[ .'’`()\"“”\-–&/]{1,3}")
_STOPPED = frozenset(SAME_WORDS.split()) | HONORIFICS  # "St. Louis", "Prof. Xavier"
_INNER = PARTICLES | {"y", "e", "zu"}


def has_case(text: str) -> bool:
    """Whether capitals tell anything: some letter after the first is a capital."""
    return any(ch.isupper() for ch in text[1:])


def starts_sentence(text: str, start: int) -> bool:
    """Whether a sentence begins at this place."""
    before = text[:start].rstrip(" \"'“‘(")
    return not before.strip() or before[-1] in ".!?:\n"


def capital_runs(text: str, tokens: Sequence[Token]) -> list[Span]:
    """Runs of capitalised words, as (first token, one past the last token), in order.

    Particles within a run belong to it ("Charles de Gaulle"), and so do numbers. A function word
    or an imperative that is capitalised because a sentence starts with it is no name.
    """
    runs: list[Span] = []
    for place, token in enumerate(tokens):
        if runs and runs[-1][1] == place and _is_attached(text, tokens[place - 1], token):
            runs[-1] = runs[-1][0], place + 1
            continue
        if not _looks_like_name(text, token):
            continue
        if runs and _continues(text, tokens, runs[-1][1], place):
            runs[-1] = runs[-1][0], place + 1
        else:
            runs.append((place, place + 1))
    return runs


def _is_attached(text: str, before: Token, token: Token) -> bool:
    """Whether a token hangs on the one before it ("Ga-young", "Ja'vonte", but not "Ann's")."""
    return text[before[2] : token[1]] in ("-", "'", "’") and token[0] != "s"


def _looks_like_name(text: str, token: Token) -> bool:
    word, start, end = token
    shown = text[start:end]
    if not (shown[0].isdigit() or any(ch.isupper() for ch in shown)):
        return False
    return not (
        (word in FUNCTION_WORDS or word in IMPERATIVES)
        and shown.istitle()
        and starts_sentence(text, start)
    )


def _continues(text: str, tokens: Sequence[Token], last: int, place: int) -> bool:
    """Whether the token at ``place`` goes on with the run that ends before ``last``."""
    if any(word not in _INNER for word, _, _ in tokens[last:place]) or place - last > 2:
        return False
    for before, after in zip(range(last - 1, place), range(last, place + 1), strict=True):
        gap = text[tokens[before][2] : tokens[after][1]]
        if not _TIGHT.fullmatch(gap):
            return False
        word = tokens[before][0]
        if gap.startswith(".") and gap != "." and len(word) > 1 and word not in _STOPPED:
            return False  # a sentence ends here
    return True
