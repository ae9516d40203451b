"""Free texts with queries in and out of their scope, from training records."""

from __future__ import annotations

import re
from collections.abc import Iterable

from memedit.edit import Edit
from memedit.train.groups import Item
from memedit.train.sources import Record

MAX_QUERIES = 12
# CKEBench's neighbours ask whether a sentence is sensible that ends in the edit's own target.
_LOGICAL = re.compile(r"\s*Is this sentence logical\?.*$", re.I | re.S)


def text_items(records: Iterable[Record]) -> list[Item]:
    """Every free text once, with the queries of all its records.

    Out of scope are neighbours, without the target where they give it away; edits of one prompt
    are the same to a query, since only their targets differ.
    """
    inside: dict[str, list[str]] = {}
    outside: dict[str, list[str]] = {}
    same: dict[str, str] = {}
    for record in records:
        edit = record.edit
        if edit.kind != "free_text":
            continue
        text = edit.stated
        same[text] = edit.cloze or text
        own = inside.setdefault(text, [])
        others = outside.setdefault(text, [])
        for query in record.queries:
            if query.fires is True and query.prompt not in own:
                own.append(query.prompt)
            if query.fires is False:
                bare = without_target(query.prompt, edit)
                if bare not in others:
                    others.append(bare)
    return [
        Item(text, tuple(own[:MAX_QUERIES]), tuple(outside[text][:MAX_QUERIES]), same[text])
        for text, own in inside.items()
        if own
    ]


def without_target(prompt: str, edit: Edit) -> str:
    """A neighbour prompt as it would be asked, the target and the yes/no question taken off."""
    bare = _LOGICAL.sub("", prompt).strip().rstrip(".")
    for ending in (f"to {edit.target_new}", edit.target_new):
        if bare.endswith(ending):
            return bare[: -len(ending)].strip()
    return bare
