"""Outcomes by hand: one line a query."""

from __future__ import annotations

from memedit.evaluate.outcome import Likelihood, Outcome, Output


def output(kind="edit", text="", answers=("Perth",), prompt="?", **values):
    return Output(prompt=prompt, kind=kind, text=text, answers=tuple(answers), **values)


def case(name, *outputs, **values):
    return Outcome(case=name, outputs=tuple(outputs), **values)


def malformed(name, reason="no field 'subject'"):
    return Outcome(case=name, failed=reason)


def likelihood(mean, *, tokens=2, hits=0):
    return Likelihood(log_prob=mean * tokens, tokens=tokens, hits=hits)
