"""Conversations: which live subject the last message speaks of, told by name or not.

``conversations.jsonl`` holds conversations written for this, in three sets, each before the code
was asked about it; what the code was developed on is among the tests. At their first asking 67 of
72, 50 of 60 and 46 of 48 were right, and 1, 0 and 1 of them found a wrong subject; what was missed
was looked at afterwards, so today's figures tell of changes for the worse. One line each: ``live``
(subjects, each with its edit's prompt), ``turns``, ``ask``, the ``subjects`` that are right (mostly
one or none), and, where only one wording reads well, the ``question`` in full.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from product import Setting
from record import Figure, share

from memedit import Edit
from memedit.scope.names import NameIndex
from memedit.scope.phrases import relation_phrases
from memedit.scope.reading import read_query

FILE = Path(__file__).parent / "conversations.jsonl"
SETS = ("first", "second", "third")


class Outcome(NamedTuple):
    """What became of one conversation.

    Attributes:
        right: Whether exactly the right subjects were found.
        wrong: Whether one was found that is not meant.
        worded: Whether the question reads as it should; None where several wordings would.
    """

    right: bool
    wrong: bool
    worded: bool | None


def conversations(setting: Setting) -> list[Figure]:
    """Each conversation with its own few subjects live, nothing else being asked."""
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    figures = []
    for name in SETS:
        chosen = [row for row in rows if row["set"] == name][: setting.limit]
        outcomes = [outcome(row) for row in chosen]
        worded = [o.worded for o in outcomes if o.worded is not None]
        figures += [
            share(f"conversations, {name} set: right subject", [o.right for o in outcomes]),
            share(f"conversations, {name} set: a wrong subject", [o.wrong for o in outcomes]),
            share(f"conversations, {name} set: question reads well", worded),
        ]
    return figures


def outcome(row: dict[str, Any]) -> Outcome:
    """Reads one conversation and sets what is found against what is right."""
    edits = {
        edit.id: edit
        for subject, prompt in row["live"].items()
        for edit in [Edit(subject=subject, prompt=prompt, target_new="x")]
    }
    names = NameIndex()
    for edit in edits.values():
        names.add(edit.id, edit.names)
    _, readings = read_query(
        row["ask"],
        row["turns"],
        names,
        lambda ids: [phrase for i in ids for phrase in relation_phrases(edits[i])],
    )
    found, right = {reading.mention.name for reading in readings}, set(row["subjects"])
    question = row["ask"]
    for reading in readings:
        question = question.replace(reading.sentence, reading.resolved)
    worded = question == row["question"] if "question" in row else None
    return Outcome(found == right, bool(found - right), worded)
