"""RippleEdits' six criteria: what else has to change, and what must not, when one fact does.

Cohen et al. 2023 (arXiv 2307.12976, section 3) and the code beside it (src/testrunner.py,
src/evaluation.py). A test is a group of queries, passed if any (OR) or all (AND) of them are
answered right. It counts only where the unedited model answers the test's condition queries right:
a fact the model never knew cannot be derived from. ``ripple.unconditioned.*`` counts every test.

As there, a case's figure is the share of its counted tests that pass, and the run's the mean over
cases. Unlike there, a case whose edit did not take is not left out: that would grade a method on
the edits it can make.
"""

from __future__ import annotations

from memedit.evaluate.metrics.base import Mean, Metric, Observe, View, groups, tested
from memedit.evaluate.metrics.editing import is_right
from memedit.evaluate.outcome import Output

_SOURCE = "Cohen et al. 2023, arXiv 2307.12976, section 3"
# What each criterion asks, by the data set's own name of it.
_CRITERIA = {
    "logical_generalization": "facts that a symmetric, transitive or inverse relation entails",
    "compositionality_i": "compositions of the edited fact with a fact about its object",
    "compositionality_ii": "compositions that reach the edited subject by another fact",
    "subject_aliasing": "the edited fact asked by an alias of its subject",
    "relation_specificity": "other facts about the subject, which must stay",
    "forgetfulness": "other objects of a one-to-many relation, which must stay (Preservation)",
}
_PRESERVING = ("relation_specificity", "forgetfulness")


def _tests(criterion: str, *, conditioned: bool) -> Observe:
    """One observation for each of a case's tests of a criterion."""

    def observe(view: View) -> list[float | None]:
        # KnowEdit uses the same labels for queries that are no tests: those have no group.
        chosen = [
            pair for pair in view.pairs if pair[0].group and pair[0].label.lower() == criterion
        ]
        return [
            tested(members, is_right)
            for members in groups(chosen)
            if not (conditioned and any(_unmet(*pair) for pair in members))
            and not (criterion in _PRESERVING and any(pair[0].contested for pair in members))
        ]

    return observe


def _unmet(output: Output, base: Output | None) -> bool:
    # A failed case's outputs do not say; the unedited model's then do.
    met = output.conditions_met
    if met is None and base is not None:
        met = base.conditions_met
    return met is False


def _criterion(criterion: str, what: str, *, conditioned: bool) -> Mean:
    prefix = "ripple" if conditioned else "ripple.unconditioned"
    which = "tests whose conditions the unedited model meets" if conditioned else "all tests"
    return Mean(
        name=f"{prefix}.{criterion}",
        definition=f"Share of tests passed, of {which}: {what}.",
        source=_SOURCE,
        measured="generation",
        observe=_tests(criterion, conditioned=conditioned),
    )


RIPPLE: tuple[Metric, ...] = tuple(
    _criterion(criterion, what, conditioned=conditioned)
    for conditioned in (True, False)
    for criterion, what in _CRITERIA.items()
)
