"""An edit's relation in words: its prompts and questions with the subject masked.

Relations are compared with the names taken out, since a shared name makes any two sentences look
alike to an encoder (DESIGN decision 1). The same mask stands in the query and in the edit.
"""

from __future__ import annotations

import re

from memedit import forms
from memedit.edit import Edit

MASK = "it"
MAX_TARGET_CHARS = 80


def relation_phrases(edit: Edit) -> tuple[str, ...]:
    """The masked phrases under which the edit's relation is known, without duplicates.

    Edits that share a template share the phrase, so vectors are stored once a phrase. Free text
    has no subject to mask; its phrases are its own words.
    """
    if edit.kind == "free_text":
        texts = [edit.cloze or edit.stated, *edit.paraphrases]
        texts += [edit.question] if edit.question else []
        return tuple(dict.fromkeys(text for text in texts if text))
    texts = [edit.prompt, edit.question_template, *edit.paraphrases]
    templates = (forms.template_of(text, edit.names) for text in texts)
    return tuple(dict.fromkeys(masked(t) for t in templates if t))


def masked(template: str) -> str:
    """A template in the form that is embedded: the slot as :data:`MASK`, blanks collapsed.

    "{}'s coach" becomes "its coach", which is what the encoder has read most often.
    """
    text = re.sub(r"\{\}(?:['’]s|(?<=s)['’])(?!\w)", f"{MASK}s", template)
    text = re.sub(r"\s+", " ", text.replace(forms.SLOT, MASK)).strip()
    return text.rstrip(" ,;:")


def told_text(phrase: str, target: str) -> str:
    """An edit as the trained matcher reads it: a masked phrase and the object it now has."""
    return f"{phrase} {target[:MAX_TARGET_CHARS]}"
