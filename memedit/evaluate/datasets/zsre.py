"""zsRE as a set of edits: questions with a new answer (Mitchell et al. 2022, arXiv 2110.11309).

The questions are those of Levy et al. 2017; MEND's release gives each a new answer and a question
of Natural Questions that must not change. One reader for MEND's schema, the slim one without the
model's own answers, and EasyEdit's portability file.

The fields: ``src`` is the edit's question and ``alt`` its new answer; ``answers`` (true) and
``pred`` (what MEND's model answered) are the old ones; ``rephrase`` is the rephrasing; ``loc`` is
asked without the prefix ``nq question: `` that MEND puts before it (and MEMIT scores it with, and
with a question mark), and ``loc_ans`` is its answer;
``portability`` is the question one hop further on.
"""

from __future__ import annotations

from collections.abc import Iterator

from memedit.edit import Edit
from memedit.evaluate.cases import Case, Dropped, Query
from memedit.evaluate.datasets import checks
from memedit.evaluate.datasets.checks import Fields
from memedit.evaluate.datasets.counterfact import portability
from memedit.evaluate.datasets.reader import Reader

_LOCALITY_PREFIX = "nq question:"


def _case(data: Fields, case_id: str, dropped: Dropped) -> Case:
    old = checks.answers(data.get("answers"), data.get("pred"))
    edit = checks.request_edit(
        checks.text(data, "src"),
        checks.text(data, "subject"),
        checks.text(data, "alt"),
        old,
        id=case_id,
        source=case_id.replace("-", ":", 1),
    )
    return Case(case_id, (edit,), tuple(_queries(data, edit, old)))


def _queries(data: Fields, edit: Edit, old: tuple[str, ...]) -> Iterator[Query]:
    new, true = edit.target_new, edit.target_true
    yield Query(checks.text(data, "src"), "edit", (new,), old, fires=True, new=new, true=true)
    rephrase = checks.text(data, "rephrase")
    yield Query(rephrase, "rephrase", (new,), old, fires=True, new=new, true=true)
    unrelated = checks.text(data, "loc").removeprefix(_LOCALITY_PREFIX).strip()
    answer = checks.text(data, "loc_ans")
    yield Query(unrelated, "locality", (answer,), (answer,), fires=False, true=answer)
    yield from portability(data)


_SOURCE = "Mitchell et al. 2022, arXiv 2110.11309; github.com/eric-mitchell/mend"


def _reader(name: str, *files: str) -> Reader:
    return Reader(name, files, checks.each_record("zsre", _case, told_by_old=True), _SOURCE)


READERS = (
    _reader(
        "zsre",
        "zsre_mend_eval.json*",
        "zsre*eval*.json*",
        "zsre_mend_train-1k*.json*",
        "zsre_mend_train*.json*",
    ),
    _reader("zsre_slim", "zsre_mend_train_10000*.json*"),
    _reader("zsre_portability", "zsre*portability*.json*"),
)
