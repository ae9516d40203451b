"""Whole runs: data set to result, stopped and gone on with, with everything that can fail."""

from __future__ import annotations

import dataclasses
import json
from contextlib import closing, contextmanager

import pytest
import torch

from memedit.errors import EvaluationError
from memedit.evaluate import runner
from memedit.evaluate.folder import ALONE, BASE, RunFolder, outcomes_name, read_outcomes
from memedit.evaluate.methods import make_method
from memedit.evaluate.methods.unedited import Unedited
from memedit.evaluate.neutral import MOST_KL, MOST_PERPLEXITY
from memedit.evaluate.runner import run
from tests.evaluate.running import (
    Bias,
    Everything,
    Told,
    job,
    silent,
    writing,
    written,
    zsre,
    zsre_record,
)
from tests.models import real
from tests.models.tiny import tiny_chat_model


@pytest.fixture
def go(tmp_path):
    """Runs ``job(data, model, method, ...)`` in folders of this test."""

    def go(data, model=None, method=None, *, out="out", **changes):
        made = job(data, model or Told(), method, **changes)
        return run(made, tmp_path / out, tmp_path / "shared", silent)

    return go


def ends(tmp_path, k="all", out="out"):
    found = read_outcomes(tmp_path / out, outcomes_name(k))
    return {outcome.case: outcome for outcome in found if outcome.after == "end"}


# -- the result ----------------------------------------------------------------------------------


def test_a_result_says_what_ran_on_what_and_what_came_out(go, tmp_path):
    data = zsre(tmp_path, 3)
    result = go(data, k=("1", "all"), alone=6, seed=5, limit=3, command="memedit eval made")
    written_down = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written_down == result.to_dict()
    assert (result.suite, result.method, result.model.name) == ("made", "everything", "told")
    assert (result.data.name, result.data.path) == ("zsre_slim", "data.json")
    assert (result.data.sha256, result.data.source) == (data.checksum, data.source)
    assert (result.seed, result.limit, result.k) == (5, 3, ("1", "all"))
    assert (result.protocol, result.command) == ("batch", "memedit eval made")
    assert result.method_settings["encoder"] == "numb"
    assert (result.cases.evaluated, result.cases.failed) == (3, 0)
    assert result.started <= result.finished and result.seconds >= 0
    assert result.code and result.key and result.machine["torch"]
    assert set(written_down["sweep"]) == {"1", "all"}
    assert written_down["sweep"]["all"] == written_down["metrics"]
    for figures in written_down["sweep"].values():
        for name, figure in figures.items():
            assert list(figure) == ["value", "low", "high", "n", "base"], name
            assert figure["low"] <= figure["value"] <= figure["high"], name
    assert {"reliability", "generalization", "locality", "byte_identical", "seconds_per_query",
            "seconds_per_edit", "peak_rss_mb"} <= set(written_down["metrics"])  # fmt: skip


def test_the_figures_are_those_of_a_model_known_by_heart(go, tmp_path):
    """The edit in front of everything: right on every edit, wrong on everything else."""
    metrics = go(zsre(tmp_path, 3), alone=9).metrics
    shown = {name: (figure.value, figure.base, figure.n) for name, figure in metrics.items()}
    assert shown["reliability"] == (1.0, 0.0, 3)
    assert shown["generalization"] == (1.0, 0.0, 3)
    assert shown["contradiction"] == (0.0, 1.0, 6)
    assert shown["locality"] == (0.0, 1.0, 3)
    assert shown["locality.correct"] == (0.0, 1.0, 3)
    assert shown["byte_identical"] == (0.0, None, 3)
    assert shown["batch.texts_differ"] == (0.0, None, 9)
    assert shown["batch.routes_differ"] == (0.0, None, 9)
    assert metrics["seconds_per_query"].base > 0
    assert metrics["batch.speedup"].value > 0 and "kl" not in metrics


def test_the_memory_is_right_on_scope_and_untouched_off_it(go, tmp_path):
    model = Told()
    method = make_method("memory", model)
    result = go(zsre(tmp_path, 3), model, method, k=("1", "all"), alone=9)
    for k in ("1", "all"):
        figures = result.sweep[k]
        assert (figures["reliability"].value, figures["reliability"].base) == (1.0, 0.0)
        assert (figures["locality"].value, figures["locality.correct"].value) == (1.0, 1.0)
        assert figures["scope.recall"].value == 1.0 and figures["scope.false_fire"].value == 0.0
    assert result.metrics["byte_identical"].value == 1.0
    assert sum(bin_.n for bin_ in result.reliability_diagram) == 9
    assert len(result.latency) == 9 and min(result.latency) > 0
    assert method.state() == ""
    method.close()


def test_suites_leave_metrics_and_queries_out(go, tmp_path):
    result = go(zsre(tmp_path, 2), leave_out=("gener*",), kinds=("edit", "rephrase"))
    assert "reliability" in result.metrics
    assert not {"generalization", "locality"} & set(result.metrics)


def test_a_method_that_changes_weights_is_asked_under_its_own(go, tmp_path):
    model = tiny_chat_model()
    before = model.invoke("Who?", max_tokens=4).text
    method = Bias(model)
    result = go(zsre(tmp_path, 3), model, method, k=("1", "all"), alone=9, max_tokens=4)
    assert {o.outputs[0].text for o in read_outcomes(tmp_path / "out", BASE)} & {"DDDD"} == set()
    alone = ends(tmp_path, "1")
    assert [alone[f"zsre-{n}"].outputs[2].text for n in (1, 2, 3)] == ["DDDD", "OOOO", "YYYY"]
    together = {output.text for o in ends(tmp_path).values() for output in o.outputs}
    assert together <= {a + b + c + d for a in "DOY" for b in "DOY" for c in "DOY" for d in "DOY"}
    assert result.metrics["byte_identical"].value == 0.0
    assert result.metrics["kl"].low > 1.0
    assert result.metrics["batch.texts_differ"].value == 0.0
    assert result.metrics["locality"].value == 0.0
    assert model.invoke("Who?", max_tokens=4).text == before
    assert method.state() == Bias(tiny_chat_model()).state()


@pytest.mark.parametrize(("alone", "cases"), [(0, 0), (1, 1), (3, 1), (4, 2), (99, 3)])
def test_the_sample_asked_alone_is_counted_in_queries_of_whole_cases(go, tmp_path, alone, cases):
    metrics = go(zsre(tmp_path, 3), alone=alone).metrics
    asked = metrics["seconds_per_query.alone"].n if cases else 0
    assert asked == 3 * cases and ("byte_identical" in metrics) is bool(cases)


# -- in sequence ---------------------------------------------------------------------------------


def test_sequential_editing_tests_twice(go, tmp_path):
    result = go(zsre(tmp_path, 3), protocol="sequential", alone=1)
    found = read_outcomes(tmp_path / "out", outcomes_name("all"))
    assert sorted((o.case, o.after, len(o.outputs)) for o in found) == [
        (f"zsre-{n}", after, {"own": 2, "end": 3}[after])
        for n in (1, 2, 3)
        for after in ("end", "own")
    ]
    for name, value in [("own", 1.0), ("end", 1.0), ("forgotten", 0.0)]:
        figure = result.metrics[f"sequential.{name}"]
        assert (figure.value, figure.n) == (value, 3)
    assert (result.metrics["reliability"].value, result.metrics["locality"].value) == (1.0, 0.0)
    assert result.metrics["seconds_per_edit"].n == 3
    assert result.protocol == "sequential" and result.cases.evaluated == 3


class Forgetful(Everything):
    """Only remembers the last edit."""

    def apply(self, edits) -> None:
        super().apply(edits)
        self._edits, self._vectors = self._edits[-1:], self._vectors[-1:]


def test_sequential_editing_shows_what_is_forgotten(go, tmp_path):
    result = go(zsre(tmp_path, 4), method=Forgetful(Told()), protocol="sequential")
    shown = {name: figure.value for name, figure in result.metrics.items()}
    assert shown["sequential.own"] == 1.0
    assert shown["sequential.end"] == shown["reliability"] == 0.25
    assert shown["sequential.forgotten"] == 0.75


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_sequential_editing_in_portions_tests_after_each_and_at_the_end(go, tmp_path, batch_size):
    result = go(
        zsre(tmp_path, 5), method=Forgetful(Told()), protocol="sequential", batch_size=batch_size
    )
    shown = {name: figure.value for name, figure in result.metrics.items()}
    portions = -(-5 // batch_size)
    assert shown["sequential.own"] == portions / 5  # of each portion the last edit is remembered
    assert shown["sequential.end"] == 1 / 5
    assert shown["sequential.forgotten"] == (portions - 1) / portions


@pytest.fixture
def going_on():
    return tiny_chat_model(completion=True)


def test_edits_in_the_weights_are_asked_as_the_base_is_and_taken_out(go, tmp_path, going_on):
    method = writing(going_on, "rome", tmp_path)
    before = method.state()
    data = zsre(tmp_path, 3)
    result = go(data, going_on, method, k=("1", "all"), max_tokens=4, alone=99)
    assert method.state() == before
    base = {o.case: o for o in read_outcomes(tmp_path / "out", BASE)}
    for k, groups in (("1", 3), ("all", 1)):
        for outcome in ends(tmp_path, k).values():
            pairs = zip(outcome.outputs, base[outcome.case].outputs, strict=True)
            assert all(o.prompt_tokens == b.prompt_tokens for o, b in pairs)
        figures = result.sweep[k]
        assert figures["em"].value > figures["em"].base
        perplexity = figures["neutral.perplexity"]
        assert perplexity.n == groups
        assert perplexity.value != perplexity.base > 1
        assert figures["neutral.kl"].low > 0
    assert result.model.form == "completion"
    assert result.metrics["batch.texts_differ"].value == 0.0


def test_a_sequence_of_edits_in_the_weights_goes_on_with_the_same_weights(
    go, tmp_path, monkeypatch, going_on
):
    how = {"protocol": "sequential", "batch_size": 2, "max_tokens": 4, "alone": 3}
    how |= {"leave_out": ()}
    data = zsre(tmp_path, 5)
    wanted = go(data, going_on, writing(going_on, "alphaedit", tmp_path), out="whole", **how)
    assert wanted.metrics["es.own"].n == wanted.metrics["es"].n == 5

    method = writing(going_on, "alphaedit", tmp_path)
    applied = method.apply
    monkeypatch.setattr(method, "apply", stopping_at(applied, 3))
    before = method.state()
    with pytest.raises(KeyboardInterrupt):
        go(data, going_on, method, **how)
    assert method.state() == before
    found = read_outcomes(tmp_path / "out", outcomes_name("all"))
    assert [(o.case, o.after) for o in found] == [(f"zsre-{n}", "own") for n in (1, 2, 3, 4)]
    monkeypatch.setattr(method, "apply", applied)
    assert without_times(go(data, going_on, method, **how)) == without_times(wanted)
    assert method.state() == before


def stopping_at(apply, call):
    left = [call]

    def stop(edits):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        apply(edits)

    return stop


def test_weights_that_are_destroyed_have_a_perplexity_all_the_same(go, tmp_path, going_on):
    class Destroyer(Bias):
        def apply(self, edits):
            super().apply(edits)
            self.network.lm_head.bias[:] = float("nan")

    result = go(zsre(tmp_path, 2), going_on, Destroyer(going_on))
    assert result.metrics["neutral.perplexity"].value == MOST_PERPLEXITY
    assert result.metrics["neutral.kl"].value == MOST_KL
    assert "neutral.kl" not in go(zsre(tmp_path, 2), out="detached").metrics


def test_sequential_editing_counts_malformed_records_in_both_tests(go, tmp_path):
    data = zsre(tmp_path, 3, zsre_record(3, alt=""))
    metrics = go(data, protocol="sequential").metrics
    for name in ("sequential.own", "sequential.end", "reliability"):
        assert (metrics[name].value, metrics[name].n) == (0.75, 4), name


# -- what fails ----------------------------------------------------------------------------------


def test_malformed_records_count_as_wrong_and_dropped_ones_do_not(go, tmp_path):
    broken = zsre_record(3, alt="")
    true_already = zsre_record(4, alt="Gradlon")
    result = go(zsre(tmp_path, 3, broken, true_already))
    assert (result.metrics["reliability"].value, result.metrics["reliability"].n) == (0.75, 4)
    assert result.metrics["generalization"].value == 0.75
    assert (result.cases.evaluated, result.cases.failed) == (4, 1)
    [failure] = result.cases.failures
    assert (failure.case, failure.reason) == ("zsre-4 (malformed)", "alt: '' is empty")
    [dropped] = result.cases.dropped.values()
    assert (dropped.count, dropped.examples) == (1, ("zsre-5",))


def test_a_data_set_of_nothing_but_broken_records_has_no_figures(go, tmp_path):
    result = go(written(tmp_path, "zsre_slim", [zsre_record(0, alt=""), [1]]), k=("1", "all"))
    assert (result.cases.evaluated, result.cases.failed) == (2, 2)
    assert set(result.metrics) <= {"peak_rss_mb", "peak_gpu_mb"}


@pytest.mark.parametrize(
    "error", [RuntimeError("no"), MemoryError("no"), torch.OutOfMemoryError("no")]
)
def test_a_case_whose_prompt_raises_is_a_failure_of_the_method(go, tmp_path, error):
    model = Told(trouble={"Osric": error})  # Vineta's target, which only an edited prompt holds
    result = go(zsre(tmp_path, 3), model, k=("1",), alone=9)
    reliability = result.metrics["reliability"]
    assert (reliability.value, reliability.n, reliability.base) == (pytest.approx(2 / 3), 3, 0.0)
    assert (result.cases.evaluated, result.cases.failed) == (3, 1)
    [failure] = result.cases.failures
    assert (failure.case, failure.reason) == ("zsre-2", f"{type(error).__name__}: no")
    assert result.metrics["batch.texts_differ"].n == 6
    assert read_outcomes(tmp_path / "out", BASE)[1].failed is None


def test_a_case_that_the_base_model_cannot_answer_is_a_failure_of_its_column(go, tmp_path):
    model = Told(trouble={"have 3 cows": torch.OutOfMemoryError("no")})
    result = go(zsre(tmp_path, 3), model, k=("all",), alone=9)
    base = {outcome.case: outcome.failed for outcome in read_outcomes(tmp_path / "out", BASE)}
    assert base == {"zsre-1": None, "zsre-2": "OutOfMemoryError: no", "zsre-3": None}
    assert result.metrics["locality.correct"].base == pytest.approx(2 / 3)
    assert result.metrics["reliability"].value == pytest.approx(2 / 3)


class Wordless(Told):
    """Cannot answer one query as it stands."""

    @staticmethod
    def reply(text: str) -> str:
        if text == "how many legs have 3 cows":
            raise RuntimeError("no")
        return Told.reply(text)


def test_a_case_on_which_only_the_base_model_failed_does_not_count_against_it(go, tmp_path):
    result = go(zsre(tmp_path, 3), Wordless())
    assert (result.cases.failed, result.cases.base_failed) == (0, 1)
    figure = result.metrics["locality.correct"]
    assert (figure.value, figure.n, figure.base) == (0.0, 3, 1.0)
    assert result.metrics["locality"].n == 2  # nothing to compare the third with


class Choosy(Everything):
    """Takes no edit about Vineta, and plans no query about Kitezh's ruling."""

    def apply(self, edits) -> None:
        if any(edit.subject == "Vineta" for edit in edits):
            raise ValueError("not Vineta")
        super().apply(edits)

    def plan(self, queries):
        if any("was Kitezh" in query for query in queries):
            raise RuntimeError("no plan")
        return super().plan(queries)


def test_a_method_that_refuses_an_edit_or_a_query_is_run_to_its_end(go, tmp_path):
    method = Choosy(Told())
    result = go(zsre(tmp_path, 4), method.model, method, k=("1", "all"), alone=12)
    for k in ("1", "all"):
        failed = {case: o.failed for case, o in ends(tmp_path, k).items()}
        assert failed == {
            "zsre-1": None,
            "zsre-2": "its edit was refused: ValueError: not Vineta",
            "zsre-3": "RuntimeError: no plan",
            "zsre-4": None,
        }
        assert result.sweep[k]["reliability"].value == 0.5
        assert result.sweep[k]["reliability"].base == 0.0
    assert result.cases.failed == 2
    with closing(RunFolder(tmp_path / "out")) as folder:
        alone = folder.lines(ALONE)
    assert {line["case"] for line in alone} == {f"zsre-{n}" for n in (1, 2, 3, 4)}
    assert sum(line["failed"] is not None for line in alone) == 4  # Vineta's 3, Kitezh's rephrasing
    assert result.metrics["seconds_per_query.alone"].n == 6


class Stuck(Everything):
    def revert(self) -> None:
        pass


def test_a_method_that_does_not_revert_has_no_result(go, tmp_path):
    with pytest.raises(EvaluationError, match="after the revert it is not what it was"):
        go(zsre(tmp_path, 2), method=Stuck(Told()))
    assert not (tmp_path / "out" / "result.json").exists()


# -- stopped and gone on with --------------------------------------------------------------------


def without_times(result) -> dict:
    """A result without what two equal runs differ in."""
    data = result.to_dict()
    for name in ("started", "finished", "seconds", "latency"):
        del data[name]
    for figures in (data["metrics"], *data["sweep"].values()):
        for name in [n for n in figures if n.startswith(("seconds", "peak", "batch.speedup"))]:
            del figures[name]
    return data


# Three cases of three queries: the base model, k = 1, k = all, then one case alone, whose
# off-scope query the base model is asked as well.
PROMPTS = 3 * 9 + 4


@pytest.mark.parametrize("stop", [0, 2, 3, 8, 9, 13, 18, 20, 26, 27, 30])
def test_a_run_that_is_stopped_goes_on_where_it_was(go, tmp_path, monkeypatch, stop):
    monkeypatch.setattr(runner, "CHUNK", 1)  # every case is written as it is done
    how = {"k": ("1", "all"), "alone": 1}
    whole = Told()
    wanted = go(zsre(tmp_path, 3), whole, out="whole", **how)
    assert len(whole.asked) == PROMPTS
    for folder in (tmp_path / "shared").iterdir():
        folder.rename(tmp_path / f"{folder.name}.away")

    stopped, rest = Told(at_most=stop), Told()
    method = Everything(stopped)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        go(zsre(tmp_path, 3), stopped, method, **how)
    assert method.state() == "" and interrupt.tb  # reverted while the traceback is still held
    result = go(zsre(tmp_path, 3), rest, **how)
    assert without_times(result) == without_times(wanted)
    finished = min(stop // 3 * 3, 27)  # whole cases; what was begun is asked again
    assert len(rest.asked) == PROMPTS - finished
    assert result.started <= result.finished


# After its own edits each case is asked two queries, at the end three; right after the last case's
# edits it is asked with the same edits live as at the end, so one process asks those two once.
@pytest.mark.parametrize(
    ("stop", "left"), [(0, 13), (1, 13), (2, 11), (4, 9), (6, 9), (8, 9), (9, 6), (12, 3)]
)
def test_a_sequence_that_is_stopped_goes_on_where_it_was(go, tmp_path, monkeypatch, stop, left):
    monkeypatch.setattr(runner, "CHUNK", 1)
    wanted = go(zsre(tmp_path, 3), out="whole", protocol="sequential")  # leaves its base behind
    with pytest.raises(KeyboardInterrupt):
        go(zsre(tmp_path, 3), Told(at_most=stop), protocol="sequential")
    rest = Told()
    result = go(zsre(tmp_path, 3), rest, protocol="sequential")
    assert without_times(result) == without_times(wanted)
    assert len(rest.asked) == left


def test_what_failed_is_tried_again_by_a_run_that_goes_on(go, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "CHUNK", 1)
    away = Told(trouble={"Osric": OSError("away")}, at_most=9 + 3 + 3 + 1)
    with pytest.raises(KeyboardInterrupt):
        go(zsre(tmp_path, 3), away, k=("1", "all"))
    assert [o.case for o in ends(tmp_path, "1").values() if o.failed] == ["zsre-2"]
    result = go(zsre(tmp_path, 3), k=("1", "all"))
    assert result.cases.failed == 0 and result.sweep["1"]["reliability"].value == 1.0


def test_a_torn_line_is_asked_again(go, tmp_path):
    how = {"k": ("all",), "alone": 1}
    wanted = go(zsre(tmp_path, 3), **how)
    for name in (outcomes_name("all"), ALONE):
        path = tmp_path / "out" / f"{name}.jsonl"
        path.write_bytes(path.read_bytes()[:-20])
    (tmp_path / "out" / "result.json").unlink()
    model = Told()
    assert without_times(go(zsre(tmp_path, 3), model, **how)) == without_times(wanted)
    assert len(model.asked) == 3 + 1 + 1  # one case; one query alone, and the base beside it


def test_a_finished_run_is_read_back(go, tmp_path):
    how = {"k": ("1", "all"), "alone": 6}
    first, model = go(zsre(tmp_path, 3), **how), Told()
    assert go(zsre(tmp_path, 3), model, **how) == first
    assert model.asked == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed is 0, not 1"),
        ({"limit": 2}, "limit is None, not 2"),
        ({"alone": 1}, "alone is 0, not 1"),
        ({"asked": 1}, "asked is None, not 1"),
        ({"k": ("1",)}, r"suite.k is \['all'\], not \['1'\]"),
        ({"max_tokens": 3}, "suite.max_tokens is 24, not 3"),
        ({"method": Unedited(Told())}, "method.name is 'everything', not 'base'"),
    ],
)
def test_another_run_is_not_gone_on_with(go, tmp_path, changes, named):
    go(zsre(tmp_path, 2))
    with pytest.raises(EvaluationError, match=named):
        go(zsre(tmp_path, 2), **changes)


def test_other_data_weights_and_code_are_other_runs(tmp_path, monkeypatch):
    one = job(zsre(tmp_path / "a", 2), tiny_chat_model())
    keys = {runner.key_of(one.identity())}
    assert keys == {runner.key_of(job(zsre(tmp_path / "b", 2), tiny_chat_model()).identity())}
    keys.add(runner.key_of(dataclasses.replace(one, data=zsre(tmp_path / "c", 3)).identity()))
    keys.add(runner.key_of(dataclasses.replace(one, model=tiny_chat_model(seed=1)).identity()))
    monkeypatch.setattr(runner, "code_version", lambda: "other")
    keys.add(runner.key_of(one.identity()))
    assert len(keys) == 4


def test_few_cases_are_asked_about_while_the_edits_of_all_are_live(go, tmp_path):
    model = Told()
    result = go(zsre(tmp_path, 6), model, asked=2, alone=3, seed=1)
    found = ends(tmp_path)
    assert [outcome.live for outcome in found.values()] == [6, 6]
    assert (result.cases.evaluated, result.metrics["reliability"].n) == (2, 2)
    alone = {line["case"] for line in RunFolder(tmp_path / "out").lines(ALONE)}
    assert alone and alone <= found.keys()
    go(zsre(tmp_path, 6), asked=2, seed=2, out="again")
    again = ends(tmp_path, out="again")
    assert len(again) == 2 and again.keys() != found.keys()
    assert go(zsre(tmp_path, 6), asked=9, out="all").cases.evaluated == 6


def test_with_k_edits_live_only_groups_that_are_asked_about_are_made_live(go, tmp_path):
    go(zsre(tmp_path, 6), asked=1, k=("2", "all"))
    assert [outcome.live for outcome in ends(tmp_path, k="2").values()] == [2]
    assert [outcome.live for outcome in ends(tmp_path).values()] == [6]


def test_a_folder_in_use_is_refused(go, tmp_path):
    with (
        closing(RunFolder(tmp_path / "out")),
        pytest.raises(EvaluationError, match="another process"),
    ):
        go(zsre(tmp_path, 1))


# -- the base model's outcomes -------------------------------------------------------------------


def test_the_base_model_is_asked_once_for_all_methods(go, tmp_path):
    go(zsre(tmp_path, 3), limit=2, out="short")
    model = Told()
    result = go(zsre(tmp_path, 3), model, Unedited(model), k=("1", "all"), out="base")
    assert len(model.asked) == 3  # the third record; the base method asks nothing of its own
    assert result.metrics["reliability"].value == result.metrics["reliability"].base == 0.0
    assert result.metrics["locality"].value == result.metrics["locality"].base == 1.0

    model = Told()
    method = make_method("memory", model)
    result = go(zsre(tmp_path, 3), model, method, out="memory")
    assert len(model.asked) == 6  # two queries of each case are in scope
    for name in ("reliability", "generalization", "locality", "locality.correct", "contradiction"):
        assert result.metrics[name].base is not None, name
    taken_over = read_outcomes(tmp_path / "memory", BASE)
    assert [outcome.case for outcome in taken_over] == ["zsre-1", "zsre-2", "zsre-3"]
    method.close()


def test_another_question_is_another_base(go, tmp_path):
    go(zsre(tmp_path, 1))
    model = Told()
    go(zsre(tmp_path, 1), model, max_tokens=5, out="shorter")
    assert len(model.asked) == 6


def test_what_the_base_model_failed_at_is_tried_again(go, tmp_path):
    go(zsre(tmp_path, 2), Told(trouble={"2 cows": OSError("away")}), out="first")
    model = Told()
    result = go(zsre(tmp_path, 2), model, out="second")
    assert len(model.asked) == 3 + 6
    assert result.metrics["locality.correct"].base == 1.0


def test_a_run_that_goes_on_takes_over_what_the_base_model_did_better(go, tmp_path):
    trouble = {"2 cows": OSError("away")}
    with pytest.raises(KeyboardInterrupt):
        go(zsre(tmp_path, 2), Told(trouble=trouble, at_most=10))
    result = go(zsre(tmp_path, 2))
    assert result.metrics["locality.correct"].base == 1.0
    assert [o.failed for o in read_outcomes(tmp_path / "out", BASE)] == [None, None]


def test_the_base_model_is_judged_on_what_the_method_is_judged_on(go, tmp_path):
    """Neighbours that another live edit may answer count for neither, and at k = 1 for both."""
    records = [zsre_record(0, loc="nq question: which king ruled Vineta?"), zsre_record(1)]
    result = go(written(tmp_path, "zsre_slim", records), k=("1", "all"))
    shown = {k: result.sweep[k]["locality.correct"] for k in ("1", "all")}
    assert (shown["1"].n, shown["1"].base) == (2, 0.5)
    assert (shown["all"].n, shown["all"].base) == (1, 1.0)
    assert not any(o.contested for c in read_outcomes(tmp_path / "out", BASE) for o in c.outputs)


# -- conditions ----------------------------------------------------------------------------------


def answered(prompt: str, *answers: str) -> dict:
    return {"prompt": prompt, "answers": [{"value": value, "aliases": []} for value in answers]}


def ripple_record(*conditions: tuple[str, str]) -> dict:
    """A test for each condition; every one asks who is married to Dahut."""
    tests = [
        {
            "test_queries": [answered(f"Test {n}: the name of Dahut's spouse is", "Ys")],
            "condition_queries": [answered(*condition)],
            "test_condition": "OR",
        }
        for n, condition in enumerate(conditions)
    ]
    return {
        "edit": {
            "prompt": "The name of the spouse of Ys is Dahut.",
            "relation": "SPOUSE",
            "original_fact": {"prompt": "The name of the spouse of Ys is Mark."},
        },
        "Logical_Generalization": tests,
    }


KNOWN, UNKNOWN = ("how many legs have 2 cows", "8"), ("how many legs have 3 cows", "eleven")


def test_conditions_are_asked_of_the_unedited_model(go, tmp_path):
    model = Told()
    data = written(tmp_path, "rippleedits", [ripple_record(KNOWN, UNKNOWN, KNOWN)])
    result = go(data, model)
    assert model.asked.count(KNOWN[0]) == model.asked.count(UNKNOWN[0]) == 1
    [outcome] = ends(tmp_path).values()
    assert [o.conditions_met for o in outcome.outputs] == [None, True, False, True]
    ripple = result.metrics["ripple.logical_generalization"]
    assert (ripple.n, ripple.value, ripple.base) == (2, 1.0, 0.0)
    assert result.metrics["ripple.unconditioned.logical_generalization"].n == 3


def test_a_condition_that_raises_fails_the_base_models_case_alone(go, tmp_path):
    other = ripple_record(KNOWN, UNKNOWN)
    other["edit"]["prompt"] = "The name of the spouse of Vineta is Osric."
    other["edit"]["original_fact"]["prompt"] = "The name of the spouse of Vineta is Mark."
    data = written(tmp_path, "rippleedits", [ripple_record(KNOWN), other])
    result = go(data, Told(trouble={"3 cows": torch.OutOfMemoryError("no")}))
    base = {outcome.case: outcome.failed for outcome in read_outcomes(tmp_path / "out", BASE)}
    assert base == {"rippleedits-1": None, "rippleedits-2": "OutOfMemoryError: no"}
    assert result.cases.failed == 0
    [first, second] = ends(tmp_path).values()
    assert first.outputs[1].conditions_met is True
    assert [o.conditions_met for o in second.outputs] == [None] * 3


# -- progress ------------------------------------------------------------------------------------


def test_progress_ends_where_it_said_also_in_a_run_that_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "CHUNK", 1)
    data = zsre(tmp_path, 4, zsre_record(4, alt=""))
    stages: list[list] = []

    @contextmanager
    def counted(what, total):
        stages.append([what, total, 0])

        def advance(done):
            stages[-1][2] += done

        yield advance

    def go(method):
        made = job(data, method.model, method, k=("1",), alone=6)
        run(made, tmp_path / "out", tmp_path / "shared", counted)

    with pytest.raises(KeyboardInterrupt):
        go(Choosy(Told(at_most=17)))
    assert stages == [["base", 4, 4], ["everything, k=1", 4, 3]]
    stages.clear()
    go(Choosy(Told()))
    assert stages == [["base", 4, 4], ["everything, k=1", 4, 4], ["one at a time", 2, 2]]


# -- the embedded model --------------------------------------------------------------------------


@pytest.mark.real_model
def test_the_embedded_model_with_the_memory(go, tmp_path):
    model = real.smollm2()
    method = make_method("memory", model)
    how = {"kinds": ("edit", "locality"), "max_tokens": 8, "alone": 1}
    result = go(zsre(tmp_path, 4), model, method, k=("1", "all"), **how)
    method.close()
    for k in ("1", "all"):
        figures = result.sweep[k]
        assert figures["reliability"].value >= 0.5 and figures["reliability"].base == 0.0
        assert figures["locality"].value == 1.0 and figures["scope.false_fire"].value == 0.0
        assert figures["zsre.efficacy"].value > figures["zsre.efficacy"].base
    assert result.metrics["byte_identical"].value == 1.0 and result.metrics["kl"].value == 0.0
    assert result.metrics["batch.texts_differ"].value == 0.0
    assert result.metrics["batch.routes_differ"].value == 0.0
    assert result.model.hash and result.model.dtype == "float32"
    assert result.cases.failed == 0
