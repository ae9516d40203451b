"""Fits the calibration of the untrained scope floor: ``python eval/fit_scope.py DATA_DIR``.

The encoder stays frozen; what is fitted is seven numbers a form of query (six weights, a bias) that
turn relation evidence into a probability. Development records only: CounterFact cases from 2,000
on, KnowEdit's train files, zsRE and MQuAKE-CF. The records that the scope benchmark reports on
(CounterFact 0-1999, PokeMQA, KnowEdit's test file) are not read.

Negatives ask for another relation of the same subject. Every set counts the same.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from memedit.edit import Edit
from memedit.forms import template_of
from memedit.scope.encoder import load_encoder
from memedit.scope.phrases import masked, relation_phrases
from memedit.scope.relations import FEATURES, Lexicon, relation_features
from memedit.scope.segments import is_question, sentence_spans

OUT = Path(__file__).parents[1] / "memedit" / "scope" / "calibration.json"
PRIOR_ODDS = {"question": 9.0, "cloze": 5.0}
# Relations whose clozes share their words or imply one another: no negatives of each other.
KIN = (
    {"P176", "P178", "P495", "P127", "P740", "P170", "P449", "P264"},
    {"P17", "P131", "P276", "P30", "P159", "P740"},
    {"P19", "P20", "P937", "P27"},
    {"P103", "P1412", "P37", "P364", "P407"},
    {"P106", "P101", "P39", "P108", "P463"},
    {"P641", "P413", "P1303", "P136"},
)


class Pair(NamedTuple):
    """A query about an edit's subject, its relation masked, and whether the edit answers it."""

    set: str
    phrases: tuple[str, ...]
    query: str
    label: int


def main() -> None:
    """Fits both forms, prints cross-validated rates at the shipped threshold, writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    rng = random.Random(0)
    pairs = [
        *counterfact(args.data, rng),
        *knowedit(args.data),
        *zsre(args.data, rng),
        *mquake(args.data, rng),
    ]
    pairs += pokemqa(args.data, rng)
    x = features(pairs)
    forms = {}
    for form, wanted in (("question", True), ("cloze", False)):
        rows = [i for i, pair in enumerate(pairs) if is_question(pair.query) == wanted]
        forms[form] = fit(form, [pairs[i] for i in rows], x[rows])
    calibration = {
        "encoder": load_encoder().fingerprint,
        "features": list(FEATURES),
        "forms": forms,
        "prior_odds": PRIOR_ODDS,
        "name_penalty": {"partial": 1.0, "spelling": 1.0, "reference": 0.5},
        "clash_penalty": 8.0,
        "free_text": {"slope": 20.0, "centre": 0.7},
    }
    args.out.write_text(json.dumps(calibration, indent=2) + "\n", encoding="utf-8")


def fit(form: str, pairs: list[Pair], x: np.ndarray) -> dict[str, Any]:
    """Logistic weights for one form; prints the share at or over the threshold, by set."""
    counts = Counter(pair.set for pair in pairs)
    keep = [i for i, pair in enumerate(pairs) if counts[pair.set] >= 100]
    pairs, x = [pairs[i] for i in keep], x[keep]
    y = np.array([pair.label for pair in pairs])
    sides: dict[int, set[str]] = defaultdict(set)
    for pair in pairs:
        sides[pair.label].add(pair.set)
    weight = np.array([1000 / counts[p.set] / len(sides[p.label]) for p in pairs])
    groups = np.unique([pair.query for pair in pairs], return_inverse=True)[1]
    model = LogisticRegression(C=10, max_iter=5000)
    p = cross_val_predict(
        model,
        x,
        y,
        groups=groups,
        cv=GroupKFold(5),
        method="predict_proba",
        params={"sample_weight": weight},
    )[:, 1]
    fires = p * PRIOR_ODDS[form] >= 1 - p
    names = np.array([pair.set for pair in pairs])
    for name in sorted(counts.keys() & set(names)):
        print(f"{form:9s} {name:16s} n={counts[name]:5d} fires {fires[names == name].mean():.3f}")
    model.fit(x, y, sample_weight=weight)
    return {
        "weights": [round(float(w), 4) for w in model.coef_[0]],
        "bias": round(float(model.intercept_[0]), 4),
    }


def features(pairs: list[Pair]) -> np.ndarray:
    """Relation evidence of every pair, ``[n, 6]``."""
    encoder = load_encoder()
    lexicon = Lexicon.load(encoder)
    texts = list(dict.fromkeys(t for pair in pairs for t in (*pair.phrases, pair.query)))
    vectors = encoder.encode(texts)
    profiles = lexicon.profiles(vectors)
    row = {text: i for i, text in enumerate(texts)}
    out = []
    for pair in pairs:
        edit, query = [row[t] for t in pair.phrases], row[pair.query]
        evidence = vectors[query], profiles[query], vectors[edit], profiles[edit].max(axis=0)
        out.append(relation_features(lexicon, *evidence))
    return np.stack(out)


def pair_of(name: str, edit: Edit, text: str, label: int) -> Iterator[Pair]:
    """The pair for the sentence of ``text`` that names the subject; nothing where none does."""
    sentences = [text[a:b] for a, b in sentence_spans(text)]
    for sentence in reversed(sentences):
        template = template_of(sentence, edit.names)
        if template:
            yield Pair(name, relation_phrases(edit), masked(template), label)
            return


def counterfact(data: Path, rng: random.Random) -> Iterator[Pair]:
    """Cases from 2,000 on: paraphrases and generation prompts in scope, other relations out."""
    records = {}
    for name in ("original", "portability", "distracting_neighbor"):
        for record in read(data / f"counterfact/counterfact_{name}.public.json.gz"):
            if record["case_id"] >= 2000:
                records[record["case_id"]] = record
    prompts: dict[str, list[str]] = defaultdict(list)
    for record in records.values():
        prompts[record["requested_rewrite"]["relation_id"]].append(
            record["requested_rewrite"]["prompt"]
        )
    for record in records.values():
        rewrite = record["requested_rewrite"]
        subject, relation = rewrite["subject"], rewrite["relation_id"]
        edit = Edit(
            subject=subject, prompt=rewrite["prompt"], target_new=rewrite["target_new"]["str"]
        )
        for text in record["paraphrase_prompts"]:
            yield from pair_of("cf paraphrase", edit, text, 1)
        for text in dict.fromkeys(record["generation_prompts"]):
            yield from pair_of("cf generation", edit, text, 1)
        others = [
            r for r in prompts if r != relation and not any({r, relation} <= kin for kin in KIN)
        ]
        for other in rng.sample(sorted(others), 2):
            yield from pair_of(
                "cf other", edit, rng.choice(prompts[other]).replace("{}", subject), 0
            )


def knowedit(data: Path) -> Iterator[Pair]:
    """Relation specificity of KnowEdit's train files: the same subject, another relation."""
    for name in ("wiki_recent_train", "wiki_counterfact_train_cf"):
        for record in read(data / f"knowedit/{name}.public.json.gz"):
            template = template_of(record["prompt"], (record["subject"],))
            if template:
                edit = Edit(
                    subject=record["subject"], prompt=template, target_new=record["target_new"]
                )
                for query in record["locality"].get("Relation_Specificity", []):
                    yield from pair_of("knowedit other", edit, query["prompt"], 0)


def zsre(data: Path, rng: random.Random) -> Iterator[Pair]:
    """zsRE: the rephrase in scope, another record's question about this subject out."""
    names = ("zsre_eval_portability", "zsre_mend_train_10000_slim", "zsre_mend_train-1k")
    records = [r for name in names for r in read(data / f"zsre/{name}.public.json.gz")]
    templates = [template_of(r["src"], (r["subject"],)) for r in records]
    known = [t for t in templates if t]
    for record, template in zip(records, templates, strict=True):
        if template and record["alt"]:
            edit = Edit(subject=record["subject"], question=record["src"], target_new=record["alt"])
            yield from pair_of("zsre rephrase", edit, record["rephrase"], 1)
            yield from pair_of("zsre other", edit, rng.choice(known).replace("{}", edit.subject), 0)


def mquake(data: Path, rng: random.Random) -> Iterator[Pair]:
    """MQuAKE-CF's single edits: the data set's question in scope, another relation's out."""
    rewrites = {}
    for case in read(data / "mquake/MQuAKE-CF-3k.public.json.gz"):
        for rewrite in case["requested_rewrite"]:
            rewrites[rewrite["subject"], rewrite["relation_id"]] = rewrite
    questions = {
        r["relation_id"]: r["question"].replace(r["subject"], "{}") for r in rewrites.values()
    }
    for rewrite in rewrites.values():
        subject, relation = rewrite["subject"], rewrite["relation_id"]
        edit = Edit(
            subject=subject, prompt=rewrite["prompt"], target_new=rewrite["target_new"]["str"]
        )
        yield from pair_of("mquake question", edit, rewrite["question"], 1)
        others = [
            r for r in questions if r != relation and not any({r, relation} <= kin for kin in KIN)
        ]
        for other in rng.sample(sorted(others), 2):
            yield from pair_of("mquake other", edit, questions[other].replace("{}", subject), 0)


def pokemqa(data: Path, rng: random.Random) -> Iterator[Pair]:
    """PokeMQA's development third: its questions in scope, another edit's with this subject out."""
    records = []
    for record in read(data / "mquake/pokemqa_scope_cls-filtered.public.json.gz"):
        edit = Edit.from_sentence(record["edit"])
        if is_development(edit.subject):
            templates = [template_of(q, edit.names) for q in record["questions"]]
            records.append((edit, [t for t in dict.fromkeys(templates) if t]))
    for edit, templates in records:
        for template in templates:
            yield from pair_of("pokemqa question", edit, template.replace("{}", edit.subject), 1)
        other, asked = rng.choice(records)
        if asked and other.relation_key != edit.relation_key:
            query = rng.choice(asked).replace("{}", edit.subject)
            yield from pair_of("pokemqa other", edit, query, 0)


def is_development(subject: str) -> bool:
    """Whether PokeMQA's records about this subject are for development: a third, by hash."""
    return int(hashlib.sha256(subject.encode()).hexdigest(), 16) % 3 == 0


def read(path: Path) -> list[dict[str, Any]]:
    """A gzipped JSON list."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(json.load(file))


if __name__ == "__main__":
    main()
