"""What a method made of a case: one JSON object a line in a run's folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from memedit.evaluate.cases import Query


@dataclass(frozen=True)
class Likelihood:
    """A continuation's likelihood under teacher forcing.

    Attributes:
        log_prob: Log-probability in nats, summed over its tokens.
        tokens: How many tokens it has.
        hits: How many of them are the model's own first choice given the gold tokens before.
    """

    log_prob: float
    tokens: int
    hits: int

    @property
    def mean(self) -> float:
        """Log-probability per token, nats; ROME compares these (Meng et al. 2022)."""
        return self.log_prob / self.tokens


@dataclass(frozen=True)
class Output:
    """What a method answered to one query, beside what was asked.

    Attributes:
        prompt: The query's prompt.
        kind: The query's kind.
        text: The greedy answer; None where the suite does not generate.
        answers: The query's right answers, so that a run explains itself without its data.
        old: The query's old answers.
        fires: Whether an edit ought to fire; None where undefined.
        contested: Whether an edit of another live case may rightly answer here; such a query
            says nothing about locality.
        route: ``base``, ``counterfactual`` or ``multi_hop``; None for methods that do not route.
        right_edit: Whether the edit that fired is the one that ought to; None where none fired
            or none ought to.
        probability: The scope probability of the surest edit, 0…1; None without a router.
        new: Likelihood of the query's ``new`` continuation.
        true: Likelihood of the query's ``true`` continuation.
        conditions_met: Whether the unedited model answers the group's conditions; None without.
        group: The query's group.
        test: The query's test.
        label: The query's label.
        meta: The query's meta.
        seconds: What the answer cost: routing, generation and scoring, its share of a batch.
        prompt_tokens: Tokens read.
        answer_tokens: Tokens written.
        hops: The hop trace of a compositional answer: ``{"question", "answer", "source"}``.
        trace: Why the query went where it did, and what the model was given; for reports.
    """

    prompt: str
    kind: str
    text: str | None
    answers: tuple[str, ...] = ()
    old: tuple[str, ...] = ()
    fires: bool | None = None
    contested: bool = False
    route: str | None = None
    right_edit: bool | None = None
    probability: float | None = None
    new: Likelihood | None = None
    true: Likelihood | None = None
    conditions_met: bool | None = None
    group: str = ""
    test: str = "OR"
    label: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    hops: tuple[dict[str, Any], ...] = ()
    trace: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def unanswered(cls, query: Query) -> Output:
        """The output that stands for a query of a case that failed: everything wrong."""
        return cls(
            prompt=query.prompt,
            kind=query.kind,
            text="",
            answers=query.answers,
            old=query.old,
            fires=query.fires,
            group=query.group,
            test=query.test,
            label=query.label,
            meta=dict(query.meta),
        )


@dataclass(frozen=True)
class Outcome:
    """One case under one method with k live edits.

    Attributes:
        case: The case's id.
        outputs: One for each query, in the case's order.
        failed: Why the case has no answers; None where it has. A failed case counts as wrong.
        relation: The case's relation.
        references: The case's reference texts.
        edits: How many edits the case makes.
        live: How many edits were live when it was asked.
        edit_seconds: What applying the case's edits took.
        after: ``"end"`` for the test with all k edits live; ``"own"`` in sequential editing for
            the test right after the case's own edits.
    """

    case: str
    outputs: tuple[Output, ...] = ()
    failed: str | None = None
    relation: str = ""
    references: tuple[str, ...] = ()
    edits: int = 0
    live: int = 0
    edit_seconds: float = 0.0
    after: str = "end"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; :meth:`from_dict` reads it back loss-free. Default values are left out."""
        data = _trimmed(self)
        data["outputs"] = [_trimmed(output) for output in self.outputs]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Outcome:
        """What :meth:`to_dict` gave."""
        values = dict(data)
        values["outputs"] = tuple(_output(output) for output in data.get("outputs", ()))
        values["references"] = tuple(values.get("references", ()))
        return cls(**values)


def _trimmed(record: Outcome | Output) -> dict[str, Any]:
    """A record's fields but for the outputs and those at their default."""
    empty: dict[str, Any] = {"meta": {}, "trace": {}}
    data: dict[str, Any] = {}
    for f in fields(record):
        value = getattr(record, f.name)
        if f.name != "outputs" and value != empty.get(f.name, f.default):
            data[f.name] = asdict(value) if isinstance(value, Likelihood) else value
    return data


def _output(data: dict[str, Any]) -> Output:
    values = dict(data)
    for name in ("new", "true"):
        if values.get(name) is not None:
            values[name] = Likelihood(**values[name])
    for name in ("answers", "old", "hops"):
        values[name] = tuple(values.get(name, ()))
    return Output(**values)
