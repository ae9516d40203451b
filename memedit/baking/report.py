"""What a bake, or its taking out, did to every edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from memedit.baking.canaries import Harm
from memedit.baking.verify import Asked
from memedit.edit import Edit

# ``baked``: the weights answer it. ``kept``: it did not verify, or the bake was given up.
# ``refused``: it was not written. ``changed``: somebody changed it meanwhile. In all but the first
# the memory goes on answering it. ``returned``: it was baked earlier; memory answers it again.
What = Literal["baked", "kept", "refused", "changed", "returned"]
State = Literal["baked", "dry run", "aborted"]


@dataclass(frozen=True)
class Outcome:
    """What became of one edit.

    Attributes:
        edit: The edit.
        what: What became of it.
        why: As a sentence; empty for an edit that was baked.
        asked: Its wordings with the model's answers; empty where it was not asked.
    """

    edit: Edit
    what: What
    why: str = ""
    asked: tuple[Asked, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {
            "id": self.edit.id,
            "edit": self.edit.stated,
            "outcome": self.what,
            "why": self.why,
            "asked": [vars(asked) for asked in self.asked],
        }


@dataclass(frozen=True)
class BakeReport:
    """A bake from beginning to end.

    Attributes:
        state: ``aborted`` where a guard tripped or no edit verified; everything is as before then.
        why: Why it was aborted.
        bake: The bake's id; None where nothing was recorded.
        namespace: Whose edits.
        method: What wrote them.
        model: The model's name.
        base: The hash of its untouched weights.
        outcomes: One for each selected edit, and one for each earlier one that was returned.
        harm: What else changed; None where nothing was computed, partial where that was enough.
        seconds: By step.
    """

    state: State
    namespace: str
    method: str
    model: str
    base: str
    outcomes: tuple[Outcome, ...]
    why: str = ""
    bake: str | None = None
    harm: Harm | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    def count(self, what: What) -> int:
        """How many edits became so."""
        return sum(outcome.what == what for outcome in self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {
            "state": self.state,
            "why": self.why,
            "bake": self.bake,
            "namespace": self.namespace,
            "method": self.method,
            "model": self.model,
            "base": self.base,
            "harm": None if self.harm is None else vars(self.harm),
            "seconds": dict(self.seconds),
            "edits": [outcome.to_dict() for outcome in self.outcomes],
        }


@dataclass(frozen=True)
class UnbakeReport:
    """Bakes that were taken out.

    Attributes:
        bakes: Their ids.
        returned: Ids of their edits, which memory answers again.
        shaken: Outcomes of edits of other bakes that no longer verified without these.
        verified: How many edits of other bakes were asked again and still hold.
    """

    bakes: Sequence[str]
    returned: Sequence[str]
    shaken: tuple[Outcome, ...] = ()
    verified: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {
            "bakes": list(self.bakes),
            "returned": list(self.returned),
            "shaken": [outcome.to_dict() for outcome in self.shaken],
            "verified": self.verified,
        }


def judged(edit: Edit, asked: Sequence[Asked]) -> Outcome:
    """Baked where every wording was answered rightly, else kept, with the first that was not."""
    wrong = [one for one in asked if not one.right]
    if not wrong:
        return Outcome(edit, "baked", "", tuple(asked))
    first = wrong[0]
    return Outcome(
        edit,
        "kept",
        f"{len(wrong)} of {len(asked)} wordings are not answered with {edit.target_new!r}, such as "
        f"{first.text!r}: {first.answer!r}",
        tuple(asked),
    )
