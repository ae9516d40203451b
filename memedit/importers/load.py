"""Reading a file of edits, with an account of what was taken, what was skipped and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from memedit.edit import Edit
from memedit.errors import ImportFormatError, InvalidEditError
from memedit.importers.files import Record, RecordFile, read_records
from memedit.importers.schemas import FORMATS, SCHEMAS, Schema

_EXAMPLES = 3
# A value as messages quote it; the closing quote may have been cut off.
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*?(?:'(?!\w)|…)|"(?:[^"\\]|\\.)*?(?:"|…)""")


@dataclass
class ImportSummary:
    """What became of a file's records.

    Args:
        path: The file.
        format: The schema its records were read as.
        taken: Edits made.
        merged: Rewrites that repeat an edit of an earlier case (MQuAKE).
        reasons: How many records were skipped for each reason.
        examples: For each reason, where its first records stand ("record 7", "line 7").
    """

    path: Path
    format: str
    taken: int = 0
    merged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def skipped(self) -> int:
        """Records that were left out, whatever the reason."""
        return self.reasons.total()

    def skip(self, reason: str, where: str) -> None:
        """Counts one record that is left out."""
        self.reasons[reason] += 1
        places = self.examples.setdefault(reason, [])
        if len(places) < _EXAMPLES:
            places.append(where)

    def to_dict(self) -> dict[str, Any]:
        """The summary, JSON-ready."""
        return {
            "path": str(self.path),
            "format": self.format,
            "taken": self.taken,
            "merged": self.merged,
            "skipped": self.skipped,
            "reasons": [
                {"reason": reason, "count": count, "examples": self.examples[reason]}
                for reason, count in self.reasons.most_common()
            ],
        }


class LoadedEdits(list[Edit]):
    """Edits read from a file, in its order; :attr:`summary` tells how the reading went."""

    def __init__(self, edits: Iterable[Edit], summary: ImportSummary) -> None:
        super().__init__(edits)
        self.summary = summary


def load_edits(
    path: str | Path | BinaryIO,
    format: str = "auto",
    *,
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> LoadedEdits:
    """The edits of a JSON list or JSONL file, plain or gzipped.

    In our own format every record must be a good edit. In the benchmarks' formats a record that
    cannot be used (its subject does not occur in its prompt, say) is left out and counted.

    Args:
        path: The file, or a binary file that is open.
        format: ``"jsonl"`` (our own), ``"counterfact"``, ``"zsre"``, ``"mquake"``,
            ``"easyedit"``, or ``"auto"`` to tell by the first record's fields.
        limit: At most this many edits.
        progress: Called with the number of records just read.

    Returns:
        The edits, with a ``summary``; give them to ``EditMemory.add``.

    Raises:
        ImportFormatError: The file cannot be read, is malformed (the message names the line),
            has another schema, or repeats an id.
    """
    if format not in FORMATS:
        raise ImportFormatError(
            f"format: {format!r} is not known.", hint=f"Use one of: {', '.join(FORMATS)}."
        )
    file = read_records(path)
    schema = _schema(file, format)
    summary = ImportSummary(file.path, schema.name)
    edits: list[Edit] = []
    for edit in _edits(file, schema, summary, progress):
        if limit is not None and len(edits) >= limit:
            break
        edits.append(edit)
    summary.taken = len(edits)
    return LoadedEdits(edits, summary)


def _schema(file: RecordFile, name: str) -> Schema:
    """The schema named, or told by the first record; refuses a file of another schema."""
    by_name = {schema.name: schema for schema in SCHEMAS}
    if not file.records:
        return by_name["jsonl" if name == "auto" else name]
    place, first = file.records[0]
    if not isinstance(first, dict):
        raise ImportFormatError(
            f"{file.where(place)}: a record must be a JSON object, not {type(first).__name__}.",
            hint="Give a JSON list of objects, or JSONL.",
        )
    told = next((schema for schema in SCHEMAS if schema.tells(first)), None)
    schema = told if name == "auto" else by_name[name]
    if schema is None or schema.missing(first):
        fields = ", ".join(sorted(map(str, first))[:8]) or "none"
        what = f"not a {name} record" if name != "auto" else "of no known format"
        hint = f"Try format={told.name!r}." if told else f"Known formats: {', '.join(by_name)}."
        raise ImportFormatError(f"{file.where(place)}: {what}; its fields are {fields}.", hint=hint)
    return schema


def _edits(
    file: RecordFile,
    schema: Schema,
    summary: ImportSummary,
    progress: Callable[[int], None] | None,
) -> Iterator[Edit]:
    own = schema.name == "jsonl"
    merge = schema.name == "mquake"
    unit = "line" if file.by_line else "record"
    seen_ids: dict[str, int] = {}
    seen_words: set[tuple[Any, ...]] = set()
    for record in file.records:
        try:
            edits = _read(schema, record)
        except InvalidEditError as error:
            if own:
                message = f"{file.where(record.place)}: {error.message}"
                raise ImportFormatError(message, hint=error.hint) from None
            summary.skip(_QUOTED.sub("…", error.message), f"{unit} {record.place}")
            edits = []
        for edit in edits:
            if own:
                _refuse_repeated_id(file, edit.id, record.place, seen_ids)
            words = (edit.subject, edit.prompt, edit.target_new)
            if merge and words in seen_words:
                summary.merged += 1
                continue
            seen_words.add(words)
            yield edit
        if progress:
            progress(1)


def _read(schema: Schema, record: Record) -> list[Edit]:
    """Every edit of a record: all or, where one of them is malformed, none."""
    if not isinstance(record.data, dict):
        raise InvalidEditError(
            f"The record is not an object but {type(record.data).__name__}.",
            hint="Write one JSON object a record.",
        )
    missing = schema.missing(record.data)
    if missing:
        raise InvalidEditError(f"Fields are missing: {missing}.", hint="Give them.")
    return list(schema.read(record.data, record.place))


def _refuse_repeated_id(file: RecordFile, edit_id: str, place: int, seen: dict[str, int]) -> None:
    if edit_id in seen:
        raise ImportFormatError(
            f"{file.where(place)}: the id {edit_id!r} was already given at "
            f"{file.where(seen[edit_id])}.",
            hint="Give each edit an id of its own, or none.",
        )
    seen[edit_id] = place
