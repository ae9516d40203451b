"""Comparing names: one normal form for spelling, case, diacritics and punctuation."""

from __future__ import annotations

import re
import unicodedata

# Scripts written without spaces count every character as a word; elsewhere a word takes its
# combining marks along, so that composed and decomposed spellings split alike.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
)
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[\w\u0300-\u036f])+")
# Letters NFKD does not take apart, in the spelling most keyboards use instead.
_FOLD = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ŋ": "n"}
)


def fold(text: str) -> str:
    """``text`` in compatibility form, case-folded, without diacritics.

    The length may change; use :func:`words` where positions in the original matter.
    """
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(ch for ch in decomposed if not unicodedata.combining(ch))
    return bare.translate(_FOLD)


def words(text: str) -> list[tuple[str, int, int]]:
    """The words of ``text`` as ``(folded word, start, end)`` with offsets into ``text``.

    A possessive ``'s`` is a word of its own ("s"), so that a name is found with it or without.
    """
    return [(fold(m.group()), m.start(), m.end()) for m in _WORD.finditer(text)]


def name_key(name: str) -> str:
    """The normal form under which two spellings of a name are the same name.

    Folded words joined by single spaces; a name of symbols only (an emoji, say) keeps them.
    """
    return " ".join(word for word, _, _ in words(name)) or fold(name).strip()


def begins_unspaced(text: str) -> bool:
    """Whether ``text`` begins in a script that is written without spaces."""
    return re.match(f"[{_UNSPACED}]", text) is not None


def spaced(prompt: str, end: str) -> str:
    """A continuation with the space that parts it from its prompt, in scripts that have one."""
    return end if prompt[-1:].isspace() or begins_unspaced(end) else f" {end}"


def find_control_character(text: str, *, allow: str = "\n\t") -> str | None:
    """The first control character or lone surrogate in ``text``, as ``U+XXXX``, or None."""
    for ch in text:
        if unicodedata.category(ch) in ("Cc", "Cs") and ch not in allow:
            return f"U+{ord(ch):04X}"
    return None
