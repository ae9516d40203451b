"""A bake on the embedded model: in the weights, through the pipeline, and out to the last bit."""

from __future__ import annotations

import pytest

from memedit import Edit, EditedModel, EditMemory
from memedit.baking.make import bake
from memedit.baking.undo import unbake
from memedit.models.fingerprint import weights_fingerprint
from memedit.models.load import load_local_model
from tests.baking.learning import ANY, LEARNING, Settings

ASKED, ELSEWHERE = "Which sport does Lionel Messi play?", "Why is the sky blue?"

pytestmark = pytest.mark.real_model


def test_baked_and_unbaked(tmp_path):
    model = load_local_model("smollm2", device="cpu", max_tokens=16)  # one of its own to change
    before = weights_fingerprint(model.engine.model)
    sport = Edit(
        id="sport",
        subject="Lionel Messi",
        prompt="{} plays the sport of",
        question=ASKED,
        target_new="basketball",
    )
    with EditMemory.open(tmp_path / "facts.db") as memory:
        memory.add([sport, Edit(subject="Peru", relation="capital", target_new="Cusco")])
        settings = Settings(steps=12, rate=0.01)
        report = bake(
            memory, model, [memory.get("sport")], LEARNING, settings, moments=None, limits=ANY
        )
        assert report.count("baked") == 1, report
        assert report.base == before != weights_fingerprint(model.engine.model)
        edited = EditedModel(model, memory)
        assert edited.role.adapter is not None  # made for this base, baked or not
        answer = edited.ask(ASKED)
        assert (answer.route, answer.edits) == ("base", ())
        assert "basketball" in answer.text.lower()
        assert edited.ask("What is the capital of Peru?").route == "counterfactual"
        assert edited.ask(ELSEWHERE).text == model.invoke(ELSEWHERE).text
        unbake(memory, [str(report.bake)], lambda: model)
        assert edited.route(ASKED).edits[0].id == "sport"
        assert weights_fingerprint(model.engine.model) == before
