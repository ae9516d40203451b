"""Data sets written for a test, and what their readers make of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from memedit.evaluate.cases import Case, Malformed, Query
from memedit.evaluate.datasets import load_dataset


@dataclass
class Result:
    """One reading of a data set."""

    cases: list[Case]
    malformed: list[Malformed]
    dropped: dict[str, int]

    def queries(self, kind: str, case: int = 0) -> list[Query]:
        return [query for query in self.cases[case].queries if query.kind == kind]


@pytest.fixture
def read(tmp_path) -> Callable[..., Result]:
    """``read(name, record, ...)``: the data set of that name with these JSON records."""

    def read(name: str, *records: Any) -> Result:
        path = tmp_path / "data.json"
        path.write_text(json.dumps(list(records)), encoding="utf-8")
        data = load_dataset(name, path)
        items = list(data)
        cases = [item for item in items if isinstance(item, Case)]
        malformed = [item for item in items if isinstance(item, Malformed)]
        assert len(items) + data.records_dropped == len(records), "a record is lost"
        assert len({item.id for item in items}) == len(items), "an id is given twice"
        return Result(cases, malformed, dict(data.dropped.reasons))

    return read
