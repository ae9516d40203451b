"""What a model with edits in its weights says: CounterFact's figures, by likelihood and by greedy.

By likelihood as Meng et al. 2022 (ROME, arXiv 2202.05262, section 3.4): ES and PS are the shares of
edit prompts and paraphrases on which the new target is likelier than the old, NS that of
neighbourhood prompts on which the old is; likelihoods are per token. By greedy decoding: whether
the completion of the bare prompt states the target, and on neighbourhood prompts whether it is word
for word what it was. Shares are over prompts, not over means of cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from record import Figure, share

from memedit.evaluate.cases import Case, Query
from memedit.match import states
from memedit.models.decoding import Decoding
from memedit.models.local import LocalChatModel

GREEDY = Decoding(max_tokens=10)
KINDS = {"edit": "ES", "rephrase": "PS", "locality": "NS"}


@dataclass(frozen=True)
class Said:
    """One prompt's outcome.

    Attributes:
        kind: ``ES``, ``PS`` or ``NS``.
        won: Whether the right one of the two targets is the likelier.
        text: The greedy completion; None where it was not asked for.
        stated: Whether the completion states the right target.
    """

    kind: str
    won: bool
    text: str | None
    stated: bool


def compared(case: Case) -> list[Query]:
    """The case's queries that compare two targets."""
    return [query for query in case.queries if query.kind in KINDS and query.new and query.true]


def said(chat: LocalChatModel, cases: Sequence[Case], *, greedy: bool = True) -> list[Said]:
    """The outcome of each prompt of the cases, in order.

    Args:
        chat: The model, with the weights to be asked.
        cases: Their queries are asked.
        greedy: Whether completions are wanted as well.
    """
    queries = [query for case in cases for query in compared(case)]
    ends = [f" {end}" for query in queries for end in (query.new, query.true)]
    scores = chat.score([query.prompt for query in queries for _ in range(2)], ends)
    texts = completions(chat, [query.prompt for query in queries]) if greedy else []
    found = []
    for i, query in enumerate(queries):
        new, true = (score.log_prob / score.tokens for score in scores[2 * i : 2 * i + 2])
        kind, text = KINDS[query.kind], texts[i] if greedy else None
        won = true > new if kind == "NS" else new > true
        found.append(Said(kind, won, text, states(text or "", query.answers)))
    return found


def completions(chat: LocalChatModel, prompts: Sequence[str]) -> list[str]:
    """Greedy completions, without chat turns."""
    engine = chat.engine
    ids = [engine.tokens.encode_text(prompt) for prompt in prompts]
    return [made.text for made in engine.generate(ids, GREEDY)]


def figures(
    name: str,
    after: Sequence[Said],
    before: Sequence[Said],
    bounds: tuple[str, str, float | None] = ("", "", None),
) -> list[Figure]:
    """The figures of an edited model.

    Args:
        name: What stands before each.
        after: With the edits.
        before: The same prompts without.
        bounds: Of ES and of PS, and how far NS may fall below the base's.
    """
    least = ""
    if bounds[2] is not None:
        least = f">= {value(before, 'NS') - bounds[2]:.5f}"
    targets = {"ES": bounds[0], "PS": bounds[1], "NS": least}
    found = [
        share(f"{name}: {kind}", [one.won for one in after if one.kind == kind], target)
        for kind, target in targets.items()
    ]
    if all(one.text is not None for one in (*before, *after)):
        for kind, what in (("ES", "edit prompts"), ("PS", "paraphrases"), ("NS", "neighbours")):
            hits = [one.stated for one in after if one.kind == kind]
            found.append(share(f"{name}: {what} completed with the right target", hits))
        same = [
            one.text == other.text
            for one, other in zip(after, before, strict=True)
            if one.kind == "NS"
        ]
        found.append(share(f"{name}: neighbours completed word for word as before", same))
    return found


def value(outcomes: Sequence[Said], kind: str) -> float:
    """The share of a kind's prompts on which the right target is the likelier."""
    won = [one.won for one in outcomes if one.kind == kind]
    return sum(won) / len(won)
