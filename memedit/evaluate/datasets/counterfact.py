"""CounterFact: facts the model knows, edited to false ones (Meng et al. 2022, arXiv 2202.05262).

One reader for the original schema, EasyEdit's flat one, the portability file (Yao et al. 2023,
arXiv 2305.13172: a question one fact further on) and the distracting-neighbour file (CounterFact+,
Hoelscher-Obermaier et al. 2023, arXiv 2305.17553: the edit's sentence in front of the neighbours).
Each record tells by its fields what it is.

What the queries are, by field:

==================================== ============ =================================================
``requested_rewrite``, ``prompt``    edit         scored ``new`` against ``true``: ES, EM
``paraphrase_prompts``               rephrase     scored likewise: PS, PM
``neighborhood_prompts``             locality     subjects that have the old target: NS, NM
``distracting_neighborhood_prompts`` distracting  the edit's sentence before them; whether an edit
                                                  fires is left open
``attribute_prompts``                attribute    subjects that have the new target all along
``generation_prompts``               generation   each once: the file repeats them for sampling,
                                                  greedy answers would be the same
``unrelated_relation``               locality     another relation of the subject; not scored
``portability``                      one_hop      ``New Question``, ``New Answer``
==================================== ============ =================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from memedit.edit import Edit
from memedit.evaluate.cases import NEIGHBOUR, Case, Dropped, Kind, Query
from memedit.evaluate.datasets import checks
from memedit.evaluate.datasets.checks import Fields
from memedit.evaluate.datasets.reader import Reader


def _case(data: Fields, case_id: str, dropped: Dropped) -> Case:
    edit = _edit(data, case_id)
    words = _Words(edit.target_new, edit.target_true or "")
    if "requested_rewrite" in data:
        queries = _original(data, edit, words)
    else:
        queries = _flat(data, edit, words)
    return Case(case_id, (edit,), tuple(queries), relation=edit.relation or "")


def _edit(data: Fields, case_id: str) -> Edit:
    source = case_id.replace("-", ":", 1)
    if "requested_rewrite" in data:
        rewrite = checks.fields(data, "requested_rewrite")
        return checks.rewrite_edit(rewrite, id=case_id, source=source)
    prompt, subject = checks.text(data, "prompt"), checks.text(data, "subject")
    old = (checks.text(data, "ground_truth"),)
    target = checks.text(data, "target_new")
    return checks.request_edit(prompt, subject, target, old, id=case_id, source=source)


@dataclass(frozen=True)
class _Words:
    """The two continuations that CounterFact compares, and queries scored by them."""

    new: str
    true: str

    def changed(self, prompt: str, kind: Kind) -> Query:
        """A query that the new target answers from now on."""
        return Query(
            prompt, kind, (self.new,), (self.true,), fires=True, new=self.new, true=self.true
        )

    def unchanged(self, prompt: str, kind: Kind, fires: bool | None = False) -> Query:
        """A query that the true target answers before and after."""
        true = (self.true,)
        return Query(
            prompt, kind, true, true, fires=fires, new=self.new, true=self.true, meta=NEIGHBOUR
        )


def _flat(data: Fields, edit: Edit, words: _Words) -> Iterator[Query]:
    """EasyEdit's schema: one rephrasing and one neighbour, whose answer is given by itself."""
    yield words.changed(edit.cloze, "edit")
    yield words.changed(checks.text(data, "rephrase_prompt"), "rephrase")
    neighbour = _Words(words.new, checks.text(data, "locality_ground_truth"))
    yield neighbour.unchanged(checks.text(data, "locality_prompt"), "locality")


def _original(data: Fields, edit: Edit, words: _Words) -> Iterator[Query]:
    def prompts(key: str) -> tuple[str, ...]:
        return checks.texts(data, key)

    yield words.changed(edit.cloze, "edit")
    for prompt in prompts("paraphrase_prompts"):
        yield words.changed(prompt, "rephrase")
    for prompt in prompts("neighborhood_prompts"):
        yield words.unchanged(prompt, "locality")
    for prompt in prompts("distracting_neighborhood_prompts"):
        yield words.unchanged(prompt, "distracting", fires=None)
    for prompt in prompts("attribute_prompts"):
        has = (words.new,)
        yield Query(prompt, "attribute", has, has, fires=False, meta=NEIGHBOUR)
    for prompt in dict.fromkeys(prompts("generation_prompts")):
        yield Query(prompt, "generation")
    yield from chain(_unrelated(data), portability(data))


def _unrelated(data: Fields) -> Iterator[Query]:
    if data.get("unrelated_relation") is None:
        return
    asked = checks.fields(data, "unrelated_relation")
    question, answer = checks.text(asked, "question"), (checks.text(asked, "object"),)
    yield Query(question, "locality", answer, answer, fires=False, label="unrelated_relation")


def portability(data: Fields) -> Iterator[Query]:
    """The question one hop further on that EasyEdit's portability files add to a record.

    Raises:
        KeyError: The question or its answer is missing.
        ValueError: One of them is not a text.
    """
    if data.get("portability") is None:
        return
    asked = checks.fields(data, "portability")
    question, answer = checks.text(asked, "New Question"), (checks.text(asked, "New Answer"),)
    yield Query(question, "one_hop", answer, label="portability")


_SOURCE = "Meng et al. 2022, arXiv 2202.05262; github.com/kmeng01/rome"


def _reader(name: str, *files: str) -> Reader:
    # One name for ids whatever the file: counterfact-17 is record 17 in all of them.
    return Reader(name, files, checks.each_record("counterfact", _case), _SOURCE)


READERS = (
    _reader(
        "counterfact",
        "counterfact.json*",
        "counterfact-edit.json*",
        "counterfact_easyedit*.json*",
        "counterfact_original*.json*",
    ),
    _reader("counterfact_original", "counterfact.json*", "counterfact_original*.json*"),
    _reader("counterfact_portability", "counterfact_portability*.json*"),
    _reader("counterfact_distracting", "counterfact_distracting*.json*"),
)
