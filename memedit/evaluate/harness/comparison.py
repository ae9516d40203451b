"""Two runs of lm-evaluation-harness compared item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from statistics import fmean
from typing import TYPE_CHECKING, Any

from memedit.errors import EvaluationError

if TYPE_CHECKING:
    from memedit.evaluate.harness.model import RequestKey
    from memedit.scope.decision import Decision


@dataclass(frozen=True)
class _Item:
    """One document under both models.

    Attributes:
        doc_id: The document's number.
        contexts: The context of each request; of a rolling one, its text.
        base: The base model's response to each request, one for each repeat:
            ``(log-probability, greedy)``, a text, or the log-probability of a rolling request.
        edited: The edited model's, alike.
        decisions: The scope decision of each request; None where it asks nothing.
        target: The right answer as lm-eval gives it.
    """

    doc_id: int
    contexts: tuple[str, ...]
    base: list[list[Any]]
    edited: list[list[Any]]
    decisions: tuple[Decision | None, ...]
    target: Any

    @property
    def in_scope(self) -> tuple[bool, ...]:
        """Whether an edit applied, for each request."""
        return tuple(decision is not None and bool(decision.edits) for decision in self.decisions)


def compared(
    base: Mapping[str, Any],
    edited: Mapping[str, Any],
    decisions: Mapping[RequestKey, Decision],
) -> dict[str, Any]:
    """What the edits changed, for each task and over all of them.

    Args:
        base: ``lm_eval.evaluate``'s results for the base model, with samples.
        edited: Those for the edited model on the same requests.
        decisions: The scope decisions of the edited model's requests.

    Returns:
        ``{"tasks", "groups", "overall"}``. A task and ``overall`` hold a comparison:

        - ``items``, ``requests``: how many; a multiple-choice item makes one request a choice.
        - ``routed``: share of requests answered from an edit.
        - ``identical``: share of items with every response equal to the base model's: for
          log-likelihoods, equal as floating-point numbers in every bit.
        - ``identical_out_of_scope``: the same among items none of whose requests was routed to an
          edit; 1.0 unless something is broken. None without such items.
        - ``mean_abs_delta_log_prob``: mean over the log-likelihood requests of |edited - base|,
          nats, each summed over the continuation's tokens; None where there are none.
        - ``answers_changed``: share of items whose answer is another one: the number of the choice
          with the highest log-likelihood; for a single continuation, whether it is the greedy one;
          for generation, the text. Rolling requests have none.

        A task also holds ``changed``, the items whose answer is another one as ``{"item", "base",
        "edited", "target", "edits"}``. Tasks and groups hold ``metrics``, lm-eval's own figures as
        ``{"base", "edited"}`` by name, the filter behind a comma where it is not the plain one.

    Raises:
        EvaluationError: The two runs did not make the same requests.
    """
    items = {name: list(_items(name, base, edited, decisions)) for name in base["samples"]}
    metrics = {name: _metrics(base["results"], edited["results"], name) for name in base["results"]}
    return {
        "tasks": {
            name: {"metrics": metrics[name], **_comparison(found), "changed": _changed(found)}
            for name, found in items.items()
        },
        "groups": {
            name: {"metrics": found}
            for name, found in metrics.items()
            if found and name not in items
        },
        "overall": _comparison([item for found in items.values() for item in found]),
    }


def _items(
    task: str,
    base: Mapping[str, Any],
    edited: Mapping[str, Any],
    decisions: Mapping[RequestKey, Decision],
) -> Iterator[_Item]:
    """The items of one task; a sample stands in the results once for each filter."""
    seen: set[int] = set()
    for before, after in zip(base["samples"][task], edited["samples"][task], strict=True):
        number = before["doc_id"]
        if number in seen:
            continue
        seen.add(number)
        if before["arguments"] != after["arguments"]:
            raise EvaluationError(
                f"Task {task!r} asked the two models different things at document {number}.",
                hint="Its requests have to be the same in every run; see its doc_to_text.",
            )
        contexts = tuple(arguments[0] for arguments in before["arguments"])
        yield _Item(
            doc_id=number,
            contexts=contexts,
            base=before["resps"],
            edited=after["resps"],
            decisions=tuple(decisions.get((task, number, i)) for i in range(len(contexts))),
            target=before["target"],
        )


def _comparison(items: Sequence[_Item]) -> dict[str, Any]:
    untouched = [item for item in items if not any(item.in_scope)]
    deltas = [delta for item in items for delta in _deltas(item)]
    return {
        "items": len(items),
        "requests": sum(len(item.contexts) for item in items),
        "routed": _share([fired for item in items for fired in item.in_scope]),
        "identical": _share([item.base == item.edited for item in items]),
        "identical_out_of_scope": _share([item.base == item.edited for item in untouched]),
        "mean_abs_delta_log_prob": fmean(deltas) if deltas else None,
        "answers_changed": _share(
            [_answer(item, item.base) != _answer(item, item.edited) for item in items]
        ),
    }


def _changed(items: Sequence[_Item]) -> list[dict[str, Any]]:
    answers = [(item, _answer(item, item.base), _answer(item, item.edited)) for item in items]
    return [
        {
            "item": item.doc_id,
            "base": base,
            "edited": edited,
            "target": item.target,
            "edits": _stated(item),
        }
        for item, base, edited in answers
        if base != edited
    ]


def _answer(item: _Item, responses: list[list[Any]]) -> Any:
    """The answer the responses amount to; see :func:`compared`."""
    first = responses[0][0]
    if isinstance(first, str):
        return first if len(responses[0]) == 1 else responses[0]
    if isinstance(first, float):
        return None
    # For mutual information a task also asks for each choice without its context.
    rows = [i for i, context in enumerate(item.contexts) if context] or list(range(len(responses)))
    if len(rows) == 1:
        return bool(responses[rows[0]][0][1])
    return max(range(len(rows)), key=lambda choice: responses[rows[choice]][0][0])


def _deltas(item: _Item) -> Iterator[float]:
    """|edited - base| of each log-likelihood, nats."""
    for before, after in zip(item.base, item.edited, strict=True):
        if not isinstance(before[0], str):
            x, y = (r[0] if isinstance(r, tuple | list) else r for r in (before[0], after[0]))
            yield abs(y - x)


def _stated(item: _Item) -> list[str]:
    decided = [decision for decision in item.decisions if decision is not None]
    return list(dict.fromkeys(edit.stated for decision in decided for edit in decision.edits))


def _metrics(
    base: Mapping[str, Any], edited: Mapping[str, Any], name: str
) -> dict[str, dict[str, float]]:
    """lm-eval's figures of a task or group under both models; its standard errors are left out."""
    return {
        key.removesuffix(",none"): {"base": float(value), "edited": float(edited[name][key])}
        for key, value in base[name].items()
        if "," in key and "_stderr," not in key and isinstance(value, Real)
    }


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None
