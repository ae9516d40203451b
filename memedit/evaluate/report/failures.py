"""The queries that went wrong, each with everything known about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from memedit.evaluate.metrics.editing import is_right, is_unchanged
from memedit.evaluate.outcome import Likelihood, Outcome, Output

FAILED_CASE = "failed case"
# Right is what the base model said, whatever it was.
_AS_BEFORE = ("locality", "distracting")
# Judged as a text or not at all, so no single answer is wrong.
_NOT_JUDGED = ("generation", "attribute")
# What another live edit may change: contested queries of these kinds do not count, as in metrics.
_CONTESTABLE = (*_AS_BEFORE, "forgetting", "multi_hop", "hop")


@dataclass(frozen=True)
class Failure:
    """A query that went wrong, or a case that could not be answered at all.

    Attributes:
        case: The case's id.
        kind: The query's kind, or ``failed case``.
        faults: What is wrong: ``wrong answer``, ``changed``, ``false fire``, ``missed edit``,
            ``wrong edit``, ``unlikely target``; a failed case's reason.
        prompt: The query; empty for a failed case.
        expected: What would have been right.
        answer: What the method said.
        route: Where the query went; empty without a router.
        edit: The edit the answer follows; empty where unknown.
        details: Everything else that is known, by name; values are what JSON knows.
    """

    case: str
    kind: str
    faults: tuple[str, ...]
    prompt: str = ""
    expected: str = ""
    answer: str = ""
    route: str = ""
    edit: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def failures(outcomes: Sequence[Outcome], base: Sequence[Outcome] = ()) -> list[Failure]:
    """Everything that went wrong with all edits live, in the cases' order.

    Each query is judged by itself, as the metrics judge it. Left out are contested queries where
    the metrics do not count them, and tests whose conditions the unedited model does not meet.

    Args:
        outcomes: What the method made of the cases.
        base: What the unedited model made of the same cases; without it, changes off scope
            cannot be told.
    """
    before = {outcome.case: outcome for outcome in base}
    found: list[Failure] = []
    for outcome in outcomes:
        if outcome.after != "end":
            continue
        if outcome.failed is not None:
            found.append(_failed(outcome))
            continue
        unedited = _by_place(outcome, before.get(outcome.case))
        for output, old in zip(outcome.outputs, unedited, strict=True):
            faults = _faults(output, old)
            if faults:
                found.append(_failure(outcome, output, old, faults))
    return found


def selection(found: Sequence[Failure], most: int) -> list[Failure]:
    """At most ``most`` of them, each kind in turn so that none is crowded out, in their order."""
    seen: Counter[str] = Counter()
    ranked = []
    for place, failure in enumerate(found):
        ranked.append((seen[failure.kind], place))
        seen[failure.kind] += 1
    places = sorted(place for _, place in sorted(ranked)[:most])
    return [found[place] for place in places]


def _by_place(outcome: Outcome, base: Outcome | None) -> list[Output | None]:
    """The unedited model's output for each of the outcome's, None where there is none."""
    outputs = base.outputs if base else ()
    if [o.prompt for o in outputs] == [o.prompt for o in outcome.outputs]:
        return list(outputs)
    return [None] * len(outcome.outputs)


def _faults(output: Output, base: Output | None) -> tuple[str, ...]:
    if output.conditions_met is False or (output.contested and output.kind in _CONTESTABLE):
        return ()
    faults = [_answer_fault(output, base), _route_fault(output)]
    return tuple(fault for fault in faults if fault)


def _answer_fault(output: Output, base: Output | None) -> str:
    if output.text is None:
        return _likelihood_fault(output)
    if output.kind in _AS_BEFORE:
        return "changed" if is_unchanged(output, base) == 0 else ""
    if output.kind in _NOT_JUDGED or not output.answers:
        return ""
    return "wrong answer" if is_right(output) == 0 else ""


def _likelihood_fault(output: Output) -> str:
    """For suites that only score continuations: which of the two is likelier (ROME's ES and NS)."""
    if output.new is None or output.true is None:
        return ""
    if output.kind in _AS_BEFORE:
        return "unlikely target" if output.new.mean >= output.true.mean else ""
    if output.kind in _NOT_JUDGED:
        return ""
    return "unlikely target" if output.new.mean <= output.true.mean else ""


def _route_fault(output: Output) -> str:
    if output.route is None or output.fires is None:
        return ""
    fired = output.route != "base"
    if not output.fires:
        return "false fire" if fired and not output.contested else ""
    if not fired:
        return "missed edit"
    return "wrong edit" if output.right_edit is False else ""


def _failed(outcome: Outcome) -> Failure:
    asked = {"relation": outcome.relation, "queries": [o.prompt for o in outcome.outputs]}
    known = {name: value for name, value in asked.items() if value}
    return Failure(outcome.case, FAILED_CASE, (outcome.failed or "",), details=known)


def _failure(
    outcome: Outcome, output: Output, base: Output | None, faults: tuple[str, ...]
) -> Failure:
    expected = " | ".join(output.answers)
    if output.kind in _AS_BEFORE and base is not None and base.text is not None:
        expected = base.text
    return Failure(
        case=outcome.case,
        kind=output.kind,
        faults=faults,
        prompt=output.prompt,
        expected=expected,
        answer=output.text or "",
        route=output.route or "",
        edit=_edit(output.trace),
        details=_details(outcome, output, base),
    )


def _edit(trace: Mapping[str, Any]) -> str:
    """The edits the trace names, as their statements where it holds them."""
    edits = trace.get("edits") or []
    return "; ".join(map(_named, [edits] if isinstance(edits, (str, Mapping)) else edits))


def _named(edit: Any) -> str:
    if isinstance(edit, Mapping):
        return str(edit.get("stated") or edit.get("statement") or edit.get("id") or dict(edit))
    return str(edit)


def _details(outcome: Outcome, output: Output, base: Output | None) -> dict[str, Any]:
    """What is known beyond the row itself; empty values are left out."""
    ought = {True: "an edit", False: "no edit", None: ""}[output.fires]
    known: dict[str, Any] = {
        "case": outcome.case,
        "relation": outcome.relation,
        "right answers": list(output.answers),
        "old answers": list(output.old),
        "unedited model": base.text if base else None,
        "ought to fire": ought,
        "contested": "another live edit may rightly answer" if output.contested else "",
        "scope probability": output.probability,
        "new target": _likelihood(output.new),
        "true target": _likelihood(output.true),
        "test": " ".join(
            filter(None, (output.label, output.group, output.test * bool(output.group)))
        ),
        "meta": dict(output.meta),
        "hops": list(output.hops),
        "trace": dict(output.trace),
        "seconds": round(output.seconds, 4),
        "tokens": f"{output.prompt_tokens} read, {output.answer_tokens} written",
    }
    return {name: value for name, value in known.items() if value not in (None, "", [], {})}


def _likelihood(likelihood: Likelihood | None) -> dict[str, Any] | None:
    if likelihood is None:
        return None
    return {**asdict(likelihood), "log_prob per token": round(likelihood.mean, 4)}
