"""The forms of one fact: cloze prompt, question, statement, and how one is made from another.

A *template* holds one slot, ``{}``, for the subject. Everything here is plain English grammar on
strings; what the rules cannot turn is left as it was given, never guessed.
"""

from __future__ import annotations

import re

SLOT = "{}"

# Heads of "the R of X is" that ask for a person, so that the question starts with "Who".
_PERSON_HEADS = frozenset(
    """actor architect author builder captain ceo chairman chairperson chief child coach
    composer conductor creator designer director discoverer editor employer executive father
    founder governor head host husband inventor king leader manager mayor minister mother
    monarch officer owner painter performer president producer queen ruler singer spouse
    wife winner writer""".split()
)
_OF_CLOZE = re.compile(r"^(the .+? (?:of|in|for) (?:the )?\{\}(?: .+)?) (is|are|was|were)$", re.I)
_POSSESSIVE_CLOZE = re.compile(r"^\{\}'s? (.+) (is|are|was|were)$", re.I)
_OF_QUESTION = re.compile(r"^(?:what|who|which) (is|are|was|were) (the .+\{\}.*)\?$", re.I)
_POSSESSIVE_QUESTION = re.compile(r"^(?:what|who|which) (is|are|was|were) (\{\}'s? .+)\?$", re.I)
_FINITE = re.compile(
    r"^(?:is|are|was|were|has|had|have|can|will|\w+s|\w+ed|born|died|wrote|won|speaks?)\b", re.I
)

_LONE_VERB = re.compile(r"plays|speaks|is|was|has|likes|owns|works|lives|leads", re.I)


def fill(template: str, subject: str) -> str:
    """``template`` with its slot replaced by ``subject`` (braces elsewhere are plain text)."""
    return template.replace(SLOT, subject, 1)


def template_of(text: str, names: tuple[str, ...]) -> str | None:
    """``text`` with its slot, or with the longest of ``names`` that occurs in it as the slot.

    Args:
        text: A template (returned unchanged) or a sentence that holds a name.
        names: The subject and its aliases, in any order.

    Returns:
        The template, or None where no name occurs. Matching ignores case, and a name is found
        only as whole words ("Ron" is not in "Ronaldo").
    """
    if SLOT in text:
        return text
    for name in sorted(names, key=len, reverse=True):
        if not name:
            continue
        head = r"(?<!\w)" if name[0].isalnum() else ""
        tail = r"(?!\w)" if name[-1].isalnum() and name[-1].isascii() else ""
        found = re.search(head + re.escape(name) + tail, text, re.I)
        if found:
            return text[: found.start()] + SLOT + text[found.end() :]
    return None


def cloze_from_relation(relation: str) -> str:
    """A cloze template from a relation's name.

    ``"capital"`` gives ``"The capital of {} is"``; a relation that starts with a verb, such as
    ``"plays the sport of"``, becomes ``"{} plays the sport of"``.
    """
    label = relation.replace("_", " ").strip()
    label = label.lower() if label.isupper() else label
    verb_phrase = " " in label and _FINITE.match(label) and not label.lower().endswith(("ss", "us"))
    if verb_phrase or _LONE_VERB.fullmatch(label):
        return f"{SLOT} {label}"
    article = "" if label.lower().startswith("the ") else "The "
    return f"{article}{label} of {SLOT} is"


def cloze_from_question(question: str) -> str:
    """A cloze template from a question template; the question itself where no rule applies."""
    text = question.strip()
    for pattern in (_OF_QUESTION, _POSSESSIVE_QUESTION):
        found = pattern.match(text)
        if found:
            verb, rest = found.groups()
            return f"{rest[0].upper()}{rest[1:]} {verb.lower()}"
    return text


def question_from_cloze(cloze: str) -> str:
    """A question template from a cloze template; an echo question where no rule applies.

    ``"The capital of {} is"`` gives ``"What is the capital of {}?"``, ``"{} plays the sport of"``
    gives ``"{} plays the sport of what?"``.
    """
    text = cloze.strip()
    if "?" in text:
        return text[: text.rindex("?") + 1]
    found = _OF_CLOZE.match(text) or _POSSESSIVE_CLOZE.match(text)
    if not found:
        return f"{text.rstrip(' .,:')} what?"
    body, verb = found.groups()
    if text.startswith(SLOT):
        body = f"{SLOT}'s {body}"
        head = body.split()[-1]
    else:
        body = body[0].lower() + body[1:]
        head = re.split(r" (?:of|in|for) ", body)[0].split()[-1]
    who = "Who" if head.lower() in _PERSON_HEADS else "What"
    return f"{who} {verb.lower()} {body}?"


def statement(cloze: str, subject: str, target: str) -> str:
    """The fact as one sentence: the filled cloze, the target, a full stop."""
    text = f"{fill(cloze, subject).rstrip()} {target.strip()}"
    return text if text.endswith((".", "!", "。")) else f"{text}."
