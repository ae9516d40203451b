"""Queries that no data set holds, made from edits: yes or no, behind a lead-in, and so on.

Everything here is plain English grammar on an edit's own words, and words of our own.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from memedit.edit import Edit
from memedit.forms import SLOT, fill

# What callers tell a model about its manner; none of it changes which answer is right.
SYSTEM_MESSAGES = (
    "Be brief.",
    "You are a helpful assistant.",
    "You answer questions about the world. Keep to the facts.",
    "You are the assistant of a library. Be polite and precise.",
    "Answer in one sentence.",
    "You are an expert whom journalists ask to check their articles.",
    "Always answer truthfully. If you are unsure, say what is most likely.",
    "You are a quiz master's helper. Give short answers.",
    "Reply as you would to a colleague.",
    "The user is preparing for an exam. Help.",
)
# Talk that may stand before a question and has nothing to do with it.
SMALL_TALK = (
    "Good morning! I hope that you can help me with something.",
    "I have been reading all afternoon and my eyes are tired.",
    "My sister and I could not agree on this over dinner.",
    "This is for a short text that I have to hand in tomorrow.",
    "Thanks for your help with the last one.",
    "The train is late again, so I have some time to ask.",
    "I am putting together a few cards for a game night.",
    "Please do not worry about the format.",
    "Somebody at work told me something else, which is why I ask.",
    "It has been raining here since Tuesday.",
    "We visited a museum last week and it made me curious.",
    "I forgot to write it down when I heard it.",
)

_COPULA = re.compile(rf"^{re.escape(SLOT)} (is|are|was|were|has|can) (?!which\b|who\b)(\w.*)$")
_OF = re.compile(rf"^(The .*{re.escape(SLOT)}.*?) (is|are|was|were)$")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def yes_no_questions(edit: Edit, target: str) -> list[str]:
    """Questions whether ``target`` is what the edit's relation gives for its subject.

    Args:
        edit: The edit; its target plays no part.
        target: What is asked about: the edit's target, or another one.
    """
    questions = []
    if edit.question:
        questions += [f"{edit.asked} Is it {target}?", f"{target}: {edit.asked} Yes or no?"]
    if "?" in edit.prompt or edit.prompt.startswith(f"{SLOT},"):
        return questions
    told = f"{edit.cloze} {target}"
    inside = told[0].lower() + told[1:] if edit.prompt.startswith("The ") else told
    questions += [
        f"Is it true that {inside}?",
        f"Is it correct to say that {inside}?",
        f"{told}. Is that right?",
    ]
    if found := _OF.match(edit.prompt):
        name = fill(found.group(1), edit.subject)
        name = name[0].lower() + name[1:]
        verb = found.group(2).capitalize()
        questions += [f"{verb} {name} {target}?", f"{verb} {target} {name}?"]
    elif found := _COPULA.match(edit.prompt):
        verb, rest = found.groups()
        questions += [f"{verb.capitalize()} {edit.subject} {rest} {target}?"] * 2
    return questions


def lead_in(query: str, names: Sequence[str]) -> str:
    """The whole sentences of ``query`` before the first one that holds one of ``names``."""
    start = min((query.find(name) for name in names if name in query), default=0)
    ends = [found.end() for found in _SENTENCE_END.finditer(query, 0, start)]
    return query[: ends[-1]].strip() if ends else ""


def long_prompt(query: str, fillers: Sequence[str], rng: random.Random, *, chars: int) -> str:
    """``query`` at the end of a longer text.

    Args:
        query: What is asked.
        fillers: Sentences that have nothing to do with it.
        rng: Draws them.
        chars: About how long the text before the query gets.
    """
    parts: list[str] = []
    while sum(map(len, parts)) < chars:
        parts.append(rng.choice(SMALL_TALK if rng.random() < 0.3 else fillers))
    return " ".join(parts) + rng.choice((" ", "\n", "\n\n")) + query
