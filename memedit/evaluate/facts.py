"""What is live beside the edits: the facts of the cases, alone or among many others.

A small model knows few of the facts a chain passes through, so a pipeline that is right may look
wrong. With the facts given as plain facts the pipeline is measured by itself; with many other facts
about the same entities, whether it still finds its way.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from memedit.edit import Edit
from memedit.evaluate.cases import Case
from memedit.evaluate.suite import Setting
from memedit.text import name_key

RELATIONS = 8  # that every entity on a chain has at least, in the dense setting
_SEED = 0


def live_facts(cases: Sequence[Case], setting: Setting) -> list[Edit]:
    """The facts that lie beside the edits of these cases, each once.

    Facts contradict neither each other nor an edit: of two that do the first stays, and what an
    edit of the cases is about it alone says.
    """
    if setting == "end-to-end":
        return []
    edited = {edit.key for case in cases for edit in case.edits}
    facts: dict[tuple[str, str], Edit] = {}
    for case in cases:
        for fact in case.facts:
            if fact.key not in edited:
                facts.setdefault(fact.key, fact)
    if setting == "dense":
        for fact in generated(cases, facts.values(), edited):
            facts.setdefault(fact.key, fact)
    return list(facts.values())


def generated(
    cases: Sequence[Case], facts: Iterable[Edit], edited: set[tuple[str, str]]
) -> Iterator[Edit]:
    """Facts of other relations for every entity, so that it has :data:`RELATIONS` at least.

    An entity is given relations of the data set that it does not have, with objects that have been
    seen with them, most of which are entities themselves: what leads astray is not noise but
    another chain. None is a relation that a chain comes to later: where a question asks for the
    sport that goes with somebody's position, his own sport would be another right answer.
    """
    known = [*facts, *(edit for case in cases for edit in case.edits)]
    prompts: dict[str, str] = {}
    objects: dict[str, dict[str, None]] = defaultdict(dict)
    has: dict[str, set[str]] = defaultdict(set)
    names: dict[str, str] = {}
    for edit in known:
        relation = edit.relation or edit.prompt
        prompts.setdefault(relation, edit.prompt)
        objects[relation][edit.target_new] = None
        has[edit.subject_key].add(relation)
        for name in (edit.subject, edit.target_new):
            names.setdefault(name_key(name), name)
    later = _later(cases)
    order = sorted(prompts)
    for key, name in names.items():
        rng = random.Random(f"{_SEED}:{key}")
        taken = has[key] | later[key]
        missing = [relation for relation in order if relation not in taken]
        for relation in rng.sample(missing, min(len(missing), max(0, RELATIONS - len(has[key])))):
            target = rng.choice([o for o in objects[relation] if name_key(o) != key] or [name])
            words = {"subject": name, "prompt": prompts[relation], "target_new": target}
            digest = hashlib.sha256("\n".join(words.values()).encode()).hexdigest()[:16]
            fact = Edit(**words, relation=relation, id=f"dense-{digest}", tags=("fact",))
            if fact.key not in edited:
                yield fact


def _later(cases: Sequence[Case]) -> dict[str, set[str]]:
    """By entity, the relations that chains through it come to after it."""
    found: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        hops = [query for query in case.queries if query.kind == "hop"]
        chain = [str(hop.meta.get("relation", "")) for hop in hops]
        for place, hop in enumerate(hops):
            found[name_key(str(hop.meta.get("subject", "")))].update(chain[place + 1 :])
    return found
