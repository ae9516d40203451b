"""What a model wrote in one turn of the protocol.

Models keep to a format roughly: labels in bold, numbered, in a list, in JSON, several on a line,
after a paragraph of thoughts, or followed by steps that are not theirs to write. Whatever can be
read without guessing is read; the rest is left out.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from memedit.text import name_key, words

Verdict = Literal["contradicts", "agrees", "unrelated"]

MAX_CHARS = 500  # longer is an essay, not a sub-question or an answer
_MAX_TEXT = 20_000  # of a generation; no model needs as much for one step

# Labels that say what they mean anywhere in a line, and those that are words of prose too. Ours
# come first; the others are what models write in their place.
_ANYWHERE = {
    "question": r"(?:sub|follow[-_ ]?up)[-_ ]?questions?",
    "tentative": r"(?:tentative|generated|preliminary|initial)[-_ ]?answers?",
    "intermediate": r"(?:intermediate|updated|revised|corrected)[-_ ]?answers?",
    "final": r"final[-_ ]?answers?",
}
_AT_LINE_START = {
    "check": r"(?:contradiction[-_ ]?)?check|contradiction|verdict",
    "answer": r"answer",
    "foreign": r"(?:retrieved[-_ ]?)?facts?|question|notes|user|human",
}
# Every repetition is bounded, so that no text takes long to read.
_START = (
    r"^[ \t>#*_`\"'{\[(•–—-]{0,12}(?:\d{1,2}[.)][ \t]{0,4})?[*_`\"']{0,4}"
    r"(?:so,?[ \t]{1,4})?(?:the[ \t]{1,4}|next[ \t]{1,4})?"
)
_MARKS = r"[*_`\"'\])]{0,4}"
_COLON = (
    rf"{_MARKS}[ \t]{{0,4}}(?:\(?#?\d{{1,2}}\)?)?{_MARKS}[ \t]{{0,4}}"
    r"(?:[:：=]|[ \t][-–—][ \t])"
)


def _named(labels: dict[str, str], suffix: str) -> str:
    return "|".join(f"(?P<{name}_{suffix}>{pattern})" for name, pattern in labels.items())


_LABEL = re.compile(
    rf"(?:{_START}(?:{_named(_ANYWHERE | _AT_LINE_START, 'begin')})"
    rf"(?:{_COLON}|[ \t]{{0,4}}{_MARKS}[ \t]{{0,4}}$))"
    rf"|(?:{_START}(?P<final_told>{_ANYWHERE['final']})[ \t]{{1,4}}is\b:?)"
    rf"|(?:(?<!\w)(?:{_named(_ANYWHERE, 'inside')}){_COLON})",
    re.IGNORECASE | re.MULTILINE,
)
_THOUGHTS = re.compile(r"<(think\w*|reasoning)>.*?(?:</\1>|\Z)|\A.*</think\w*>", re.S | re.I)
_FENCE = re.compile(r"^[ \t]*```\w*[ \t]*$", re.M)

_NEGATION = r"(?:\bnot|\bno|\bnever|n['’]t|\bwithout)\b"
_UNRELATED = re.compile(
    r"unrelated|irrelevant|inapplicable|\bno fact\b|"
    rf"{_NEGATION} (?:\w+ )?(?:related|relevant|about|answer|apply|address|mention|concern)",
    re.I,
)
_CONTRADICTS = re.compile(r"contradict|conflict", re.I)
_DIFFERS = re.compile(r"inconsistent|disagree|differ", re.I)
_AGREES = re.compile(r"agree|consistent|support|confirm|match|\bsame\b", re.I)

_UNKNOWN = re.compile(
    r"(?:it is |it's |the answer is )?(?:unknown|not known|unclear|unsure|undetermined|none|"
    r"not (?:sure|certain|specified|available|enough information)|n/?a|no (?:answer|idea)|"
    r"i (?:do not|don['’]?t|cannot|can['’]?t) \w.*)(?:\s*[(,;:–—-].*)?|[?–—-]+",
    re.I,
)
_ABBREVIATED = re.compile(r"(?:\b(?:[JS]r|[A-Z]|Inc|Co|Corp|Ltd|Bros|St|etc)|\.\w+)\.$")
_QUOTED = re.compile(r"(?:\"(.*?)\"|'(.*?)'|“(.*?)”)[\s,;}\]\"']*")


@dataclass(frozen=True)
class Reply:
    """The lines of one turn; what the model left out is None.

    Attributes:
        check: How the fact stands to the tentative answer of the step before.
        intermediate: The answer of the step before.
        question: The next sub-question.
        tentative: The model's own answer to it.
        final: The answer to the whole question; never beside ``question``.
    """

    check: Verdict | None = None
    intermediate: str | None = None
    question: str | None = None
    tentative: str | None = None
    final: str | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing could be read that carries the protocol on."""
        return self.intermediate is None and self.question is None and self.final is None

    @property
    def text(self) -> str:
        """The turn as the protocol writes it; :func:`read_reply` reads it back."""
        lines = {
            "Check": self.check,
            "Intermediate answer": self.intermediate,
            "Sub-question": self.question,
            "Tentative answer": self.tentative,
            "Final answer": self.final,
        }
        return "\n".join(f"{label}: {value}" for label, value in lines.items() if value is not None)


def read_reply(text: str) -> Reply:
    """The first step that ``text`` holds.

    A second sub-question, or an answer to a sub-question nothing was looked up for yet, is a model
    running on by itself; that part is not read.

    Args:
        text: Whatever a model generated.
    """
    text = text[:_MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n")
    text = _FENCE.sub("", _THOUGHTS.sub("", text))
    found = [(_label(match), match.start(), match.end()) for match in _LABEL.finditer(text)]
    ends = [*(start for _, start, _ in found), len(text)][1:]
    read: dict[str, str] = {}
    for (label, _, begin), end in zip(found, ends, strict=True):
        if label == "foreign":
            if read:
                break  # the model goes on in somebody else's name
            continue  # it repeats what it was told
        if label == "answer":
            label = "tentative" if "question" in read else "intermediate"
        if label in read or ("question" in read and label != "tentative"):
            break
        if label == "tentative" and "question" not in read:
            continue
        value = _value(text[begin:end])
        if value is not None:
            read[label] = value
        if label == "final":
            break
    check = read.pop("check", None) or text[: found[0][1] if found else 0]
    question = _question(read.get("question"))
    answers = {name: _answer(read.get(name)) for name in ("intermediate", "tentative", "final")}
    if question is None:
        answers["tentative"] = None
    return Reply(check=_verdict(check), question=question, **answers)


def is_unknown(answer: str) -> bool:
    """Whether an answer says that there is none."""
    return bool(_UNKNOWN.fullmatch(answer.strip(" .!*\"'"))) or not name_key(answer)


def states(text: str, answer: str) -> bool:
    """Whether ``text`` names ``answer``, in whole words, or is a shorter form of it."""
    told, wanted = name_key(text).split(), name_key(answer).split()
    return bool(told and wanted) and (_holds(told, wanted) or _holds(wanted, told))


def _holds(longer: list[str], shorter: list[str]) -> bool:
    n = len(shorter)
    return any(longer[i : i + n] == shorter for i in range(len(longer) - n + 1))


def _label(match: re.Match[str]) -> str:
    name = next(name for name, value in match.groupdict().items() if value is not None)
    return name.rsplit("_", 1)[0]


def _value(text: str) -> str | None:
    """The first line that says something, without the marks around it."""
    lines = (_bare(line) for line in text.split("\n"))
    line = next((line for line in lines if line), "")
    return line if 0 < len(line) <= MAX_CHARS else None


def _bare(line: str) -> str:
    kept = (" " if unicodedata.category(ch) in ("Cc", "Cs", "Zl", "Zp") else ch for ch in line)
    line = " ".join("".join(kept).replace('\\"', '"').split())
    if len(line) > 2 * MAX_CHARS:
        return line
    line = re.sub(r"^(?:[*_`>#•–— ]|-(?= ))+", "", line).rstrip("*_` ")
    quoted = _QUOTED.fullmatch(line)
    return next(filter(None, quoted.groups()), "").strip() if quoted else line


def _question(value: str | None) -> str | None:
    return value if value is not None and words(value) else None


def _answer(value: str | None) -> str | None:
    """An answer without the full stop of its sentence; one that belongs to a name stays."""
    if value is None:
        return None
    if value.endswith(".") and not _ABBREVIATED.search(value):
        value = value.rstrip(". ")
    return value or None


def _verdict(text: str) -> Verdict | None:
    text = text[-MAX_CHARS:]
    if _UNRELATED.search(text):
        return "unrelated"
    told = _CONTRADICTS.search(text)
    if told:
        clause = text[max(0, told.start() - 40) : told.start()].rpartition(".")[2]
        return "agrees" if re.search(_NEGATION, clause, re.I) else "contradicts"
    if _DIFFERS.search(text):
        return "contradicts"
    return "agrees" if _AGREES.search(text) else None
