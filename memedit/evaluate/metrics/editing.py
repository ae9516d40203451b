"""The dimensions of knowledge editing: reliability, generalization, locality, portability.

Definitions follow Yao et al. 2023 (arXiv 2305.13172), measured on greedy answers rather
than with teacher forcing: a right answer is one that states the target or an alias of it
(:func:`memedit.match.states`). Figures with teacher forcing carry the prefix
``tf.``; they tell the model the answer's length and all its earlier tokens (Yang et al. 2025,
"The Mirage of Model Editing": 96.8 % becomes 38.5 % without).

Every figure is a mean over cases of the mean within the case, as EasyEdit's and ROME's summaries
are. Outputs of one group make one observation (any or all of them right).
"""

from __future__ import annotations

from memedit.evaluate.metrics.base import (
    Judge,
    Mean,
    Metric,
    View,
    answerable,
    of_kind,
    queries,
    uncontested,
)
from memedit.evaluate.outcome import Output
from memedit.match import exact, same, states

_YAO = "Yao et al. 2023, arXiv 2305.13172"
_KNOWEDIT = "Zhang et al. 2024, arXiv 2401.01286 (KnowEdit)"
_EASYEDIT = "EasyEdit, rewrite_acc (Wang et al. 2023, arXiv 2308.07269)"
_PORTABLE = ("alias", "reverse", "one_hop", "two_hop_subject")


def is_right(output: Output, base: Output | None = None) -> float | None:
    """1 where the text states a right answer, else 0; None where nothing was generated."""
    return None if output.text is None else float(states(output.text, output.answers))


def is_unchanged(output: Output, base: Output | None) -> float | None:
    """1 where the text is the unedited model's, normalised; None without both texts."""
    if output.text is None or base is None or base.text is None:
        return None
    return float(same(output.text, base.text))


def new_hits(output: Output, base: Output | None = None) -> float | None:
    """Share of the target's tokens that are the model's first choice under teacher forcing."""
    return None if output.new is None else output.new.hits / output.new.tokens


def _is_exact(output: Output, base: Output | None) -> float | None:
    return None if output.text is None else float(exact(output.text, output.answers))


def _is_stale(output: Output, base: Output | None) -> float | None:
    if output.text is None:
        return None
    return float(states(output.text, output.old) and not states(output.text, output.answers))


def _is_unmixed(output: Output, base: Output | None) -> float | None:
    if output.text is None:
        return None
    return float(states(output.text, output.answers) and not states(output.text, output.old))


def _had_an_answer(output: Output) -> bool:
    return output.kind in ("edit", "rephrase") and bool(output.answers) and bool(output.old)


def _forgotten(view: View) -> list[float | None]:
    """For each edit query that was right after its own edit, whether it is wrong now."""
    if view.own is None or view.own.failed is not None:
        return []
    # The test after the own edits asks only some of the queries: the edit prompts are in both.
    own = [output for output in view.own.outputs if _ABOUT_EDIT(output)]
    end = [output for output in view.outcome.outputs if _ABOUT_EDIT(output)]
    return [
        None if later.text is None else 1.0 - float(states(later.text, later.answers))
        for first, later in zip(own, end, strict=True)
        if is_right(first) == 1
    ]


def _end_of_sequence(view: View) -> list[float | None]:
    return [] if view.own is None else list(_RELIABILITY(view))


def _share_right(name: str, what: str, *kinds: str, source: str = _YAO) -> Mean:
    return Mean(
        name=name,
        definition=f"Share of {what} whose greedy answer states a right answer.",
        source=source,
        measured="generation",
        observe=queries(answerable(*kinds), is_right, grouped=True),
    )


def _share_unchanged(name: str, what: str, kind: str) -> Mean:
    return Mean(
        name=name,
        definition=f"Share of {what} answered as the unedited model does, texts normalised; "
        "1 for the base model by definition.",
        source="Yao et al. 2023, arXiv 2305.13172 (locality)",
        measured="generation",
        observe=queries(uncontested(of_kind(kind)), is_unchanged),
    )


def _still_right(name: str, what: str, kind: str, source: str) -> Mean:
    return Mean(
        name=name,
        definition=f"Share of {what} whose greedy answer states the answer that stays right.",
        source=source,
        measured="generation",
        observe=queries(uncontested(answerable(kind)), is_right, grouped=True),
    )


def _forced(name: str, what: str, judge: Judge, *kinds: str) -> Mean:
    return Mean(
        name=name,
        definition=f"Share of the target's tokens that are the first choice after {what} and the "
        "target's own earlier tokens.",
        source=_EASYEDIT,
        measured="teacher-forced",
        observe=queries(of_kind(*kinds), judge),
    )


_ABOUT_EDIT = answerable("edit")
_RELIABILITY = queries(_ABOUT_EDIT, is_right, grouped=True)

EDITING: tuple[Metric, ...] = (
    _share_right("reliability", "edit prompts", "edit"),
    Mean(
        name="reliability.exact",
        definition="Share of edit prompts whose greedy answer is a right answer and nothing else, "
        "normalised.",
        source=_YAO,
        measured="generation",
        observe=queries(_ABOUT_EDIT, _is_exact, grouped=True),
    ),
    _share_right("generalization", "rephrasings of the edit", "rephrase"),
    _share_unchanged("locality", "queries out of scope", "locality"),
    _still_right("locality.correct", "queries out of scope", "locality", _YAO),
    _share_unchanged(
        "locality.distracting", "out-of-scope queries after the edit's own words", "distracting"
    ),
    _still_right(
        "locality.distracting.correct",
        "out-of-scope queries after the edit's own words",
        "distracting",
        "Hoelscher-Obermaier et al. 2023, arXiv 2305.17553 (CounterFact+)",
    ),
    _still_right(
        "forgetting",
        "questions for old answers that stay true beside the new",
        "forgetting",
        _KNOWEDIT,
    ),
    _share_right("portability", "queries that follow from the edit", *_PORTABLE),
    _share_right("portability.alias", "queries by another name of the subject", "alias"),
    _share_right("portability.reverse", "queries by an inverse or entailed relation", "reverse"),
    _share_right("portability.one_hop", "questions one fact beyond the edit", "one_hop"),
    _share_right(
        "portability.two_hop",
        "questions that reach the subject by a fact",
        "two_hop_subject",
        source="Cohen et al. 2023, arXiv 2307.12976, section 3 (Compositionality II)",
    ),
    _share_right(
        "reasoning",
        "commonsense queries that follow from the edit",
        "reasoning",
        source="Huang et al. 2024, arXiv 2410.23844 (CKEBench)",
    ),
    _share_right(
        "knows",
        "facts asked without an edit",
        "knows",
        source="Meng et al. 2022, arXiv 2202.05262 (facts known to the model)",
    ),
    Mean(
        name="unmixed",
        definition="Share of edit prompts and rephrasings, of those with a known old answer, whose "
        "greedy answer states a new answer and no old one.",
        source="This project",
        measured="generation",
        observe=queries(_had_an_answer, _is_unmixed),
    ),
    Mean(
        name="contradiction",
        definition="Share of edit prompts and rephrasings whose greedy answer states an old answer "
        "and no new one.",
        source="This project",
        measured="generation",
        better="lower",
        worst=1.0,
        observe=queries(_had_an_answer, _is_stale),
    ),
    _forced("tf.reliability", "the edit prompt", new_hits, "edit"),
    _forced("tf.generalization", "a rephrasing", new_hits, "rephrase"),
    _forced("tf.portability", "a query that follows from the edit", new_hits, *_PORTABLE),
)

SEQUENTIAL: tuple[Metric, ...] = (
    Mean(
        name="sequential.own",
        definition="Reliability in sequential editing, each case tested right after its own edits.",
        source="Huang et al. 2023, arXiv 2301.09785 (sequential model editing)",
        measured="generation",
        observe=_RELIABILITY,
        at="own",
    ),
    Mean(
        name="sequential.end",
        definition="Reliability in sequential editing, every case tested after the last edit.",
        source="Huang et al. 2023, arXiv 2301.09785 (sequential model editing)",
        measured="generation",
        observe=_end_of_sequence,
    ),
    Mean(
        name="sequential.forgotten",
        definition="Share of edit prompts right after their own edit that are wrong after the last "
        "edit.",
        source="Hartvigsen et al. 2023, arXiv 2211.11031 (edit retention, reversed)",
        measured="generation",
        better="lower",
        worst=1.0,
        owed=False,
        observe=_forgotten,
    ),
)
