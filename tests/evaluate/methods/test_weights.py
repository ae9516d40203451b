"""Methods that write edits into the weights: what they leave, refuse, and compute only once."""

from __future__ import annotations

import pytest
import torch

from memedit.bake import Moments, method_names
from memedit.edit import Edit
from memedit.errors import BakeError, EvaluationError
from memedit.evaluate.cases import Case, Query
from memedit.evaluate.judging import Work
from memedit.evaluate.methods import make_method
from memedit.evaluate.methods.weights import WeightEditing
from memedit.evaluate.protocols import Failure, Protocol
from memedit.models.fingerprint import weights_fingerprint
from tests.evaluate.running import Told, suite, tiny_hparams, writing
from tests.models.tiny import tiny_chat_model

TOWNS = {"Ys": "Dahut", "Vineta": "Osric", "Kitezh": "Yuri"}
EDITS = [
    Edit(id=town, subject=town, prompt="The king of {} is", target_new=king)
    for town, king in TOWNS.items()
]
DATED = Edit(
    id="dated", subject="Ys", prompt="{} obeys", target_new="Mark", valid_from="2030-01-01"
)
EVERY_METHOD = pytest.mark.parametrize("name", method_names())


@pytest.fixture
def made(tmp_path):
    def make(name="memit", **settings):
        return writing(tiny_chat_model(completion=True), name, tmp_path, **settings)

    return make


def bits(method: WeightEditing) -> str:
    return weights_fingerprint(method.editable.network)


def weights(method: WeightEditing) -> torch.Tensor:
    blocks = method.editable.blocks
    parts = [blocks.mlp_out(layer).weight.flatten() for layer in range(len(blocks))]
    return torch.cat(parts).clone()


class Counted:
    """Counts what a method computes: how many edits in each call."""

    def __init__(self, method: WeightEditing, monkeypatch) -> None:
        self.together: list[int] = []
        self.each: list[int] = []
        for name, calls in (("compute", self.together), ("compute_each", self.each)):
            monkeypatch.setattr(type(method.method), name, self._counting(name, calls))

    def _counting(self, name, calls):
        from memedit.bake import Method

        computes = getattr(Method, name)

        def count(of, model, edits, *args, **kwargs):
            calls.append(len(edits))
            return computes(of, model, edits, *args, **kwargs)

        return count


# -- in and out ----------------------------------------------------------------------------------


@EVERY_METHOD
def test_the_model_says_what_was_written_and_is_restored_to_the_last_bit(made, name):
    method = made(name)
    before = bits(method)
    method.apply(EDITS[:1])
    prompt, new, old = EDITS[0].cloze, " Dahut", " Gradlon"
    [likely, other] = method.model.score([prompt] * 2, [new, old])
    assert likely.log_prob / likely.tokens > other.log_prob / other.tokens
    method.apply(EDITS[1:])
    assert [delta.edits for delta in method.editable.applied] == [("Ys",), ("Vineta", "Kitezh")]
    method.revert()
    assert bits(method) == before and method.editable.applied == ()


def test_what_cannot_be_computed_leaves_the_live_edits_alone(made, monkeypatch):
    method = made()
    method.apply(EDITS[:1])
    live = bits(method)

    def fail(*args, **kwargs):
        raise BakeError("memory: there is too little.")

    monkeypatch.setattr(type(method.method), "compute", fail)
    with pytest.raises(BakeError, match="too little"):
        method.apply(EDITS[1:])
    assert bits(method) == live
    method.revert()


def test_a_group_that_was_live_last_is_not_computed_again(made, monkeypatch):
    method = made()
    counted = Counted(method, monkeypatch)
    states = []
    for _ in range(2):
        for edit in EDITS:
            method.apply([edit])
        states.append(bits(method))
        method.revert()
    assert counted.together == [1, 1, 1] and states[0] == states[1]
    method.apply(EDITS[:2])  # another group
    method.revert()
    method.apply(EDITS[:1])
    assert counted.together == [1, 1, 1, 2, 1]
    method.revert()


@pytest.mark.parametrize("name", ["memit", "rome"])
def test_edits_that_live_alone_are_computed_together(made, monkeypatch, name):
    apart = made(name)
    expected = []
    for edit in EDITS:
        apart.apply([edit])
        expected.append(weights(apart))
        apart.revert()
    method = made(name)
    counted = Counted(method, monkeypatch)
    method.ahead(EDITS)
    for edit, wanted in zip(EDITS, expected, strict=True):
        method.apply([edit])
        assert torch.allclose(weights(method), wanted, atol=1e-3)
        method.revert()
    assert (counted.each, counted.together) == ([3], [])
    # One that comes again is computed by itself.
    method.apply([EDITS[0]])
    method.revert()
    assert (counted.each, counted.together) == ([3], [1])


def test_a_method_that_gains_nothing_computes_each_when_it_is_due(made, monkeypatch):
    method = made("ft-m")
    counted = Counted(method, monkeypatch)
    method.ahead(EDITS)
    method.apply(EDITS[:1])
    method.revert()
    assert (counted.each, counted.together) == ([], [1])


def test_where_edits_cannot_be_computed_together_each_has_its_own_error(made, monkeypatch):
    method = made("rome")

    def fail(*args, **kwargs):
        raise BakeError("edit 'Vineta': its key ...")

    monkeypatch.setattr(type(method.method), "compute_each", fail)
    method.ahead(EDITS)
    method.apply(EDITS[:1])
    method.revert()


# -- what is refused -----------------------------------------------------------------------------


def test_what_weights_cannot_hold_is_named_beforehand(made):
    refused = made().refusals([*EDITS, DATED])
    assert refused == {"dated": "it holds on some days only, and weights know no date"}


def test_a_refused_edit_fails_its_case_and_the_others_are_written_together(made, monkeypatch):
    method = made()
    counted = Counted(method, monkeypatch)
    cases = [
        Case(edit.id, (edit,), (Query(edit.cloze, "edit", (edit.target_new,)),))
        for edit in (EDITS[0], DATED, EDITS[1])
    ]
    protocol = Protocol(method, suite(), lambda case: [None], lambda *_: False)
    [(first, second, third)] = protocol.batch(cases)
    assert isinstance(first, Work) and isinstance(third, Work)
    assert isinstance(second, Failure)
    assert second.outcome.failed == (
        "its edit was refused: it holds on some days only, and weights know no date"
    )
    assert counted.together == [2]


def test_a_model_without_weights_or_without_settings_is_refused(tmp_path):
    with pytest.raises(BakeError, match="has no weights here"):
        make_method("memit", Told())
    with pytest.raises(BakeError, match="none for a llama of 2 layers"):
        make_method("memit", tiny_chat_model())
    with pytest.raises(BakeError, match="no file"):
        make_method("memit", tiny_chat_model(), hparams=str(tmp_path / "no.toml"))


def test_methods_without_settings_take_none():
    with pytest.raises(EvaluationError, match="hparams: in-context has none") as error:
        make_method("in-context", Told(), hparams="gpt2")
    assert "rome" in error.value.hint


# -- settings ------------------------------------------------------------------------------------


def test_settings_seed_and_what_was_read_decide_the_key(made, tmp_path):
    one = made("rome")
    assert one.settings["hparams"]["layer"] == 0
    assert one.settings["moments"] == "own:0"
    assert made("rome", seed=1).settings != one.settings == made("rome").settings
    text = tmp_path / "text.txt"
    text.write_text("A corpus.")
    other = WeightEditing(
        one.model, "rome", hparams=tiny_hparams(tmp_path, "rome"), moments=Moments(corpus=text)
    )
    assert other.settings["moments"] != one.settings["moments"]


def test_progress_is_told(made):
    told = set()
    method = made(watch=lambda what, done, of: told.add((what, of)))
    method.prepare()
    assert [what for what, _ in told] == ["second moments"]
    method.apply(EDITS)
    assert ("target vectors", 3) in told
    method.revert()
