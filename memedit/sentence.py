"""Splitting one plain sentence into subject, prompt and target by its grammar.

``"The author of Paradiso is Jean Giraudoux"`` becomes subject ``Paradiso``, prompt ``The author of
{} is`` and target ``Jean Giraudoux``. Three shapes of English sentence are known: *the R of S is
T*, *S's R is T* and *S verb T*. Names are told by their capitals, verbs by a list and by endings,
so a split can be wrong: it is shown to the user, who gives subject or target where it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memedit.errors import InvalidEditError

_NOW = re.compile(r"(?<=\s)(?:now|currently|nowadays|today|presently|these days)(?:\s|$)", re.I)
_NEGATION = re.compile(r"\b(?:not|never|no longer|no more|without|\w+n't)\b", re.I)
_COPULA = re.compile(r" (?:is|are|was|were) ")
# What may stand inside a name between two capitalised words.
_CONNECTORS = frozenset(
    """a al an and at da das de del della den der des di do dos du el et for from in la las le les
    los of on or the to und van vom von with y zu & -""".split()
)
_LINKS = r"of|in|for|that|where|which|to|at|by|from|on|with|about"
_VERBS = frozenset(
    """is are was were has had have became becomes belongs broadcasts comes created creates
    developed develops directed directs died dies drives employs founded founds follows flows
    graduated heads holds invented invents joined joins lies leads led likes lived lives located
    made makes manages married marries means moved moves neighbours operates originated originates
    owned owns performed performs played plays practises practices premiered premieres produced
    produces received receives represents resides ruled rules runs sang serves served sings sits
    speaks specialises specializes spoke stands starred stars started studied studies supports
    taught teaches trains uses used visits won wears wins works worked writes wrote""".split()
)
_OFFICES = frozenset(
    """archbishop bishop captain chairman chairperson chancellor chief commissioner director emperor
    governor head king leader mayor minister monarch owner patriarch premier president prince queen
    secretary speaker sultan""".split()
)
_PREPOSITIONS = frozenset("of in by as to with from on at for into under near".split())
_ARTICLES = frozenset("a an the".split())


@dataclass(frozen=True)
class SentenceSplit:
    """A sentence taken apart: the fact's subject, its prompt (one ``{}``) and its target."""

    subject: str
    prompt: str
    target: str


def split_sentence(
    text: str, *, subject: str | None = None, target: str | None = None
) -> SentenceSplit:
    """The subject, prompt and target of one English sentence.

    Args:
        text: One sentence that states a fact; "now" and its like are left out of the prompt.
        subject: The subject's words as they stand in the sentence, to correct the split.
        target: The target's words as they stand in the sentence, to correct the split.

    Raises:
        InvalidEditError: The sentence denies something, is a question, or has no shape known
            here, or the given words do not occur in it.
    """
    body = " ".join(_NOW.sub("", f"{_without_full_stop(text)} ").split())
    _refuse_what_states_nothing(text, body)
    if subject is not None:
        _require(body, subject, "subject", text)
    if target is not None:
        _require(body, target, "target_new", text)
    if subject is not None and target is not None:
        return _split_at(body, subject, target, text)
    for shape in (_the_r_of_s_is_t, _s_possessive_r_is_t, _s_verb_t):
        split = shape(body, subject, target)
        if split is not None:
            return split
    raise InvalidEditError(
        f"statement: cannot tell subject and target apart in {text.strip()!r}.",
        hint='Give both (subject=..., target_new=...), or write "<subject> <verb> <target>".',
        field="statement",
    )


def _without_full_stop(text: str) -> str:
    """``text`` without its closing mark, unless that is an abbreviation's ("Inc.", "D.C.")."""
    bare = text.strip()
    if re.search(r"(?:\b(?:Inc|Ltd|Co|Corp|Jr|Sr|Bros|St)|\.\w)\.$", bare):
        return bare
    return bare.rstrip(".!。 ")


def _refuse_what_states_nothing(text: str, body: str) -> None:
    if not body:
        raise InvalidEditError(
            "statement: it is empty.",
            hint="Write one sentence that states the fact.",
            field="statement",
        )
    if "?" in body:
        raise InvalidEditError(
            f"statement: {text.strip()!r} is a question.",
            hint="State the fact, or give the question and its answer as an edit.",
            field="statement",
        )
    denied = _NEGATION.search(body)
    if denied and denied.group()[0].islower():
        raise InvalidEditError(
            f"statement: {text.strip()!r} says what is not true ({denied.group()!r}).",
            hint="Say what is true instead.",
            field="statement",
        )


def _require(body: str, words: str, field: str, text: str) -> None:
    if not words.strip() or words not in body:
        raise InvalidEditError(
            f"{field}: {words!r} does not occur in {text.strip()!r}.",
            hint="Copy the words from the sentence.",
            field=field,
        )


def _split_at(body: str, subject: str, target: str, text: str) -> SentenceSplit:
    """Both ends are known: the prompt is the sentence up to the target."""
    begin = body.rindex(target)
    before, after = body[:begin].rstrip(), body[begin + len(target) :].strip()
    if subject in before and not after:
        return SentenceSplit(subject, before.replace(subject, "{}", 1), target)
    inverted = re.match(r"^(?:is|was|are|were) (the .+ (?:of|in|for)) (?:the )?(.+)$", after)
    if not before and inverted and inverted.group(2) == subject:
        role = inverted.group(1)
        return SentenceSplit(subject, f"T{role[1:]} {{}} is", target)
    raise InvalidEditError(
        f"statement: the target {target!r} does not end {text.strip()!r}.",
        hint="Write the sentence so that it ends with the target, or give a prompt with one {}.",
        field="statement",
    )


def _the_r_of_s_is_t(body: str, subject: str | None, target: str | None) -> SentenceSplit | None:
    """Splits "The author of Paradiso is Jean Giraudoux"; what follows S before the verb stays."""
    if not (re.match(r"^The [a-z\d]|^The [A-Z]{2,} of ", body) or _names_an_office(body)):
        return None
    copula = _last_copula(body, target)
    if copula is None:
        return None
    before, verb, rest = body[: copula.start()], copula.group().strip(), body[copula.end() :]
    name = subject or _subject_of_role(before)
    if not name or name not in before:
        return None
    lead, found = (rest[: rest.rindex(target)], target) if target else _lead_and_name(rest)
    prompt = f"{before.replace(name, '{}', 1)} {verb} {lead}".strip()
    return SentenceSplit(name, prompt, found)


def _names_an_office(body: str) -> bool:
    """Whether the sentence begins like "The Prime Minister of Albania"."""
    office = re.match(r"^The ((?:[A-Z][\w-]+ ){1,4})of [A-Z]", body)
    return office is not None and office.group(1).split()[-1].lower() in _OFFICES


def _last_copula(body: str, target: str | None) -> re.Match[str] | None:
    limit = body.rindex(target) if target else len(body)
    found = [match for match in _COPULA.finditer(body) if match.end() <= limit]
    return found[-1] if found else None


def _subject_of_role(before: str) -> str | None:
    """The name in "the R of S" or "the R where S was educated"."""
    for link in re.finditer(rf" (?:{_LINKS}) (?:the )?(?=\S)", before):
        tokens = before[link.end() :].split()
        if _is_name_start(tokens[0]) or tokens[0][0].isdigit():
            return " ".join(tokens[: _name_end(tokens)])
    # "The company that produced Chevrolet S-10 Blazer": the name comes after a verb.
    for link in re.finditer(r" (?:that|which|who) \S+ (?:the )?(?=[A-Z\d])", before):
        tokens = before[link.end() :].split()
        return " ".join(tokens[: _name_end(tokens)])
    plain = re.search(r" (?:of|in|for) (?:the )?(.+)$", before)
    return plain.group(1) if plain else None


def _name_end(tokens: list[str]) -> int:
    """How many of ``tokens`` belong to the name they start with.

    The name runs to the last capitalised or numeric word that is reached over connectors only.
    """
    end = 1
    for position, token in enumerate(tokens):
        if _is_name_start(token) or token[0].isdigit():
            end = position + 1
        elif token.lower() not in _CONNECTORS:
            break
    return end


def _is_name_start(token: str) -> bool:
    bare = token.lstrip("\"'“‘«([#@")
    return bool(bare) and (
        bare[0].isupper() or (any(ch.isupper() for ch in bare[1:]) and bare[0] != "-")
    )


def _s_possessive_r_is_t(
    body: str, subject: str | None, target: str | None
) -> SentenceSplit | None:
    """Splits "Elvis Presley's father is Vernon Presley"."""
    found = re.match(r"^(.+?)('s|’s|'|’) ([a-z][\w -]*?) (is|are|was|were) (.+)$", body)
    if not found or (subject and found.group(1) != subject):
        return None
    name, mark, relation, verb, rest = found.groups()
    if mark in "'’" and not name.endswith("s"):
        return None
    lead, end = (
        (rest[: rest.rindex(target)], target) if target and target in rest else _lead_and_name(rest)
    )
    return SentenceSplit(name, f"{{}}{mark} {relation} {verb} {lead}".strip(), end)


def _s_verb_t(body: str, subject: str | None, target: str | None) -> SentenceSplit | None:
    """Splits "Lionel Messi plays basketball" and "Carl Sagan is employed by the BBC"."""
    if subject is not None:
        if not body.startswith(subject):
            return None
        start = len(subject.split())
    else:
        start = _verb_position(body.split()[: None if target is None else -1])
    tokens = body.split()
    name, rest = " ".join(tokens[:start]), " ".join(tokens[start:])
    if not name or not rest:
        return None
    if target is not None:
        lead, end = rest[: rest.rindex(target)] if target in rest else "", target
    else:
        lead, end = _verb_and_target(rest)
    if not end or not lead.strip():
        return None
    return SentenceSplit(name, f"{{}} {lead.strip()}", end)


def _verb_position(tokens: list[str]) -> int:
    """Where the first verb stands; 0 where none is found."""
    run = _name_end(tokens) if tokens and _is_name_start(tokens[0]) else 1
    if run < len(tokens) and re.fullmatch(r"[a-z]+(?:s|ed)", tokens[run]):
        return run
    for position, token in enumerate(tokens[run:], start=run):
        if token in _VERBS:
            return position
    for position, token in enumerate(tokens[1:run], start=1):  # a verb inside "A Love Is Blind"
        if token in _VERBS:
            return position
    return 0


def _lead_and_name(rest: str) -> tuple[str, str]:
    """Splits "located in the city of Paris" before its name; a rest without one is all target."""
    tokens = rest.split()
    for position, token in enumerate(tokens):
        if _is_name_start(token):
            lead = tokens[:position]
            if lead and lead[-1] in _PREPOSITIONS | _ARTICLES and lead[0] not in _ARTICLES:
                return " ".join(lead) + " ", " ".join(tokens[position:])
            break
    return "", rest


def _verb_and_target(rest: str) -> tuple[str, str]:
    """Splits "is employed by MI5" and "plays basketball" into the verb's part and the target."""
    tokens = rest.split()
    for position, token in enumerate(tokens[1:], start=1):
        if _is_name_start(token) or token[0].isdigit():
            return " ".join(tokens[:position]), " ".join(tokens[position:])
    cut = max((i + 1 for i, t in enumerate(tokens[:-1]) if t in _PREPOSITIONS), default=1)
    while cut < len(tokens) - 1 and tokens[cut] in _ARTICLES:
        cut += 1
    return " ".join(tokens[:cut]), " ".join(tokens[cut:])
