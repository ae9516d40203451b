"""Which records are for training and which are kept for development figures.

The split is fixed: by CounterFact's case number, elsewhere by a hash of the subject, so that it
holds for records that are not in any file yet. It goes by subject, since two records about one
subject share its names and often its facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from memedit.edit import Edit
from memedit.text import name_key

COUNTERFACT_DEV = 2000  # cases below it are live together in the benchmark
DEV_ONE_IN = 3
CHAIN_DEV_ONE_IN = 10
CHAIN_SUBJECT_DEV_ONE_IN = 6  # a chain has several subjects, and any of them counts
_SALT = "memedit-split-1"


def is_dev(family: str, case_id: str, edit: Edit) -> bool:
    """Whether a record is kept from training.

    Args:
        family: The family of data sets it comes from.
        case_id: The record's id there.
        edit: Its edit; the subject decides, or the words of a free text without one.
    """
    if family == "counterfact":
        return int(case_id.rsplit("-", 1)[-1]) < COUNTERFACT_DEV
    return bucket(edit.subject or edit.prompt or edit.stated) == 0


def bucket(text: str, *, of: int = DEV_ONE_IN) -> int:
    """A number below ``of`` that depends on the words of ``text`` alone."""
    digest = hashlib.sha256(f"{_SALT}:{name_key(text)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % of


def chain_subject_is_dev(subject: str) -> bool:
    """Whether cases in whose chains a subject stands are kept from training.

    Args:
        subject: The first subject of a chain, or that of one of its edits.
    """
    return bucket(subject, of=CHAIN_SUBJECT_DEV_ONE_IN) == 0


def chain_is_dev(relations: Sequence[str]) -> bool:
    """Whether questions over a chain of relations are kept from training, whatever they are about.

    Args:
        relations: The chain's relations in order.
    """
    return bucket(" > ".join(relations), of=CHAIN_DEV_ONE_IN) == 0
