"""Whether every edit is still found once others have left the lookup.

An edit that is baked is no longer looked up, and its wordings must reach the weights: where one of
them falls under an edit that stays in memory, the weights are never asked. And thresholds are
calibrated to the edits that are in memory, so that one that stays may no longer reach its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from memedit.baking.report import Outcome
from memedit.baking.verify import wordings
from memedit.edit import Edit
from memedit.memory.records import Status
from memedit.scope.decision import Decision

if TYPE_CHECKING:
    from memedit.memory import EditMemory

# Decisions on texts as they would be if these edits, by id, had other statuses.
Routes = Callable[[Sequence[str], Mapping[str, Status]], Sequence[Decision]]
MOST = 2000  # edits that stay in memory and are looked up; of more, a sample at even steps


def rehearsed(
    memory: EditMemory, found: Sequence[Outcome], returned: Sequence[Outcome], routes: Routes
) -> tuple[list[Outcome], list[Outcome], str]:
    """Looks up every wording as it will be looked up, and lets memory keep what would go astray.

    Args:
        memory: The memory, in which nothing of the bake is recorded yet.
        found: The outcomes of the edits that were written.
        returned: Those of edits baked earlier that return to memory.
        routes: The edited model's decisions.

    Returns:
        The outcomes of both kinds, and, as a sentence, which edit memory would lose; empty where it
        would lose none.
    """
    found, returned = list(found), list(returned)
    earlier = {record.id: record.edit for record in memory.list(status="baked") if record.edit}
    while True:
        back = {one.edit.id for one in returned}
        new = {one.edit.id: one.edit for one in found if one.what == "baked"}
        weights = new | {i: edit for i, edit in earlier.items() if i not in back}
        statuses: dict[str, Status] = dict.fromkeys(new, "baked")
        statuses |= dict.fromkeys(back, "active")
        astray = _astray(list(weights.values()), routes, statuses)
        if not astray:
            break
        found = [
            replace(one, what="kept", why=astray[one.edit.id])
            if one.what == "baked" and one.edit.id in astray
            else one
            for one in found
        ]
        returned += [
            Outcome(edit, "returned", astray[i]) for i, edit in earlier.items() if i in astray
        ]
    staying = [r.edit for r in memory.list() if r.edit and r.id not in new]
    return found, returned, _lost(staying, routes, statuses) if statuses else ""


def _astray(
    weights: Sequence[Edit], routes: Routes, statuses: Mapping[str, Status]
) -> dict[str, str]:
    """Edits that the weights answer but that do not reach them, and why, by id."""
    asked = [(edit, text) for edit in weights for text in wordings(edit)]
    decisions = routes([text for _, text in asked], statuses)
    return {
        edit.id: f"without it in memory {text!r} falls under "
        + " and ".join(repr(other.stated) for other in decision.edits)
        for (edit, text), decision in reversed(list(zip(asked, decisions, strict=True)))
        if decision.route != "base"
    }


def _lost(staying: Sequence[Edit], routes: Routes, statuses: Mapping[str, Status]) -> str:
    step = max(1, math.ceil(len(staying) / MOST))
    asked = [(edit, text) for edit in staying[::step] for text in wordings(edit)]
    texts = [text for _, text in asked]
    lost = [
        f"{text!r} of edit {edit.id}"
        for (edit, text), now, then in zip(
            asked, routes(texts, {}), routes(texts, statuses), strict=True
        )
        if edit.id in _ids(now) and (then.route, _ids(then)) != (now.route, _ids(now))
    ]
    if not lost:
        return ""
    more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    return f"without the baked edits memory would no longer find {lost[0]}{more}"


def _ids(decision: Decision) -> list[str]:
    return [edit.id for edit in decision.edits]
