"""An edit's relation in words: its prompts and questions with the subject masked.

Relations are compared with the names taken out, since a shared name makes any two sentences look
alike to an encoder (DESIGN decision 1). The same mask stands in the query and in the edit.
"""

from __future__ import annotations

import re

from memedit import forms
from memedit.edit import Edit

MASK = "it"
MAX_TOLD = 4  # forms of one edit that the matcher reads
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
    return _masked_forms(edit, edit.question_template)


def told_texts(edit: Edit) -> tuple[str, ...]:
    """An edit in the forms that the matcher reads, the subject masked and the object said."""
    if edit.kind == "free_text":
        return (edit.stated,)
    asked = _masked_forms(edit, edit.question or "")
    return tuple(told_text(text, edit.target_new) for text in asked[:MAX_TOLD])


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


def _masked_forms(edit: Edit, question: str) -> tuple[str, ...]:
    """The prompt, a question and the paraphrases, masked; what does not name the subject is not."""
    texts = (edit.prompt, question, *edit.paraphrases)
    templates = (forms.template_of(text, edit.names) for text in texts)
    return tuple(dict.fromkeys(masked(template) for template in templates if template))
