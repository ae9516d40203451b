"""Free text: CKEBench's events and MEMIT-CSK's statements, found by meaning."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator

from product import SEED, Setting, edited, fires, hits
from record import Figure, share
from scope import told_apart

from memedit import Edit
from memedit.evaluate.cases import Query
from memedit.text import name_key
from memedit.train import sources
from memedit.train.sources import Record
from memedit.train.split import bucket

SETS = {"ckebench": "CKEBench", "memit_csk": "MEMIT-CSK"}  # by family
LIVE = 2_000
OUT_ONE_IN = 4  # of the dev events, kept from the memory to be asked as strangers
# What CKEBench puts after a consequence to ask whether it follows.
_YES_NO = re.compile(r"\.?\s*Is this sentence logical\?.*$", re.S)


def free_text(setting: Setting) -> list[Figure]:
    """2,000 live free-text edits: paraphrases of dev records, their neighbours, other events.

    Three in four dev events are live, with as many others as make 2,000. The rest of the dev
    events is asked too, in all wordings, and ought not to fire.
    """
    records = [r for r in sources.read(setting.data) if r.family in SETS]
    live, out = _split(records)
    edits = told_apart(live)
    events = {_event(record) for record in live}
    told = {name_key(q.prompt) for record in live for q in record.queries if q.fires}
    probed = [record for record in live if record.dev]
    figures: list[Figure] = []
    with edited(edits, **setting.product) as model:
        for family, name in SETS.items():
            mine = [record for record in probed if record.family == family]
            others = [record for record in out if record.family == family]
            near = setting.few(dict.fromkeys(_neighbours(mine, events | told)))
            strangers = setting.few(dict.fromkeys(_wordings(others)))
            prompts = setting.few(_asked(mine, "edit"))
            paraphrases = setting.few(_asked(mine, "rephrase"))
            figures += [
                share(f"free text: right edit, edit prompt, {name}", hits(model, prompts, name)),
                share(
                    f"free text: right edit, paraphrases, {name}",
                    hits(model, paraphrases, "paraphrases"),
                    ">= 0.9",
                ),
                share(
                    f"free text: false fires, neighbours, {name}",
                    fires(model, near, "neighbours"),
                    "<= 0.02",
                ),
                share(
                    f"free text: false fires, events that are not live, {name}",
                    fires(model, strangers, "other events"),
                    "<= 0.02",
                ),
            ]
    return figures


def _split(records: list[Record]) -> tuple[list[Record], list[Record]]:
    """The records whose edits are live, dev ones first, and the dev records kept from them."""
    dev = [record for record in records if record.dev]
    out = [record for record in dev if bucket(f"out {_event(record)}", of=OUT_ONE_IN) == 0]
    kept = {_event(record) for record in out}
    live = [record for record in dev if _event(record) not in kept]
    others = [r for r in records if not r.dev and _event(r) not in kept]
    random.Random(SEED).shuffle(others)
    return live + others[: LIVE - len(live)], out


def _event(record: Record) -> str:
    """What the record is about; MEMIT-CSK's subjects ("dog") are in many statements."""
    return record.edit.subject_key if record.family == "ckebench" else name_key(record.edit.cloze)


def _asked(records: Iterable[Record], kind: str) -> Iterator[tuple[str, Edit]]:
    for record in records:
        for query in record.queries:
            if query.kind == kind:
                yield query.prompt, record.edit


def _wordings(records: Iterable[Record]) -> Iterator[str]:
    """The prompts and paraphrases of records whose edits are not live."""
    return (prompt for kind in ("edit", "rephrase") for prompt, _ in _asked(records, kind))


def _neighbours(records: Iterable[Record], live: set[str]) -> Iterator[str]:
    """The records' neighbours about which nothing is live.

    One of MEMIT-CSK's is a statement to be judged, and is left out where a live edit ought to
    answer it. One of CKEBench's is made a prompt by :func:`completion`, and left out where its
    event is live.
    """
    for record in records:
        for query in record.queries:
            if query.kind != "locality":
                continue
            if record.family == "memit_csk":
                if name_key(query.prompt) not in live:
                    yield query.prompt
                continue
            prompt = completion(query, record.edit.target_new)
            if prompt and not _begins_with_one_of(prompt, live):
                yield prompt


def completion(query: Query, target: str) -> str | None:
    """A neighbour of CKEBench as a prompt to complete, as the edits are.

    As released it is another event with the edit's consequence behind it and the question whether
    that is logical; with the consequence in the prompt, words rather than meaning would decide. So
    the question and the consequence are cut off, and of a doubled "to" ("wants to to leave") one
    stays.

    Args:
        query: The neighbour.
        target: The edit's target, which is the consequence.

    Returns:
        The prompt, or None where it does not end in the target.
    """
    sentence, target = _YES_NO.sub("", query.prompt).rstrip(" ."), target.rstrip(" .")
    if not sentence.lower().endswith(f" {target.lower()}"):
        return None
    return re.sub(r"\bto to$", "to", sentence[: -len(target)].rstrip())


def _begins_with_one_of(prompt: str, live: set[str]) -> bool:
    tokens = name_key(prompt).split()
    return any(" ".join(tokens[:end]) in live for end in range(1, len(tokens) + 1))
