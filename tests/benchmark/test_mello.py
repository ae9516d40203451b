"""The throughput of the protocol is measured on the same questions both ways."""

from __future__ import annotations

import contextlib
from pathlib import Path

import mello
import pytest
from product import Setting

from memedit.scope.decision import Decision
from tests.models.tiny import tiny_chat_model


class Product:
    """Decides that every second sub-question falls under the first edit."""

    def __init__(self, edits):
        self.edits = edits

    def route_many(self, questions):
        return [
            Decision("counterfactual", (self.edits[0],), 0.8, 0.5, ())
            if i % 2
            else Decision("base", (), 0.1, 0.5, ())
            for i in range(len(questions))
        ]


@pytest.fixture
def tiny(monkeypatch):
    model = tiny_chat_model()
    model.engine.model.config.max_position_embeddings = 16_000
    monkeypatch.setattr(mello, "base_model", lambda: model)
    monkeypatch.setattr(mello, "edited", lambda edits, **_: contextlib.nullcontext(Product(edits)))
    monkeypatch.setattr(mello, "ALONE", 2)
    monkeypatch.setattr(mello, "LIMITS", mello.Limits(reply_tokens=4, reminders=0))


def test_every_figure_is_measured(tiny):
    figures = {f.name: f for f in mello.throughput(Setting(data=Path(), limit=3))}
    fast = figures["mello: questions a second, 3 together"].value
    slow = figures["mello: questions a second, one at a time"].value
    assert figures["mello: together / one at a time"].value == pytest.approx(fast / slow)
    assert figures["mello: calls a question"].value == 1  # a random model, no reminder
    assert figures["mello: the same chain both ways"].n == 2


def test_questions_are_about_the_edits_subjects():
    edits, questions = mello.composed(9)
    assert len({edit.subject for edit in edits}) == 9
    assert all(e.subject in q and q != e.asked for e, q in zip(edits, questions, strict=True))
