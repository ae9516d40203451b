from __future__ import annotations

import time

import pytest

from memedit.edit import Edit
from memedit.errors import EvaluationError
from memedit.evaluate.cases import Case, Query
from memedit.evaluate.judging import Work
from memedit.evaluate.protocols import Failure, Protocol, grouped
from tests.evaluate.running import Everything, Told, suite, zsre


@pytest.fixture
def cases(tmp_path):
    return list(zsre(tmp_path, 4))


def protocol(method, *, conditions=None, done=()) -> Protocol:
    def none(case):
        return [None] * len(case.queries)

    return Protocol(method, suite(), conditions or none, lambda *key: key in done)


def lived(work: Work) -> list[set[str]]:
    """Which edits stood before each query."""
    return [{edit.id for edit in plan.edits} for plan in work.plans]


# -- groups --------------------------------------------------------------------------------------


def numbered(n: int) -> list[Case]:
    return [Case(str(i), (), ()) for i in range(n)]


def test_all_cases_live_together_in_their_own_order():
    cases = numbered(7)
    assert grouped(cases, "all", 0) == grouped(cases, "100", 3) == grouped(cases, "7", 5) == [cases]


@pytest.mark.parametrize(("k", "sizes"), [("1", [1] * 7), ("3", [3, 3, 1]), ("6", [6, 1])])
def test_k_at_a_time_each_case_once(k, sizes):
    cases = numbered(7)
    groups = grouped(cases, k, 0)
    assert [len(group) for group in groups] == sizes
    assert sorted(case.id for group in groups for case in group) == [case.id for case in cases]


def test_the_seed_decides_who_lives_together():
    cases = numbered(7)
    assert grouped(cases, "3", 1) == grouped(cases, "3", 1) != grouped(cases, "3", 2)
    assert cases == numbered(7)  # the caller's list is not shuffled


def test_no_cases_are_one_empty_group():
    assert grouped([], "1", 0) == grouped([], "all", 0) == [[]]
    assert list(protocol(Everything(Told())).batch([])) == []


# -- batch ---------------------------------------------------------------------------------------


def test_a_batch_asks_with_every_edit_of_its_group_live(cases):
    method = Everything(Told())
    steps = protocol(method).batch(cases[:3])
    works = next(steps)
    assert [work.case for work in works] == cases[:3]
    for work in works:
        assert lived(work) == [{"zsre-1", "zsre-2", "zsre-3"}] * 3
        assert [query.kind for query in work.queries] == ["edit", "rephrase", "locality"]
        assert work.after == "end" and work.edit_seconds > 0
    assert method.state() == "zsre-1,zsre-2,zsre-3"
    assert list(steps) == []
    assert method.state() == ""


def test_what_is_done_is_not_asked_again_but_lives(cases):
    method = Everything(Told())
    steps = protocol(method, done={("zsre-1", "end")}).batch(cases[:2])
    [work] = next(steps)
    assert work.case.id == "zsre-2" and lived(work)[0] == {"zsre-1", "zsre-2"}


def test_a_finished_group_is_not_even_applied(cases):
    method = Everything(Told())
    method.apply = None
    done = {(case.id, after) for case in cases for after in ("own", "end")}
    assert list(protocol(method, done=done).batch(cases)) == []
    assert list(protocol(method, done=done).sequential(cases)) == []


# -- sequential ----------------------------------------------------------------------------------


def test_in_sequence_each_is_asked_after_its_own_edits_and_all_at_the_end(cases):
    method = Everything(Told())
    steps = protocol(method).sequential(cases[:3])
    for n in (1, 2, 3):
        [work] = next(steps)
        assert (work.case, work.after) == (cases[n - 1], "own")
        assert [query.kind for query in work.queries] == ["edit", "rephrase"]
        assert lived(work) == [{f"zsre-{i}" for i in range(1, n + 1)}] * 2
    end = next(steps)
    assert [work.after for work in end] == ["end"] * 3
    assert [work.case for work in end] == cases[:3]
    for work in end:
        assert lived(work) == [{"zsre-1", "zsre-2", "zsre-3"}] * 3
        assert work.edit_seconds > 0
    assert list(steps) == []
    assert method.state() == ""


def test_in_sequence_several_cases_may_be_edited_together(cases):
    method = Everything(Told())
    steps = Protocol(
        method,
        suite(protocol="sequential", batch_size=2),
        lambda case: [None] * 3,
        lambda *_: False,
    ).sequential(cases[:3])
    planned = [[(work.case.id, work.after, work.live) for work in step] for step in steps]
    assert planned == [
        [("zsre-1", "own", 2), ("zsre-2", "own", 2)],
        [("zsre-3", "own", 3)],
        [("zsre-1", "end", 3), ("zsre-2", "end", 3), ("zsre-3", "end", 3)],
    ]
    assert method.state() == ""


def test_what_a_method_refuses_beforehand_is_never_applied(cases):
    class Choosy(Everything):
        def refusals(self, edits):
            return {edit.id: "no Vineta" for edit in edits if edit.subject == "Vineta"}

    method = Choosy(Told())
    [works] = protocol(method).batch(cases[:3])
    assert [type(work) for work in works] == [Work, Failure, Work]
    assert works[1].outcome.failed == "its edit was refused: no Vineta"
    assert lived(works[0])[0] == {"zsre-1", "zsre-3"}
    [works] = protocol(method).batch(cases[1:2])
    assert [type(work) for work in works] == [Failure]


def test_what_was_done_ahead_is_charged_to_its_edits(cases):
    class Early(Everything):
        def ahead(self, edits):
            self.early = [edit.subject for edit in edits]
            time.sleep(0.2)

    method = Early(Told())
    ways = protocol(method)
    ways.ahead([cases[:1], cases[1:2], cases[2:4]])
    assert method.early == ["Ys", "Vineta"]  # two that live together are not alone
    [[one]], [[other]], [late] = (
        list(ways.batch(group)) for group in (cases[:1], cases[1:2], cases[2:4])
    )
    assert one.edit_seconds > 0.1 and other.edit_seconds > 0.1
    assert all(work.edit_seconds < 0.1 for work in late)


def test_a_sequence_that_was_stopped_applies_all_and_asks_the_rest(cases):
    done = {("zsre-1", "own"), ("zsre-2", "own"), ("zsre-1", "end")}
    steps = list(protocol(Everything(Told()), done=done).sequential(cases[:3]))
    assert [[(w.case.id, w.after) for w in step] for step in steps] == [
        [],
        [],
        [("zsre-3", "own")],
        [("zsre-2", "end"), ("zsre-3", "end")],
    ]
    assert lived(steps[2][0])[0] == {"zsre-1", "zsre-2", "zsre-3"}


def test_an_edit_that_two_cases_make_is_applied_once():
    edit = Edit(id="e", subject="Ys", question="Who rules Ys?", target_new="Dahut")
    twins = [Case(name, (edit,), (Query("Who?", "edit", ("Dahut",)),)) for name in "ab"]
    method = Everything(Told())
    for steps in (protocol(method).sequential(twins), protocol(method).batch(twins)):
        for planned in steps:
            assert method.state() == "e"
            assert all(isinstance(work, Work) for work in planned)


def test_what_is_contested_in_sequence_is_what_lives_by_then():
    def made(town, other):
        edit = Edit(id=town, subject=town, question=f"Who rules {town}?", target_new="Mark")
        return Case(town, (edit,), (Query(f"Who rules {other}?", "locality", ("Ann",)),))

    steps = protocol(Everything(Told())).sequential([made("Ys", "Vineta"), made("Vineta", "Ys")])
    found = [[(work.contested, work.live) for work in step] for step in steps]
    assert found == [[([], 1)], [([], 2)], [([True], 2), ([True], 2)]]


# -- reverting -----------------------------------------------------------------------------------


class Stuck(Everything):
    def revert(self) -> None:
        self._edits = self._edits[:1]


def test_a_method_that_does_not_revert_is_refused(cases):
    for way in ("batch", "sequential"):
        steps = getattr(protocol(Stuck(Told())), way)(cases)
        with pytest.raises(EvaluationError, match=r"'everything': after the revert"):
            list(steps)


def test_a_sequence_that_is_abandoned_reverts(cases):
    method = Everything(Told())
    steps = protocol(method).sequential(cases)
    next(steps), next(steps)
    steps.close()
    assert method.state() == ""


# -- what fails ----------------------------------------------------------------------------------


class Picky(Everything):
    """Takes no edit about Vineta, and plans no query about Kitezh."""

    def __init__(self, model) -> None:
        super().__init__(model)
        self.calls = 0

    def apply(self, edits) -> None:
        self.calls += 1
        if any(edit.subject == "Vineta" for edit in edits):
            raise ValueError("not  Vineta\nplease")
        super().apply(edits)

    def plan(self, queries):
        if any("was Kitezh" in query for query in queries):
            raise torch_out_of_memory()
        return super().plan(queries)


def torch_out_of_memory() -> Exception:
    import torch

    return torch.OutOfMemoryError("none left")


def test_a_refused_edit_and_an_unplanned_query_fail_their_cases_alone(cases):
    method = Picky(Told())
    [works] = protocol(method).batch(cases)
    ys, vineta, kitezh, lyonesse = works
    assert isinstance(vineta, Failure) and isinstance(kitezh, Failure)
    assert vineta.outcome.failed == "its edit was refused: ValueError: not Vineta please"
    assert kitezh.outcome.failed == "OutOfMemoryError: none left"
    for failure in (vineta, kitezh):
        assert [output.text for output in failure.outcome.outputs] == ["", "", ""]
        assert failure.outcome.outputs[0].answers and failure.outcome.edits == 1
    for work in (ys, lyonesse):
        assert lived(work) == [{"zsre-1", "zsre-3", "zsre-4"}] * 3
    assert method.calls == 5  # all four, two and two, one and one


def test_a_refusal_is_forgotten_with_its_group(cases):
    method = Picky(Told())
    ways = protocol(method)
    assert isinstance(next(ways.batch(cases[1:2]))[0], Failure)
    method.apply = Everything(method.model).apply  # from now on it takes everything
    assert isinstance(next(ways.batch(cases[1:2]))[0], Work)


def test_in_sequence_a_refused_edit_fails_both_tests_of_its_case(cases):
    steps = list(protocol(Picky(Told())).sequential(cases[:2]))
    failures = [w.outcome for step in steps for w in step if isinstance(w, Failure)]
    assert [(o.case, o.after) for o in failures] == [("zsre-2", "own"), ("zsre-2", "end")]
    assert [len(o.outputs) for o in failures] == [2, 3]
    assert lived(steps[2][0])[0] == {"zsre-1"}


def test_conditions_that_cannot_be_answered_fail_their_case_alone(cases):
    def conditions(case):
        if case.id == "zsre-2":
            raise MemoryError
        return [None, True, False]

    [works] = protocol(Everything(Told()), conditions=conditions).batch(cases[:3])
    assert [type(work) for work in works] == [Work, Failure, Work]
    assert works[0].conditions_met == [None, True, False]
    assert works[1].outcome.failed == "MemoryError: no message"


def test_a_failed_case_still_says_which_queries_are_contested():
    edits = [
        Edit(id=town, subject=town, question=f"Who rules {town}?", target_new="Mark")
        for town in ("Ys", "Vineta")
    ]
    asked = (Query("Who rules Ys?", "locality"), Query("Is it?", "locality"))
    cases = [Case(edit.id, (edit,), asked) for edit in edits]
    [[_, failure]] = protocol(Picky(Told())).batch(cases)
    assert [output.contested for output in failure.outcome.outputs] == [True, False]
