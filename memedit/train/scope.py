"""`memedit train scope`: from the recipe's records to the matcher and the weights of the decision.

What is drawn, from where and how often is :data:`WEIGHTS`. Families and relations can be left out,
which is how the figures for relations and data sets never seen are measured.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memedit.errors import TrainingError
from memedit.scope.cohort import Cohort
from memedit.scope.encoder import SentenceEncoder
from memedit.scope.matcher import CONFIG_FILE, Matcher
from memedit.scope.probability import Calibration
from memedit.scope.trained_folder import about_in, write_about
from memedit.train import wordings
from memedit.train.checkpoint import Checkpoint
from memedit.train.deciding import Pair, drawn_pairs, fit_relations, fit_texts
from memedit.train.groups import Item, ItemGroups, RelationGroups, Source
from memedit.train.loop import Watch
from memedit.train.matching import MatcherSettings, fit, key_of, save
from memedit.train.name_weights import fit_names
from memedit.train.names import NamePair, name_for_fitting
from memedit.train.sources import Record
from memedit.train.split import bucket
from memedit.train.texts import text_items

# How often groups are drawn from each family. Breadth keeps relations apart that were never seen:
# the bank, written for it, has the most relations and is drawn most.
WEIGHTS: Mapping[str, float] = {
    "bank": 0.45,
    "counterfact": 0.2,
    "zsre": 0.13,
    "rippleedits": 0.15,
    "mquake": 0.15,
    "wikifactdiff": 0.02,
    "text": 0.16,
    "name": 0.12,
}
# Families whose own out-of-scope queries ask the same subject for something else.
SPECIFIC = frozenset({"rippleedits"})
HALVES = 2
# One relation in ten of these families is kept from the matcher: the weights of the decision are
# fitted on relations that the matcher has not seen, else they would trust it too much.
FITTED = frozenset({"bank", "zsre"})
FITTED_ONE_IN = 10
# Families whose relations every match is set against.
COHORT = ("bank", "counterfact", "mquake")
FITTED_PAIRS = 3000  # of each family
CLASH_PENALTY = 8.0  # log odds where the target cannot be an answer
# In scope to out of scope: of queries that name an edited subject, and of a free text that lies
# nearest to a query among a memory's many. And of a name nearly like a known one: strangers are
# drawn freely for the fit, but who writes such a name and asks for what was edited mostly means it
# (on training records of KnowEdit, related aliases found rise from 73 to 79 %, while no stranger's
# name fires, and of names that differ from a person's in the given name alone, 1.3 %).
PRIOR_ODDS = {"question": 3.0, "cloze": 3.0, "text": 0.1, "name": 2.0}


def train_matcher(
    records: Sequence[Record],
    encoder: SentenceEncoder,
    out: Path,
    settings: MatcherSettings,
    watch: Watch,
    *,
    without: Collection[str] = (),
    half: bool = False,
    names: Sequence[NamePair] = (),
) -> dict[str, Any]:
    """Fits the matcher on the training side of ``records`` and writes it to ``out``.

    Args:
        records: Of the recipe; development records are left out here.
        encoder: What it is built on.
        out: The folder to write; the state of an interrupted training is kept in it.
        settings: How.
        watch: Called after every step; never where the same training has been done in ``out``.
        without: Families to leave out.
        half: Whether to leave out half of CounterFact's relations (:func:`kept_out`).
        names: Pairs of names (:func:`memedit.train.names.name_pairs`).

    Returns:
        What is known about the matcher: the contents of its ``matcher.json``.

    Raises:
        TrainingError: There is nothing to train on, or the state is another training's.
    """
    chosen = trained_on(records, without, half=half)
    data = digest_of(chosen)
    key = key_of(settings, data, encoder.fingerprint)
    done = about_in(out, CONFIG_FILE)
    if done and done.get("key") == key:
        return done
    sources = groups_of(chosen, encoder)
    items = name_items(names)
    if len(items) > 1:
        sources["name"] = (WEIGHTS["name"], ItemGroups(items, encoder))
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(out / "training.pt", key)
    model, progress = fit(encoder, sources, settings, checkpoint, watch)
    about = {
        "key": key,
        "encoder": encoder.fingerprint,
        "lora": {"rank": settings.rank, "alpha": settings.alpha},
        "settings": settings.model_dump(),
        "weights": {name: weight for name, (weight, _) in sources.items()},
        "without": sorted(without),
        "half": half,
        "data": data,
        "records": dict(Counter(record.part for record in chosen)),
        "seconds": round(progress.seconds),
        "losses": {str(step): round(loss, 4) for step, loss in progress.losses.items()},
    }
    save(model, out, about)
    checkpoint.remove()
    return about


def groups_of(
    records: Sequence[Record], encoder: SentenceEncoder
) -> dict[str, tuple[float, Source]]:
    """What groups are drawn from, with its weight, by family.

    Raises:
        TrainingError: No family has two relations to tell apart.
    """
    labelled, chat = specific(records), wordings.chat()
    sources: dict[str, tuple[float, Source]] = {
        family: (WEIGHTS[family], RelationGroups(relations, encoder, labelled[family], chat))
        for family, relations in families(records, fitting=False).items()
        if len(relations) > 1
    }
    items = [item for item in text_items(records) if not text_for_fitting(item)]
    if len(items) > 1:
        sources["text"] = (WEIGHTS["text"], ItemGroups(items, encoder))
    if not sources.keys() - {"bank"}:
        raise TrainingError(
            "data: no record is left to train the scope classifier on.",
            hint="Give the folder of the recipe's data sets (memedit.train.sources.RECIPE), and "
            "leave out fewer of them.",
        )
    return sources


def fit_decision(
    records: Sequence[Record], encoder: SentenceEncoder, folder: Path
) -> dict[str, Any]:
    """Fits the weights of the decision for the matcher in ``folder`` and writes them beside it.

    Args:
        records: As for :func:`train_matcher`.
        encoder: What the matcher is built on.
        folder: The matcher's.

    Returns:
        The ``decision`` of ``matcher.json``.
    """
    matcher = Matcher.load(folder, encoder)
    about = dict(matcher.about)
    chosen = trained_on(records, about["without"], half=about["half"])
    facts = [record for record in chosen if record.edit.kind == "fact"]
    seed = int(about["settings"]["seed"])
    rng = random.Random(seed)
    chat = wordings.chat()
    labelled = specific(chosen)
    # Relations kept for the weights are strangers to the cohort too, while these are fitted.
    learnt = families(chosen, fitting=False)
    matcher.cohort = cohort_of(learnt, matcher)
    pairs: list[Pair] = []
    kept = families(chosen, fitting=True)
    for family, relations in kept.items():
        source = RelationGroups(relations, encoder, chat=chat)
        pairs += drawn_pairs(family, source, FITTED_PAIRS, rng)
    for family, relations in sorted(learnt.items()):
        if family not in FITTED and len(relations) > 1:
            source = RelationGroups(relations, encoder, labelled[family], chat)
            pairs += drawn_pairs(family, source, FITTED_PAIRS, rng)
    decision: dict[str, Any] = {
        "forms": fit_relations(pairs, encoder, matcher),
        "names": fit_names(facts, encoder, matcher, seed=seed),
        "prior_odds": dict(PRIOR_ODDS),
        "name_penalty": {"partial": 1.0, "reference": 0.5},
        "clash_penalty": CLASH_PENALTY,
    }
    items = [item for item in text_items(chosen) if text_for_fitting(item)]
    if len(items) > 1:
        texts = drawn_pairs("text", ItemGroups(items, encoder), FITTED_PAIRS, rng)
        decision["forms"]["text"] = fit_texts(texts, encoder, matcher)
    else:
        decision["forms"]["text"] = asdict(Calibration.untrained().forms["text"])
    if any(kept.get(family) for family in COHORT):
        matcher.cohort = matcher.cohort.joined(cohort_of(kept, matcher))
    matcher.cohort.save(folder)
    write_about(folder, CONFIG_FILE, {**about, "decision": decision})
    return decision


def cohort_of(relations: Mapping[str, Sequence[wordings.Relation]], matcher: Matcher) -> Cohort:
    """The relations that matches are set against: of families that name theirs."""
    return Cohort.of([matcher.encode(r.asked) for f in COHORT for r in relations.get(f, ())])


def trained_on(records: Iterable[Record], without: Collection[str], *, half: bool) -> list[Record]:
    """The training side of ``records`` but for what is left out (see :func:`train_matcher`)."""
    chosen = [r for r in records if not r.dev and r.family not in without]
    if not half:
        return chosen
    gone = kept_out(chosen)
    return [r for r in chosen if r.family != "counterfact" or r.relation not in gone]


def families(records: Iterable[Record], *, fitting: bool) -> dict[str, list[wordings.Relation]]:
    """The relations of records and bank by family.

    Args:
        records: Of the training side.
        fitting: Whether those that are kept for the weights of the decision, or all others.
    """
    found: dict[str, list[wordings.Relation]] = defaultdict(list)
    for relation in (*wordings.relations(records), *wordings.bank()):
        whole = relation.asked and relation.told and relation.targets
        if whole and for_fitting(relation) == fitting:
            found[relation.family].append(relation)
    return found


def specific(records: Iterable[Record]) -> dict[str, list[wordings.Labelled]]:
    """What data sets themselves call out of scope of an edit about the same subject, by family."""
    found: dict[str, list[wordings.Labelled]] = defaultdict(list)
    for item in wordings.labelled(r for r in records if r.family in SPECIFIC):
        found[item.family].append(item)
    return found


def name_items(pairs: Iterable[NamePair]) -> list[Item]:
    """The names that the matcher learns from, with their other names and those they look like."""
    others: dict[bool, dict[str, list[str]]] = {True: defaultdict(list), False: defaultdict(list)}
    for pair in pairs:
        others[pair.label][pair.name].append(pair.surface)
    return [
        Item(name, tuple(surfaces), tuple(others[False].get(name, ())))
        for name, surfaces in others[True].items()
        if not name_for_fitting(name)
    ]


def for_fitting(relation: wordings.Relation) -> bool:
    """Whether a relation is kept for the weights of the decision."""
    return relation.family in FITTED and bucket(relation.name, of=FITTED_ONE_IN) == 0


def text_for_fitting(item: Item) -> bool:
    """Whether a free text is kept for the weights of the decision."""
    return bucket(item.same or item.edit, of=FITTED_ONE_IN) == 0


def kept_out(records: Iterable[Record]) -> set[str]:
    """Half of CounterFact's relations, by a hash of their ids."""
    ids = {r.relation for r in records if r.family == "counterfact" and r.relation}
    return {name for name in ids if bucket(name, of=HALVES) == 0}


def digest_of(records: Iterable[Record]) -> str:
    """16 hexadecimal digits over every record's edit and queries."""
    digest = hashlib.sha256()
    for record in records:
        words = [record.part, record.case, record.edit.prompt, record.edit.target_new]
        digest.update("\0".join([*words, *(q.prompt for q in record.queries)]).encode())
    return digest.hexdigest()[:16]
