"""From a question to the phrase that names its answer: "Who wrote {}?", "the person who wrote {}".

Composed questions speak of what they pass through in such phrases, and a bank of questions has many
more of them than anybody would write down. The rules know word order, not language: a phrase that
is a little off teaches as well, and a question that fits no rule gives none.
"""

from __future__ import annotations

import re

_BE = r"(?:is|was|are|were)"
_AUXILIARY = rf"(?P<aux>{_BE}|does|did|do|has|have|had|can)"
_NOUN = r"(?P<noun>[a-z][\w-]*(?: (?!is |was |are |were )[a-z][\w-]*){0,2}?)"
_FLAGS = re.IGNORECASE
# "Who is the author of {}?", "What was {}'s job?"
_NAMED = re.compile(
    rf"^(?:who|what|which) {_BE} (?:the name of )?(?P<name>(?:the |\{{\}}'s )\w.*)\?*$", _FLAGS
)
# "Who wrote {}?"
_DOER = re.compile(rf"^who (?!{_BE} )(?P<rest>(?!does|did|do\b)\w+ .*)\?*$", _FLAGS)
# "In which city was {} born?", "For which club does {} play?"
_PLACED = re.compile(
    rf"^(?P<prep>in|at|on|to|from|of|by|for|into|with) (?:which|what) {_NOUN} {_AUXILIARY} "
    r"(?P<rest>\{\}.*)\?*$",
    _FLAGS,
)
# "Which sport does {} play?"
_THING = re.compile(rf"^(?:which|what) {_NOUN} {_AUXILIARY} (?P<rest>\{{\}}.*)\?*$", _FLAGS)
# "Which airport serves {}?", "Which university is in {}?"
_SERVES = re.compile(
    rf"^(?:which|what) (?!{_BE}\b)(?P<noun>[a-z][\w-]*) (?!(?:of|would|does|did|do|has|have)\b)"
    r"(?P<rest>[a-z]\w+ .*)\?*$",
    _FLAGS,
)
# "Where was {} born?"
_WHERE = re.compile(rf"^where {_AUXILIARY} (?P<rest>\{{\}}.*)\?*$", _FLAGS)
_PEOPLE = frozenset(
    "person man woman people actor author writer artist coach monarch politician player".split()
)
_PAST = {
    "begin": "began", "become": "became", "break": "broke", "bring": "brought", "build": "built",
    "buy": "bought", "come": "came", "do": "did", "draw": "drew", "fall": "fell", "fight": "fought",
    "find": "found", "get": "got", "give": "gave", "go": "went", "grow": "grew", "have": "had",
    "hold": "held", "keep": "kept", "know": "knew", "lay": "laid", "lead": "led", "leave": "left",
    "lose": "lost", "make": "made", "meet": "met", "pay": "paid", "put": "put", "run": "ran",
    "see": "saw", "sell": "sold", "sing": "sang", "speak": "spoke", "spend": "spent",
    "take": "took", "teach": "taught", "tell": "told", "wear": "wore", "win": "won",
    "write": "wrote",
}  # fmt: skip


def phrase_of(question: str) -> str | None:
    """The phrase that names what a question asks for; None where no rule fits.

    Args:
        question: A question for one relation, with the subject as ``{}``.
    """
    question = question.strip().rstrip("?. ")
    if question.count("{}") != 1 or "," in question:
        return None
    if found := _NAMED.match(question):
        return found["name"]
    if found := _PLACED.match(question):
        clause = _clause(found["aux"], found["rest"])
        if found["prep"].lower() in ("in", "at", "on"):
            return f"the {found['noun']} where {clause}"
        return f"the {found['noun']} {found['prep'].lower()} which {clause}"
    if found := _THING.match(question):
        return f"the {found['noun']} {_clause(found['aux'], found['rest'])}"
    if found := _WHERE.match(question):
        return f"the place where {_clause(found['aux'], found['rest'])}"
    if found := _DOER.match(question):
        return f"the person who {found['rest']}"
    if found := _SERVES.match(question):
        who = "who" if found["noun"].lower() in _PEOPLE else "that"
        return f"the {found['noun']} {who} {found['rest']}"
    return None


def _clause(auxiliary: str, rest: str) -> str:
    """The order of a statement: "did" and "{} get a medal" to "{} got a medal"."""
    auxiliary = auxiliary.lower()
    subject, _, words = rest.partition("{}")
    possessed, _, words = words.partition(" ") if words.startswith("'s") else ("", "", words[1:])
    verb, *others = words.split(" ")
    if possessed or not verb:  # where the subject ends is not known
        return f"{rest} {auxiliary}".strip()
    if auxiliary == "did":
        verb = _PAST.get(verb, f"{verb}d" if verb.endswith("e") else f"{verb}ed")
    elif auxiliary == "does":
        verb = "has" if verb == "have" else f"{verb}s"
    elif auxiliary != "do":
        verb = f"{auxiliary} {verb}"
    return " ".join([f"{subject}{{}}", verb, *others])
