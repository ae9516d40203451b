"""The scope benchmark: which edit each query falls under, as the product itself decides.

Every figure is on records that no training touches (see :mod:`memedit.train.split`), with all
edits of a set live at once. ``scope_growth`` and ``scope_text`` hold the sections about growing
memories and free text.
"""

from __future__ import annotations

from collections.abc import Iterable

from near_misses import NearMisses
from product import Names, Setting, edited, fires, hits
from record import Figure, share

from memedit import Edit
from memedit.evaluate.datasets import load_dataset
from memedit.evaluate.datasets.scope_pairs import is_live
from memedit.evaluate.datasets.source import read_records
from memedit.train import sources
from memedit.train.sources import Record
from memedit.train.split import COUNTERFACT_DEV, is_dev

ORIGINAL = ("counterfact_original", "counterfact_portability", "counterfact_distracting")
FACTS = ("knowedit", "knowedit_train", "rippleedits")
ZSRE = ("zsre", "zsre_slim", "zsre_1k")
OTHER_RELATIONS = 2  # near misses asked of each CounterFact subject
Asked = list[tuple[str, Edit]]


class CounterFact:
    """CounterFact as the benchmark reads it.

    Attributes:
        edits: EasyEdit's cases below 2,000, by case id: what is live.
        flat: Their records.
        original: Records of the original schema for the same cases.
        near: Near misses of their subjects, in the wordings of ``original``.
        nearest: The same, relations that are kin in meaning among them.
    """

    def __init__(self, setting: Setting) -> None:
        records = sources.read(setting.data)
        self.flat = [r for r in part_of(records, "counterfact") if _number(r) < COUNTERFACT_DEV]
        self.edits = {record.case: record.edit for record in self.flat}
        known = list({record.case: record for record in part_of(records, *ORIGINAL)}.values())
        self.original = [record for record in known if record.case in self.edits]
        live = list(self.edits.values())
        self.near = NearMisses(self.original, live, known=known)
        self.nearest = NearMisses(self.original, live, known=known, kin=())

    def asked(self, records: Iterable[Record], kind: str) -> Asked:
        """The records' queries of a kind, each with the live edit of its case."""
        return [
            (query.prompt, self.edits[record.case])
            for record in records
            for query in record.queries
            if query.kind == kind
        ]

    def neighbours(self) -> list[str]:
        """Prompts about the relation of an edit and a subject that no edit is about."""
        live = Names(self.edits.values())
        prompts = [
            query.prompt
            for record in (*self.flat, *self.original)
            for query in record.queries
            if query.kind == "locality" and not query.label
        ]
        return [prompt for prompt in dict.fromkeys(prompts) if prompt not in live]


def counterfact(setting: Setting) -> list[Figure]:
    """2,000 live edits: rephrasings, paraphrases after lead-ins, neighbours, near misses."""
    data = CounterFact(setting)
    prompts = setting.few(data.asked(data.flat, "edit"))
    rephrasings = setting.few(data.asked(data.flat, "rephrase"))
    paraphrases = setting.few(data.asked(data.original, "rephrase"))
    neighbours = setting.few(data.neighbours())
    others, nearest = (
        setting.few(
            query for edit in data.edits.values() for query in source.about(edit, OTHER_RELATIONS)
        )
        for source in (data.near, data.nearest)
    )
    with edited(data.edits.values(), **setting.product) as model:
        return [
            share("counterfact: right edit, edit prompt", hits(model, prompts, "prompts")),
            share(
                "counterfact: right edit, rephrase_prompt",
                hits(model, rephrasings, "rephrasings"),
                ">= 0.985",
            ),
            share(
                "counterfact: right edit, original paraphrases with lead-ins",
                hits(model, paraphrases, "paraphrases"),
                ">= 0.975",
            ),
            share(
                "counterfact: false fires, neighbours that name no live subject",
                fires(model, neighbours, "neighbours"),
                "<= 0.003",
            ),
            share(
                "counterfact: false fires, same subject, another relation",
                fires(model, others, "other relations"),
                "<= 0.005",
            ),
            share(
                "counterfact: false fires, likewise, kin relations that share no wording included",
                fires(model, nearest, "kin relations"),
            ),
        ]


def kept_out(setting: Setting) -> list[Figure]:
    """CounterFact relations that the scope model was trained without (``--relations``).

    All 2,000 edits are live. Only edits whose prompt is a wording of these relations alone are
    asked for, by rephrasings and by paraphrases; near misses ask the subject of such an edit for
    another of these relations, so that neither side of the pair was ever seen.
    """
    data, relations = CounterFact(setting), set(setting.relations)
    asked = data.asked(data.flat, "rephrase") + data.asked(data.original, "rephrase")
    unseen = {
        edit.id
        for edit in data.edits.values()
        if (own := data.near.relations(edit)) and own <= relations
    }
    wanted = setting.few((query, edit) for query, edit in asked if edit.id in unseen)
    others = setting.few(
        query
        for edit in data.edits.values()
        if edit.id in unseen
        for query in data.near.about(edit, OTHER_RELATIONS, only=relations)
    )
    with edited(data.edits.values(), **setting.product) as model:
        return [
            share(
                "kept out: right edit, rephrasings and paraphrases of unseen relations",
                hits(model, wanted, "unseen relations"),
                ">= 0.93",
            ),
            share(
                "kept out: false fires, same subject, another unseen relation",
                fires(model, others, "other relations"),
                "<= 0.02",
            ),
        ]


def pokemqa(setting: Setting) -> list[Figure]:
    """PokeMQA: half of all edits live, given as sentences; questions of dev subjects, both halves.

    Records are grouped by subject and relation before the split, since a question about a fact
    that another record edits is not out of scope.
    """
    groups: dict[tuple[str, str], tuple[Edit, dict[str, None]]] = {}
    for record in read_records(load_dataset("pokemqa", setting.data).path):
        edit = Edit.from_sentence(record.data["edit"])
        _, questions = groups.setdefault(edit.key, (edit, {}))
        questions.update(dict.fromkeys(record.data["questions"]))
    live = [edit for edit, _ in groups.values() if is_live(edit)]
    pairs = [
        (question, edit)
        for edit, questions in groups.values()
        if is_dev("mquake", "", edit)
        for question in questions
    ]
    asked = setting.few((question, edit) for question, edit in pairs if is_live(edit))
    others = setting.few(question for question, edit in pairs if not is_live(edit))
    with edited(live, **setting.product) as model:
        return [
            share(
                "pokemqa: right edit, questions of the live half",
                hits(model, asked, "questions"),
                ">= 0.985",
            ),
            share(
                "pokemqa: false fires, questions of the other half",
                fires(model, others, "other half"),
                "<= 0.005",
            ),
        ]


def specificity(setting: Setting) -> list[Figure]:
    """KnowEdit and RippleEdits: the subject asked for something else, clozes without a question.

    A prompt that is word for word that of another live edit is left out. wiki_recent, whose edits
    are facts of its year, is live by itself.
    """
    records = sources.read(setting.data)
    return [
        *_specific(setting, dev(records, *FACTS), "knowedit and rippleedits"),
        *_specific(setting, dev(records, "knowedit_recent"), "wiki_recent"),
    ]


def _specific(setting: Setting, records: list[Record], name: str) -> list[Figure]:
    edits = told_apart(records)
    own = {edit.cloze for edit in edits}
    prompts = [
        query.prompt
        for record in records
        for query in record.queries
        if query.kind == "locality" and query.prompt not in own
    ]
    prompts = setting.few(dict.fromkeys(prompts))
    with edited(edits, **setting.product) as model:
        return [
            share(
                f"specificity: right edit, edit prompt, {name}",
                hits(model, setting.few((edit.cloze, edit) for edit in edits), "edit prompts"),
            ),
            share(
                f"specificity: false fires, Relation_Specificity, {name}",
                fires(model, prompts, "specificity"),
                "<= 0.015",
            ),
        ]


def zsre(setting: Setting) -> list[Figure]:
    """zsRE: the dev records of its three files live; rephrasings, unrelated questions."""
    records = dev(sources.read(setting.data), *ZSRE)
    edits = told_apart(records)
    asked = {
        kind: setting.few(
            (query.prompt, edit)
            for record, edit in zip(records, edits, strict=True)
            for query in record.queries
            if query.kind == kind
        )
        for kind in ("edit", "rephrase", "locality")
    }
    unrelated = list(dict.fromkeys(query for query, _ in asked["locality"]))
    with edited(edits, **setting.product) as model:
        return [
            share("zsre: right edit, src", hits(model, asked["edit"], "questions")),
            share("zsre: right edit, rephrase", hits(model, asked["rephrase"], "rephrasings")),
            share("zsre: false fires, loc", fires(model, unrelated, "unrelated")),
        ]


def part_of(records: Iterable[Record], *parts: str) -> list[Record]:
    """The records of some parts of the recipe."""
    return [record for record in records if record.part in parts]


def dev(records: Iterable[Record], *parts: str) -> list[Record]:
    """The development records of some parts."""
    return [record for record in part_of(records, *parts) if record.dev]


def told_apart(records: Iterable[Record]) -> list[Edit]:
    """The records' edits with ids of their own: two files of one data set number alike."""
    return [
        record.edit.model_copy(update={"id": f"{record.part}.{record.edit.id}"})
        for record in records
    ]


def _number(record: Record) -> int:
    return int(record.case.rsplit("-", 1)[-1])
