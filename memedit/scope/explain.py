"""A decision in words: why an edit fired, or why none did."""

from __future__ import annotations

from collections.abc import Sequence

from memedit.scope.decision import Candidate
from memedit.scope.reading import Reading

_NAMED = {
    "full": "{mention!r} names the edited subject",
    "partial": "{mention!r} can only mean {name!r} among the edited subjects",
    "variant": "{mention!r} is taken for another name of {name!r}",
    "reference": "the sentence refers back to {name!r}",
}


def reasons_for(
    candidates: Sequence[Candidate], readings: Sequence[Reading], *, live: int
) -> tuple[str, ...]:
    """Sentences for a person, the decisive one first.

    Args:
        candidates: What was considered, the surest first.
        readings: The sentences that speak of an edited subject.
        live: Number of live edits.
    """
    if not live:
        return ("No edit is live, so the base model answers.",)
    if not candidates and readings:
        names = ", ".join(dict.fromkeys(repr(r.mention.text) for r in readings))
        return (f"{names} is an edited subject, but no edit about it holds on that day.",)
    if not candidates:
        return ("No edited subject is named and no edit is near in meaning.",)
    return tuple(_reason(candidate) for candidate in candidates[:3])


def _reason(candidate: Candidate) -> str:
    verdict = "in scope" if candidate.in_scope else "out of scope"
    sign = ">=" if candidate.in_scope else "<"
    score = f"probability {candidate.probability:.2f} {sign} {candidate.threshold:.2f}: {verdict}"
    if candidate.kind == "meaning":
        near = candidate.features["cosine"]
        return f"The meaning is {near:.2f} (cosine) from {candidate.edit.stated!r}; {score}."
    named = _NAMED[candidate.kind].format(mention=candidate.mention, name=candidate.name)
    compared = f"{candidate.masked!r} (nearest to '{candidate.relation}')"
    return f"{named[0].upper()}{named[1:]}; {compared} against {candidate.edit.prompt!r}; {score}."
