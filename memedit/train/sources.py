"""The records that training reads: every data set of the recipe as one edit with its queries each.

The recipe is :data:`RECIPE`; which of its records may be trained on is :mod:`memedit.train.split`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from memedit.edit import Edit
from memedit.evaluate.cases import Malformed, Query
from memedit.evaluate.datasets import DataSetError, load_dataset
from memedit.train.split import is_dev


@dataclass(frozen=True)
class Part:
    """One file of the recipe.

    Args:
        name: What the part is called, unique in the recipe.
        dataset: The reader's name (see :mod:`memedit.evaluate.datasets`).
        family: Parts of one family hold the same facts in other words; they are left out together.
        pattern: Where several files fit the reader: the path, relative to the data folder.
    """

    name: str
    dataset: str
    family: str
    pattern: str = ""


RECIPE: tuple[Part, ...] = (
    Part("counterfact", "counterfact", "counterfact"),
    Part("counterfact_original", "counterfact_original", "counterfact"),
    Part("counterfact_portability", "counterfact_portability", "counterfact"),
    Part("counterfact_distracting", "counterfact_distracting", "counterfact"),
    Part("zsre", "zsre_portability", "zsre"),
    Part("zsre_slim", "zsre_slim", "zsre"),
    Part("zsre_1k", "zsre", "zsre", "zsre/zsre_mend_train-1k.public.json.gz"),
    Part("knowedit_zsre", "knowedit_zsre", "zsre"),
    Part("mzsre_de", "mzsre", "zsre", "crosslingual/mzsre_en_de.public.json.gz"),
    Part("mzsre_fr", "mzsre", "zsre", "crosslingual/mzsre_en_fr.public.json.gz"),
    Part("mzsre_zh", "mzsre", "zsre", "crosslingual/mzsre_en_zh-cn.public.json.gz"),
    Part("knowedit", "knowedit", "rippleedits", "knowedit/wiki_counterfact_test_cf.public.json.gz"),
    Part(
        "knowedit_train",
        "knowedit",
        "rippleedits",
        "knowedit/wiki_counterfact_train_cf.public.json.gz",
    ),
    Part("knowedit_recent", "knowedit_recent", "rippleedits"),
    Part("rippleedits", "rippleedits", "rippleedits"),
    Part("mquake", "mquake", "mquake"),
    Part("pokemqa", "pokemqa", "mquake"),
    Part("wikifactdiff", "wikifactdiff", "wikifactdiff"),
    Part("dune", "dune", "dune"),
    Part("ckebench", "ckebench", "ckebench"),
    Part("memit_csk_20q", "memit_csk_20q_probe", "memit_csk"),
    Part("memit_csk_pep3k", "memit_csk_pep3k_probe", "memit_csk"),
    Part("atomic2020", "atomic2020", "atomic2020"),
)


@dataclass(frozen=True)
class Record:
    """One edit of one record of one part, with the queries that are about it.

    Args:
        part: The part's name.
        family: The part's family.
        case: The record's id in its data set.
        edit: The edit.
        relation: The relation's name or id; empty where the data set names none.
        queries: What is asked, with what is right (see :class:`memedit.evaluate.cases.Query`).
        dev: Whether training must not touch it.
    """

    part: str
    family: str
    case: str
    edit: Edit
    relation: str
    queries: tuple[Query, ...]
    dev: bool


def read(data: Path, parts: Sequence[str] | None = None) -> list[Record]:
    """Every record of the recipe, training and development, in the recipe's order.

    A subject that is a development subject in one part is one in all of them.

    Args:
        data: The folder of the data sets; files may be at any depth.
        parts: Names of parts to read; all where None.

    Raises:
        DataSetError: A part's file is missing, ambiguous or unreadable, or there is no such part.
    """
    unknown = sorted(set(parts or ()) - {part.name for part in RECIPE})
    if unknown:
        raise DataSetError(
            f"The training recipe has no part {unknown[0]!r}.",
            hint=f"Its parts: {', '.join(part.name for part in RECIPE)}.",
        )
    chosen = [part for part in RECIPE if parts is None or part.name in parts]
    records = [record for part in chosen for record in _records(part, data)]
    dev = {record.edit.subject_key for record in records if record.dev} - {""}
    return [
        record
        if record.dev or record.edit.subject_key not in dev
        else Record(**{**vars(record), "dev": True})
        for record in records
    ]


def _records(part: Part, data: Path) -> Iterator[Record]:
    for case in load_dataset(part.dataset, data / part.pattern if part.pattern else data):
        if isinstance(case, Malformed):
            continue
        for place, edit in enumerate(case.edits):
            queries = tuple(query for query in case.queries if query.edit == place)
            yield Record(
                part=part.name,
                family=part.family,
                case=case.id,
                edit=edit,
                relation=edit.relation or case.relation,
                queries=queries,
                dev=is_dev(part.family, case.id, edit),
            )
