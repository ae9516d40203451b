"""Edits that leave the lookup: what would go astray stays in memory."""

from __future__ import annotations

import pytest

from memedit import EditedModel, EditMemory
from memedit.baking.report import Outcome
from memedit.baking.routing import rehearsed
from memedit.baking.weights import editable_of
from memedit.models.fingerprint import weights_fingerprint
from memedit.scope.decision import Decision
from tests.baking.conftest import ADA, BOB, CID
from tests.baking.learning import ANY, LEARNING, Settings
from tests.baking.test_baking import replays, standing

FOUND = [Outcome(ADA, "baked"), Outcome(BOB, "baked")]


def decision(*edits):
    return Decision("counterfactual" if edits else "base", edits, 1.0, 0.5, ())


def lookup(falls_under):
    """Routes each wording to its own edit, while it is in memory, else as it is told."""
    asked = []

    def routes(texts, statuses):
        asked.append(dict(statuses))
        out = []
        for text in texts:
            own = next(edit for edit in (ADA, BOB, CID) if edit.subject in text)
            gone = statuses.get(own.id) == "baked"
            out.append(falls_under(own, statuses) if gone else decision(own))
        return out

    return routes, asked


def test_what_reaches_the_weights_is_baked(memory):
    routes, asked = lookup(lambda own, statuses: decision())
    assert rehearsed(memory, FOUND, [], routes) == (FOUND, [], "")
    assert {"ada": "baked", "bob": "baked"} in asked


def test_what_falls_under_another_edit_stays_in_memory(memory):
    # Without Ada's edit her wordings fall under Cid's, and once hers stays, Bob's under hers.
    def falls_under(own, statuses):
        if own is ADA:
            return decision(CID)
        return decision() if "ada" in statuses else decision(ADA)

    routes, _ = lookup(falls_under)
    found, returned, why = rehearsed(memory, FOUND, [], routes)
    assert [(one.edit.id, one.what) for one in found] == [("ada", "kept"), ("bob", "kept")]
    assert "'Ada plays' falls under 'Cid lives in Rome" in found[0].why
    assert (returned, why) == ([], "")


def test_an_edit_that_memory_would_lose_is_named(memory):
    def routes(texts, statuses):
        gone = bool(statuses)
        return [decision() if gone or "Cid" not in text else decision(CID) for text in texts]

    _, _, why = rehearsed(memory, FOUND, [], routes)
    assert "no longer find 'Cid lives in' of edit cid" in why


def test_an_edit_baked_earlier_that_goes_astray_returns(memory, write):
    write("ada")

    def routes(texts, statuses):
        fires = statuses.get("ada") != "active"
        return [decision(CID) if "Ada" in t and fires else decision() for t in texts]

    found, returned, _ = rehearsed(memory, [Outcome(BOB, "baked")], [], routes)
    assert [one.what for one in found] == ["baked"]
    assert [(one.edit.id, one.what) for one in returned] == [("ada", "returned")]


def test_a_bake_keeps_what_the_lookup_would_take_for_another(memory, model, write):
    routes, _ = lookup(lambda own, statuses: decision(CID) if own is ADA else decision())
    report = write("ada", "bob", routes=routes)
    assert {one.edit.id: one.what for one in report.outcomes} == {"ada": "kept", "bob": "baked"}
    assert standing(memory)["ada"] == "active"


def test_a_bake_that_memory_would_lose_an_edit_by_is_given_up(memory, model, write):
    def routes(texts, statuses):
        return [decision() if statuses or "Cid" not in t else decision(CID) for t in texts]

    report = write("ada", routes=routes)
    assert (report.state, report.count("kept"), memory.bakes()) == ("aborted", 1, [])
    assert "no longer find" in report.why


@pytest.fixture
def edited(tmp_path, model):
    with EditMemory.open(tmp_path / "own.db") as memory:
        memory.add([ADA.changed(question="What does Ada play?"), BOB])
        yield EditedModel(model, memory)


def test_routes_if_edits_were_baked(edited):
    asked = ["What does Ada play?", "What does Bob play?"]
    before, revision = edited.route_many(asked), edited.memory.revision
    ids = [[edit.id for edit in found.edits] for found in before]
    assert ids == [["ada"], ["bob"]]
    baked = edited.routes_if(asked, {"ada": "baked"})
    assert [found.route for found in baked] == ["base", "counterfactual"]
    after = edited.route_many(asked)
    assert [found.edits for found in after] == [found.edits for found in before]
    assert [found.probability for found in after] == [found.probability for found in before]
    assert edited.memory.revision == revision


def test_memory_answers_from_the_models_own_weights(edited, model):
    question = "What does Bob play?"
    before, untouched = edited.ask(question, max_tokens=12), weights_fingerprint(model.engine.model)
    off = edited.ask("Why is the sky blue?", max_tokens=12).text
    how = {"method": LEARNING, "moments": None, "limits": ANY}
    replay = (("Why is the sky blue?", "golf"),)
    report = edited.bake("ada", settings=Settings(replay=replay), **how)
    assert [one.what for one in report.outcomes] == ["baked"]
    for answer in (
        edited.ask(question, max_tokens=12),
        edited.ask_many([question], max_tokens=12)[0],
    ):
        assert (answer.edits, answer.text) == (before.edits, before.text)
    assert "".join(c.text for c in edited.stream(question, max_tokens=12)) == before.text
    assert edited.ask("Why is the sky blue?", max_tokens=12).text != off
    with edited.counterfactual.engine.using(None) as network:
        assert network is model.engine.model
        assert weights_fingerprint(network) == untouched
    assert weights_fingerprint(network) != untouched


def test_limits_hold_for_all_bakes_together(memory, model, write):
    first = write("ada")
    second = write("cid", replay=replays(memory.get("ada")))
    changed = max(editable_of(model.engine).changed().values())
    assert second.harm.relative == pytest.approx(changed)
    assert second.harm.perplexity_before == first.harm.perplexity_before
