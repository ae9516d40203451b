"""What scope found out about a query, with its reasons."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Literal

from memedit.edit import Edit
from memedit.scope.names import MentionKind

Route = Literal["base", "counterfactual", "multihop"]


@dataclass(frozen=True)
class Candidate:
    """One edit that was considered for one sentence.

    Attributes:
        edit: The edit.
        sentence: The sentence it was considered for, as it stands in the query.
        mention: The words that name its subject there; None for free text.
        name: The known name they stand for.
        kind: How the name was recognised; ``reference`` where a pronoun stands for it.
        masked: The sentence as it was compared, the subject masked.
        relation: The relation of the lexicon the sentence is nearest to.
        features: The relation evidence by name (see ``memedit.scope.relations.FEATURES``).
        probability: That the edit answers the sentence, 0…1.
        threshold: What it had to reach: that of the sentence's form.
    """

    edit: Edit
    sentence: str
    mention: str | None
    name: str | None
    kind: MentionKind | Literal["reference", "meaning"]
    masked: str
    relation: str | None
    features: dict[str, float]
    probability: float
    threshold: float

    @property
    def in_scope(self) -> bool:
        """Whether the probability reached the threshold."""
        return self.probability >= self.threshold


@dataclass(frozen=True)
class Decision:
    """Where a query goes and why.

    Attributes:
        route: ``base`` or ``counterfactual`` (``multihop`` where a composition was found).
        edits: The edits the answer has to follow, the surest first; empty for ``base``.
        probability: Of the first candidate, 0…1; 0.0 where nothing was considered.
        threshold: What that probability had to reach.
        reasons: Sentences for a person, the decisive one first.
        candidates: Everything that was considered; what is in scope first, then the surest.
        question: The query as it was understood, references resolved.
        revision: The memory's revision the decision was made on.
        as_of: The day whose facts were asked for.
        seconds: Time routing took, taking in new edits included.
    """

    route: Route
    edits: tuple[Edit, ...]
    probability: float
    threshold: float
    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...] = ()
    question: str = ""
    revision: int = 0
    as_of: dt.date | None = None
    seconds: float = field(default=0.0, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The decision, JSON-ready."""
        return {
            "route": self.route,
            "edits": [edit.to_dict() for edit in self.edits],
            "probability": round(self.probability, 6),
            "threshold": self.threshold,
            "reasons": list(self.reasons),
            "question": self.question,
            "revision": self.revision,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "seconds": self.seconds,
            "candidates": [
                {
                    "edit": c.edit.id,
                    "mention": c.mention,
                    "kind": c.kind,
                    "masked": c.masked,
                    "relation": c.relation,
                    "features": {k: round(v, 6) for k, v in c.features.items()},
                    "probability": round(c.probability, 6),
                    "in_scope": c.in_scope,
                }
                for c in self.candidates
            ],
        }
