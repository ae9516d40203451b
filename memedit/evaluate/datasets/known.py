"""Facts a model is asked without any edit: ROME's causal-tracing prompts."""

from __future__ import annotations

from types import MappingProxyType

from memedit.evaluate.cases import Case, Dropped, Query
from memedit.evaluate.datasets.checks import Fields, each_record, text
from memedit.evaluate.datasets.reader import Reader


def make_case(data: Fields, case_id: str, dropped: Dropped) -> Case:
    """known_1000: one prompt a record, no edit, the attribute as its answer.

    Meng et al. 2022 (arXiv 2202.05262, section 2) kept the facts that GPT-2 XL completes right, so
    they say what a model knows, or still knows once something else was edited. No edit ought to
    fire on them. ``prediction``, GPT-2 XL's own completion, is not read.
    """
    prompt, attribute = text(data, "prompt"), text(data, "attribute")
    subject = MappingProxyType({"subject": str(data.get("subject") or "")})
    query = Query(prompt, "knows", (attribute,), fires=False, true=attribute, meta=subject)
    return Case(case_id, (), (query,), relation=str(data.get("relation_id") or ""))


READERS: tuple[Reader, ...] = (
    Reader(
        "known_1000",
        ("known_1000*.json*",),
        each_record("known_1000", make_case),
        source="Meng et al. 2022, arXiv 2202.05262, causal tracing; github.com/kmeng01/rome",
    ),
)
