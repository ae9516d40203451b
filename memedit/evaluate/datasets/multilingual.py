"""One fact in two languages: MzsRE and WikiFactDiff as BMIKE-53 pairs them with English."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memedit import forms
from memedit.edit import Edit
from memedit.evaluate.cases import Case, Dropped, Kind, Query
from memedit.evaluate.datasets import checks
from memedit.evaluate.datasets.checks import QUERY, Fields, Make
from memedit.evaluate.datasets.reader import Reader

ENGLISH = "en"
EMPTY = f"{QUERY}its prompt or its answer is empty"
_EDIT: Kind = "edit"
_REPHRASE: Kind = "rephrase"


def case_maker(*, to_english: bool) -> Make:
    """What makes cases of MzsRE's and WikiFactDiff's records, in one of the two directions.

    A record has a block in English and one in another language, whose key (``"de"``,
    ``"zh-cn"``) is read from the record and becomes the case's language; a record with English
    alone is a case in English. The edit is made from the one block and asked in both. A query's
    label is its language, and ``meta["field"]`` the block's field it comes from:

    =========== ======== ==========================================================================
    field       kind     meaning (Nie et al. 2024, arXiv 2406.17764)
    =========== ======== ==========================================================================
    src         edit     the edit's own prompt: reliability. In the other language it is a
                         ``rephrase``, so that the kind ``edit`` stays the edit's own words
    rephrase    rephrase generality
    loc         locality something unrelated, answered as before
    portability one_hop  a question one hop further on
    =========== ======== ==========================================================================

    Right is the answer in the query's own language or the English one: the other languages are
    machine-translated, names included, so that at times only the English name is right. BMIKE-53
    itself expects the query's own language; ``new`` and ``true``, the continuations to be scored,
    are in that language alone. From ``loc`` the mark
    ``nq question: `` is taken off, and from all prompts the second of two question marks.

    Args:
        to_english: Whether the edit is made in the other language, to be found in English too.
    """

    def make_case(data: Fields, case_id: str, dropped: Dropped) -> Case:
        blocks = {language: checks.fields(data, language) for language in data}
        english = blocks[ENGLISH]
        other, *more = [language for language in blocks if language != ENGLISH] or [ENGLISH]
        if more:
            raise ValueError(f"record: {checks.shown(list(data))} are more than two languages")
        source = other if to_english else ENGLISH
        edit = _edit(case_id, source, blocks)
        queries = (
            query
            for language in dict.fromkeys((source, *blocks))
            for query in _queries(language, blocks[language], english, own=language == source)
        )
        kept = tuple(_usable(queries, case_id, dropped))
        return Case(case_id, (edit,), kept, language=other)

    return make_case


def _usable(queries: Iterable[Query], case_id: str, dropped: Dropped) -> Iterator[Query]:
    """The queries that can be judged, each prompt once: translated rephrasings are often alike."""
    prompts: set[str] = set()
    for query in queries:
        if not (query.prompt and query.answers):
            dropped.add(EMPTY, case_id)
        elif query.prompt in prompts:
            dropped.add(checks.REPEATED_QUERY, case_id)
        else:
            prompts.add(query.prompt)
            yield query


def _edit(case_id: str, language: str, blocks: Mapping[str, Fields]) -> Edit:
    block = blocks[language]
    prompt = checks.text(block, "src")
    # A translated question at times keeps the subject's English name.
    names = (checks.text(block, "subject"), checks.text(blocks[ENGLISH], "subject"))
    found = (name for name in names if forms.template_of(prompt, (name,)))
    # The full-width mark of Chinese and Japanese is not seen as a question's elsewhere.
    question = {"question": prompt} if prompt.endswith("？") else {}
    return checks.request_edit(
        prompt,
        next(found, names[0]),
        checks.text(block, "alt"),
        checks.answers(block.get("old")),
        id=case_id,
        language=language,
        source=case_id.replace("-", ":", 1),
        **question,
    )


def _queries(language: str, block: Fields, english: Fields, *, own: bool) -> Iterator[Query]:
    """The queries of one language's block; ``own`` says whether the edit was made in it."""
    changed: dict[str, Any] = {
        "answers": checks.answers(block["alt"], english["alt"]),
        "old": checks.answers(block.get("old"), english.get("old")),
        "fires": True,
        "new": _first(block["alt"]) or None,
        "true": _first(block.get("old")) or None,
        "label": language,
    }
    for field, kind in (("src", _EDIT if own else _REPHRASE), ("rephrase", _REPHRASE)):
        yield Query(_asked(block[field]), kind, **changed, meta={"field": field})
    kept = checks.answers(block["loc_ans"], english["loc_ans"])
    yield Query(
        _asked(block["loc"]),
        "locality",
        answers=kept,
        old=kept,
        fires=False,
        true=_first(block["loc_ans"]) or None,
        label=language,
        meta={"field": "loc"},
    )
    further, in_english = (checks.fields(side, "portability") for side in (block, english))
    yield Query(
        _asked(further["New Question"]),
        "one_hop",
        answers=checks.answers(further["New Answer"], in_english["New Answer"]),
        label=language,
        meta={"field": "portability"},
    )


def _asked(prompt: Any) -> str:
    """A prompt as it is asked; empty where the block has none."""
    return re.sub(r"([?？])[?？]+$", r"\1", _first(prompt).removeprefix("nq question: "))


def _first(value: Any) -> str:
    return next(iter(checks.answers(value)), "")


_SETS = (
    (
        "mzsre",
        ("*mzsre*.json*",),
        "Wang et al. 2024, arXiv 2312.13040; Nie et al. 2024, arXiv 2406.17764",
    ),
    (
        "wikifactdiff",
        ("*wikifactdiff*.json*", "wfd_*.json*"),
        "Ammar Khodja et al. 2024, arXiv 2403.14364; Nie et al. 2024, arXiv 2406.17764",
    ),
)

READERS: tuple[Reader, ...] = tuple(
    Reader(
        f"{name}_to_english" if to_english else name,
        files,
        checks.each_record(name, case_maker(to_english=to_english)),
        source,
    )
    for name, files, source in _SETS
    for to_english in (False, True)
)
