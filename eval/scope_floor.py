"""The scope suites: every edit of a set live at once, each query routed by the product itself."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fit_scope import is_development
from record import Figure, share
from rich.progress import track

from memedit import Edit, EditedModel, EditMemory, load_edits, load_model
from memedit.errors import InvalidEditError
from memedit.forms import template_of
from memedit.text import words

COUNTERFACT = "counterfact/counterfact_easyedit.0-1999.json.gz"
POKEMQA = "mquake/pokemqa_scope_cls-filtered.public.json.gz"
KNOWEDIT = "knowedit/wiki_counterfact_test_cf.public.json.gz"
FILES = (COUNTERFACT, POKEMQA, KNOWEDIT)
SEED = 0

Key = tuple[str, str]


def counterfact(data: Path) -> list[Figure]:
    """2,000 CounterFact edits: right edit on prompts and rephrasings, fires on neighbours."""
    records = read(data / COUNTERFACT)
    edits = load_edits(data / COUNTERFACT, format="counterfact")
    by_source = {edit.source: edit for edit in edits}
    pairs = [
        (r, by_source[s]) for r in records if (s := f"counterfact:{r['case_id']}") in by_source
    ]
    names = {tuple(edit.subject_key.split()) for edit in edits}
    neighbours = [
        r["locality_prompt"] for r, _ in pairs if not names_any(r["locality_prompt"], names)
    ]
    with edited(edits) as model:
        prompts = [right(model, r["prompt"], edit) for r, edit in told(pairs, "prompts")]
        rephrased = [right(model, r["rephrase_prompt"], e) for r, e in told(pairs, "rephrasings")]
        fires = [bool(model.route(q).edits) for q in told(neighbours, "neighbours")]
    return [
        share("counterfact: right edit, edit prompt", prompts, ">= 0.995"),
        share("counterfact: right edit, rephrase_prompt", rephrased, ">= 0.9"),
        share("counterfact: false fires, locality_prompt naming no live subject", fires, "<= 0.01"),
    ]


def pokemqa(data: Path) -> list[Figure]:
    """PokeMQA, half the edits live as plain sentences; questions of both halves.

    Records are grouped by subject and relation before the split, since a question about a fact
    that another record edits is not out of scope. A third of the subjects served development (see
    fit_scope.py); the others are reported apart as well.
    """
    groups: dict[Key, tuple[Edit, list[str]]] = {}
    for record in read(data / POKEMQA):
        edit = Edit.from_sentence(record["edit"])
        _, questions = groups.get(edit.key, (edit, []))
        questions = list(dict.fromkeys([*questions, *record["questions"]]))
        groups[edit.key] = edit, questions
    keys = sorted(groups)
    random.Random(SEED).shuffle(keys)
    live, out = keys[: len(keys) // 2], keys[len(keys) // 2 :]
    asked = [(question, groups[key][0]) for key in live for question in groups[key][1]]
    others = [question for key in out for question in groups[key][1]]
    with edited([groups[key][0] for key in live]) as model:
        hits = [right(model, question, edit) for question, edit in told(asked, "questions")]
        fires = [bool(model.route(question).edits) for question in told(others, "other half")]
    unseen = [not is_development(edit.subject) for _, edit in asked]
    unseen_others = [
        not is_development(groups[key][0].subject) for key in out for _ in groups[key][1]
    ]
    return [
        share("pokemqa: right edit, questions of the live half", hits, ">= 0.95"),
        share("pokemqa: false fires, questions of the other half", fires, "<= 0.04"),
        share("pokemqa: right edit, subjects kept from development", list(compress(hits, unseen))),
        share(
            "pokemqa: false fires, subjects kept from development",
            list(compress(fires, unseen_others)),
        ),
    ]


def knowedit(data: Path) -> list[Figure]:
    """KnowEdit wiki_counterfact: relation specificity asks the subject for something else.

    A specificity prompt that is word for word the prompt of another live edit is left out.
    """
    edits, prompts = [], []
    records = read(data / KNOWEDIT)
    own = {record["prompt"] for record in records}
    for record in records:
        template = template_of(record["prompt"], (record["subject"],))
        if template is None:
            continue
        try:
            edits.append(
                Edit(subject=record["subject"], prompt=template, target_new=record["target_new"])
            )
        except InvalidEditError:
            continue  # not an edit at all, such as an empty target
        specific = record["locality"].get("Relation_Specificity", [])
        prompts += [query["prompt"] for query in specific if query["prompt"] not in own]
    prompts = list(dict.fromkeys(prompts))
    with edited(edits) as model:
        hits = [right(model, edit.cloze, edit) for edit in told(edits, "prompts")]
        fires = [bool(model.route(prompt).edits) for prompt in told(prompts, "specificity")]
    return [
        share("knowedit: right edit, edit prompt", hits),
        share("knowedit: false fires, Relation_Specificity", fires),
    ]


@contextmanager
def edited(edits: Iterable[Edit]) -> Iterator[EditedModel]:
    """The product with these edits in a store of its own, scope at its shipped setting."""
    with (
        TemporaryDirectory(prefix="memedit-eval-") as folder,
        EditMemory.open(Path(folder) / "e.db") as memory,
    ):
        memory.add(edits)
        model = EditedModel(load_model("smollm2"), memory)
        model.route("warm-up")
        yield model


def right(model: EditedModel, query: str, edit: Edit) -> bool:
    """Whether the query's surest edit is this one, or the one that superseded it by its key."""
    found = model.route(query).edits
    if not found:
        return False
    superseded = edit.id not in model.memory and found[0].key == edit.key
    return found[0].id == edit.id or superseded


def names_any(text: str, names: set[tuple[str, ...]]) -> bool:
    """Whether a live subject's full name stands in the text, case and accents aside."""
    tokens = tuple(word for word, _, _ in words(text))
    longest = max(map(len, names))
    return any(
        tokens[start:end] in names
        for start in range(len(tokens))
        for end in range(start + 1, min(len(tokens), start + longest) + 1)
    )


def told(items: list[Any], what: str) -> Iterable[Any]:
    """The items, with a progress bar."""
    return track(items, description=f"{what:12s}")


def read(path: Path) -> list[dict[str, Any]]:
    """A gzipped JSON list."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(json.load(file))
