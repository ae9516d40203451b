"""The edited model's threshold follows its memory, on the real encoder and store."""

from __future__ import annotations

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from memedit import Edit, EditedModel, EditMemory
from memedit.calibration import Calibrator, calibrate_namespace
from memedit.errors import QueryError
from memedit.memory.calibrations import StoredCalibration
from memedit.scope import conformal
from memedit.scope.bank import hash_of
from memedit.scope.classifier import ScopeClassifier
from memedit.scope.probes import scorer_digest

PROMPTS = ("The capital of {} is", "{} was founded by", "{} plays the sport of", "{} is made of")


def facts(start, stop):
    return [
        Edit(id=f"e{n}", subject=f"Zubrowka {n} Land", prompt=PROMPTS[n % 4], target_new="X")
        for n in range(start, stop)
    ]


@pytest.fixture
def memory(tmp_path):
    with EditMemory.open(tmp_path / "e.db") as memory:
        memory.add(facts(0, 12))
        yield memory


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """The edits whose probes are scored; a score is drawn by the probe's hash, whatever scores.

    So the tests hold for every scope model, as good as it may be.
    """
    seen = []

    def draw(classifier, wanted, nearest):
        seen.extend(wanted)
        return {
            edit_id: {
                form: [hash_of(text) / 2**64 for text in texts] for form, texts in by_form.items()
            }
            for edit_id, by_form in wanted.items()
        }

    monkeypatch.setattr("memedit.calibration.score_probes", draw)
    return seen


def edited(memory, **options):
    return EditedModel(FakeListChatModel(responses=["hello"]), memory, **options)


def routed(model):
    """The threshold in force at the next question."""
    return model.route("What is the capital of Zubrowka 0 Land?").threshold


def test_the_rate_sets_the_threshold_and_edits_move_it(memory):
    strict, loose = edited(memory, false_fire_rate=0.1), edited(memory, false_fire_rate=0.5)
    assert 0.0 < routed(loose) < routed(strict) <= 1.0
    assert strict.thresholds["question"] == routed(strict)
    before = routed(strict)
    memory.add(facts(12, 40))
    assert routed(strict) == routed(edited(memory, false_fire_rate=0.1)) != before


def test_only_new_probes_are_scored_and_another_process_needs_none(memory, asked):
    model = edited(memory)
    routed(model)
    assert sorted(asked) == sorted(f"e{n}" for n in range(12))
    asked.clear()
    routed(model)
    routed(edited(memory))
    assert not asked
    memory.add(Edit(id="new", subject="Ada", prompt="{} is made of", target_new="X"))
    routed(model)
    assert "new" in asked
    assert len(asked) < 12
    asked.clear()
    memory.retire("new")
    with EditMemory.open(memory.path) as other:
        assert routed(edited(other)) == routed(model)
    assert not memory.probe_scores().keys() - {f"e{n}" for n in range(12)}


def test_scores_kept_up_are_those_made_from_scratch(memory):
    model = edited(memory, false_fire_rate=0.1)
    for n in range(12, 24):
        memory.add(facts(n, n + 1))
        memory.retire(f"e{n - 10}")
        kept = routed(model)
    question = calibrate_namespace(memory, 0.1).calibrated.thresholds["question"]
    assert kept == pytest.approx(question, abs=1e-5)


def test_what_is_settled_for_the_namespace_counts_unless_a_rate_is_given(memory):
    model, own = edited(memory), edited(memory, false_fire_rate=0.3)
    before = routed(model), routed(own)
    memory.put_calibration(StoredCalibration(0.5))
    assert routed(model) == routed(edited(memory, false_fire_rate=0.5)) < before[0]
    assert routed(own) == before[1]


def test_traffic_counts_only_for_the_scorer_it_was_scored_with(memory):
    scores = {form: [0.999] * 500 for form in conformal.FORMS}
    memory.put_calibration(StoredCalibration(0.1, "another scorer", 500, scores))
    assert routed(edited(memory)) < 0.999
    settled = calibrate_namespace(memory, 0.1, ["How old is Zubrowka 3 Land?"])
    assert settled.traffic.queries == 1
    assert memory.calibration().scorer != "another scorer"


def test_a_fixed_threshold_stays_and_needs_no_probes(memory, asked):
    assert routed(edited(memory, threshold=0.3)) == 0.3
    assert not asked


def test_a_memory_without_facts_has_the_shipped_threshold(tmp_path):
    with EditMemory.open(tmp_path / "e.db") as memory:
        model = edited(memory)
        shipped = conformal.shipped_scores(scorer_digest(ScopeClassifier(memory.encoder)))
        assert shipped
        at_large = conformal.calibrate({}, shipped, conformal.DEFAULT_RATE, default=0.5)
        assert routed(model) == 0.5  # nothing has been added yet
        memory.add(Edit(kind="free_text", statement="Cats dream.", target_new="Cats dream."))
        assert routed(model) == at_large.thresholds["question"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"false_fire_rate": 0.0}, "false_fire_rate: 0.0"),
        ({"false_fire_rate": 0.7}, "at most 0.5"),
        ({"threshold": 0.5, "false_fire_rate": 0.1}, "both are given"),
    ],
)
def test_settings_that_contradict_themselves(memory, options, says):
    with pytest.raises(QueryError, match=says):
        edited(memory, **options)


def test_a_calibrator_checks_its_rate(memory):
    with pytest.raises(QueryError, match="Give the share"):
        Calibrator(memory, 2.0)
