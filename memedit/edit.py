"""What an edit is: one fact that changed, with the words it can be asked in."""

from __future__ import annotations

import datetime as dt
import json
import re
import secrets
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from memedit import forms
from memedit.errors import InvalidEditError
from memedit.sentence import SentenceSplit, split_sentence
from memedit.text import find_control_character, name_key

MAX_SUBJECT_CHARS = 1_000
MAX_TEXT_CHARS = 20_000

Kind = Literal["fact", "free_text"]

_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:\-]{0,127}$")
_WORD_FIELDS = (
    "subject", "prompt", "target_new", "target_true", "relation", "question", "statement",
    "language", "source", "namespace",
)  # fmt: skip
_LIST_FIELDS = ("aliases", "paraphrases", "tags")


def new_id() -> str:
    """A fresh edit id: 12 random hexadecimal digits."""
    return secrets.token_hex(6)


class Edit(BaseModel):
    """One fact that is to hold from now on: the subject's relation has a new target.

    Give a triple (``subject, relation, target_new``), a cloze prompt (``subject, prompt,
    target_new``) or a question and its answer (``subject, question, target_new``); the prompt is
    derived where it is missing. :meth:`from_sentence` and :meth:`from_cloze` read running text.
    The words are kept as given: what can be derived (:attr:`cloze`, :attr:`asked`,
    :attr:`stated`) is derived on reading and never stored, so changing the target changes them all.

    Args:
        subject: The name the fact is about; empty only for ``kind="free_text"``.
        prompt: CounterFact's form (Meng et al. 2022, arXiv 2202.05262, section 3.4): a sentence
            beginning with one ``{}`` in the subject's place, to be completed by the target.
        target_new: The object that is true from now on.
        target_true: The object the base model is believed to give, where known.
        relation: A name or id for the relation ("P413", "plays the sport of"). Edits of one
            subject with one relation replace each other.
        question: A question the target answers, with the subject's name or a slot.
        aliases: Other names of the subject.
        paraphrases: Further prompts or questions, each with the subject's name or a slot.
        statement: The fact as a sentence, where the derived one is not good enough.
        language: BCP 47 tag of the words.
        valid_from: First day on which the fact holds; open where None.
        valid_to: First day on which it no longer holds (half-open interval); open where None.
        source: Where the edit comes from, free text.
        namespace: The part of a store the edit lives in; set by the store.
        tags: Labels of your own.
        kind: ``fact`` is scoped by name and relation, ``free_text`` by meaning.
        id: Unique in a store; made up where not given.

    Raises:
        InvalidEditError: A field is malformed; the message names field, value and remedy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    id: str = Field(default_factory=new_id)
    subject: str = ""
    prompt: str = ""
    target_new: str
    target_true: str | None = None
    relation: str | None = None
    question: str | None = None
    aliases: tuple[str, ...] = ()
    paraphrases: tuple[str, ...] = ()
    statement: str | None = None
    language: str = "en"
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None
    source: str | None = None
    namespace: str | None = None
    tags: tuple[str, ...] = ()
    kind: Kind = "fact"

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise _invalid(error) from None

    # -- reading ---------------------------------------------------------------------------------

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Edit:
        """An edit from a mapping of its fields (one JSONL record).

        Raises:
            InvalidEditError: A field is unknown or malformed.
        """
        if not isinstance(data, Mapping):
            raise InvalidEditError(
                f"An edit must be a JSON object, not {type(data).__name__}.",
                hint='Write one object a line, such as {"subject": ..., "prompt": ..., '
                '"target_new": ...}.',
            )
        return cls(**{str(key): value for key, value in data.items()})

    @classmethod
    def from_json(cls, line: str) -> Edit:
        """An edit from one line of JSONL, as :meth:`to_json` writes it."""
        try:
            data = json.loads(line)
        except json.JSONDecodeError as error:
            raise InvalidEditError(
                f"Not valid JSON at column {error.colno}: {error.msg}.",
                hint="Write one complete JSON object a line.",
            ) from None
        return cls.from_dict(data)

    @classmethod
    def from_cloze(cls, text: str, *, subject: str, target_new: str, **fields: Any) -> Edit:
        """An edit from a prompt that holds the subject's own words instead of a slot.

        ``Edit.from_cloze("The mother tongue of Danielle Darrieux is", subject="Danielle
        Darrieux", target_new="English")`` is EasyEdit's request form.

        Raises:
            InvalidEditError: The subject does not occur in the text.
        """
        template = forms.template_of(text, (subject, *fields.get("aliases", ())))
        if template is None:
            raise InvalidEditError(
                f"prompt: the subject {_shown(subject)} does not occur in {_shown(text)}.",
                hint="Write the subject as it stands in the prompt, or put {} in its place.",
                field="prompt",
            )
        return cls(subject=subject, prompt=template, target_new=target_new, **fields)

    @classmethod
    def from_sentence(
        cls,
        text: str,
        *,
        subject: str | None = None,
        target_new: str | None = None,
        **fields: Any,
    ) -> Edit:
        """An edit from one plain sentence, such as ``"Lionel Messi now plays basketball."``.

        The sentence is split by :func:`memedit.sentence.split_sentence`; look at the result
        (``edit.subject``, ``edit.prompt``, ``edit.target_new``) and give ``subject`` or
        ``target_new`` where the split is wrong.

        Raises:
            InvalidEditError: The sentence cannot be split; the hint says how to help.
        """
        split: SentenceSplit = split_sentence(text, subject=subject, target=target_new)
        return cls(
            subject=split.subject,
            prompt=split.prompt,
            target_new=split.target,
            statement=text.strip(),
            **fields,
        )

    # -- writing ---------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The fields that were given, JSON-ready; ``from_dict`` gives the equal edit back."""
        defaults = type(self).model_fields
        return {
            key: value
            for key, value in self.model_dump(mode="json").items()
            if key == "id" or value != _json_default(defaults[key].default)
        }

    def to_json(self) -> str:
        """One line of JSONL, without loss: ``Edit.from_json(edit.to_json()) == edit``."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def changed(self, **changes: Any) -> Edit:
        """A copy with some fields replaced, validated like a new edit.

        A prompt that had been derived from the relation or the question is derived anew when
        one of these changes; a statement given in words is dropped when the subject, prompt or
        target changes, since it would state the old fact.
        """
        data = self.to_dict()
        derived = _derive_prompt(self.subject, self.names, self.relation, self.question)
        if changes.keys() & {"relation", "question"} and self.prompt == derived:
            data.pop("prompt", None)
        restated = changes.keys() & {"subject", "prompt", "target_new"}
        if restated and self.prompt and "statement" not in changes:
            data.pop("statement", None)
        return type(self).from_dict({**data, **changes})

    # -- derived ---------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The subject and its aliases; empty for free text without a subject."""
        return tuple(name for name in (self.subject, *self.aliases) if name)

    @property
    def cloze(self) -> str:
        """The prompt with the subject in its slot."""
        return forms.fill(self.prompt, self.subject)

    @cached_property
    def question_template(self) -> str:
        """The question with a slot: the one given, or one derived from the prompt."""
        if self.question:
            return forms.template_of(self.question, self.names) or self.question
        return forms.question_from_cloze(self.prompt)

    @property
    def asked(self) -> str:
        """A question the edit answers."""
        return forms.fill(self.question_template, self.subject)

    @cached_property
    def stated(self) -> str:
        """The edit as one sentence: the statement given, or one derived."""
        if self.statement:
            return self.statement
        return forms.statement(self.prompt, self.subject, self.target_new)

    @cached_property
    def subject_key(self) -> str:
        """The normal form of the subject (see :func:`memedit.text.name_key`)."""
        return name_key(self.subject)

    @cached_property
    def relation_key(self) -> str:
        """The normal form of the relation, or of the prompt where no relation is named."""
        return name_key(self.relation or self.prompt.replace(forms.SLOT, " "))

    @cached_property
    def key(self) -> tuple[str, str]:
        """What two edits share that replace each other: the subject and the relation.

        Free text without a subject has its own words for a key, so that only the same text
        replaces it.
        """
        if not self.subject_key:
            return "", name_key(self.prompt or self.statement or "")
        return self.subject_key, self.relation_key or name_key(self.statement or "")

    def holds_on(self, day: dt.date) -> bool:
        """Whether the fact's validity covers ``day`` (``valid_from <= day < valid_to``)."""
        after_start = self.valid_from is None or self.valid_from <= day
        before_end = self.valid_to is None or day < self.valid_to
        return after_start and before_end

    # -- validation ------------------------------------------------------------------------------

    @field_validator(*_WORD_FIELDS, mode="after")
    @classmethod
    def _check_words(cls, value: str | None, info: Any) -> str | None:
        if value is not None:
            _check_text(info.field_name, value)
        return value

    @field_validator(*_LIST_FIELDS, mode="after")
    @classmethod
    def _check_lists(cls, values: tuple[str, ...], info: Any) -> tuple[str, ...]:
        for value in values:
            _check_text(info.field_name, value)
            if not value:
                raise ValueError("an empty string is in the list; leave it out")
        return tuple(dict.fromkeys(values))

    @field_validator("id", mode="after")
    @classmethod
    def _check_id(cls, value: str) -> str:
        if not _ID.match(value):
            raise ValueError(
                f"{_shown(value)} is not an id; use up to 128 letters, digits, '_', '-', '.' or ':'"
            )
        return value

    @field_validator("valid_from", "valid_to", mode="before")
    @classmethod
    def _read_date(cls, value: Any) -> Any:
        return parse_date(value) if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _fill_prompt(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("prompt"):
            return data
        words = {k: data.get(k) for k in ("subject", "relation", "question")}
        if any(v is not None and not isinstance(v, str) for v in words.values()):
            return data  # the field's own check says what is wrong
        names = (
            words["subject"] or "",
            *(a for a in data.get("aliases") or () if isinstance(a, str)),
        )
        derived = _derive_prompt(
            words["subject"] or "", names, words["relation"], words["question"]
        )
        return {**data, "prompt": derived} if derived else data

    @model_validator(mode="after")
    def _check_whole(self) -> Edit:
        if not self.target_new:
            raise ValueError("target_new: it is empty; say what is true from now on")
        if self.target_true is not None and name_key(self.target_true) == name_key(self.target_new):
            raise ValueError(
                f"target_new: {_shown(self.target_new)} equals target_true, so nothing would "
                "change; give the new object, or leave target_true out"
            )
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError(
                f"valid_to: {self.valid_to} is not after valid_from {self.valid_from}; the "
                "interval is half-open, so the end must be a later day"
            )
        if self.kind == "fact":
            self._check_fact()
        elif not (self.prompt or self.statement):
            raise ValueError("prompt: free text needs a prompt or a statement; give one")
        return self

    def _check_fact(self) -> None:
        if not name_key(self.subject):
            raise ValueError(
                "subject: it is empty; name what the fact is about, or set kind='free_text' for "
                "knowledge without a named subject"
            )
        if not self.prompt:
            raise ValueError(
                "prompt: none was given and none can be derived; give a prompt with one {}, a "
                "relation, or a question that holds the subject"
            )
        slots = self.prompt.count(forms.SLOT)
        if slots != 1:
            raise ValueError(
                f"prompt: {_shown(self.prompt)} has {slots or 'no'} slot{'s' * (slots != 1)} for "
                "the subject; write {} exactly once where the subject stands"
            )
        for field, texts in (("question", (self.question,)), ("paraphrases", self.paraphrases)):
            for text in texts:
                if text and forms.template_of(text, self.names) is None:
                    raise ValueError(
                        f"{field}: the subject {_shown(self.subject)} does not occur in "
                        f"{_shown(text)}; write its name, an alias or {{}} there"
                    )


def parse_date(text: str) -> dt.date:
    """A day from ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD`` (the first day of what is left out).

    Raises:
        ValueError: The text is none of these; the message says which forms are accepted.
    """
    found = re.fullmatch(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?(?:T.*)?", text.strip())
    if found:
        year, month, day = (int(part) if part else 1 for part in found.groups())
        try:
            return dt.date(year, month, day)
        except ValueError:
            pass  # falls through to the one message below
    raise ValueError(f"{_shown(text)} is not a date; write YYYY, YYYY-MM or YYYY-MM-DD")


def _derive_prompt(
    subject: str, names: tuple[str, ...], relation: str | None, question: str | None
) -> str | None:
    if question and subject:
        template = forms.template_of(question, names)
        if template:
            return forms.cloze_from_question(template)
    if relation and subject and not re.fullmatch(r"[PQ]\d+", relation.strip()):
        return forms.cloze_from_relation(relation)
    return None


def _check_text(field: str, value: str) -> None:
    one_line = field in ("subject", "target_new", "target_true", "aliases", "relation")
    bad = find_control_character(value, allow="" if one_line else "\n\t")
    if bad:
        raise ValueError(f"it holds the control character {bad} ({_shown(value)}); remove it")
    limit = MAX_SUBJECT_CHARS if field in ("subject", "aliases") else MAX_TEXT_CHARS
    if len(value) > limit:
        raise ValueError(f"it has {len(value):,} characters; shorten it to {limit:,}")


def _json_default(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _invalid(error: ValidationError) -> InvalidEditError:
    """One sentence from pydantic's list: the first problem, with field, value and remedy."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    text = first["msg"].removeprefix("Value error, ")
    if not field:
        field, _, text = text.partition(": ")
    hint = ""
    if first["type"] == "missing":
        text, hint = "it is missing", "Give it."
    elif first["type"] == "extra_forbidden":
        text, hint = "there is no such field", f"Use one of: {', '.join(Edit.model_fields)}."
    elif "; " in text:
        text, hint = text.split("; ", 1)
        hint = f"{hint[0].upper()}{hint[1:]}."
    else:
        hint = f"Got {_shown(first['input'])}; give what the field takes."
    return InvalidEditError(f"{field}: {text}.", hint=hint, field=field)
