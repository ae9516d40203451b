"""The memory against a model of it in plain dictionaries, under any sequence of mutations."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from memedit.edit import Edit
from memedit.memory import EditMemory

DAYS = [None, *(dt.date(2020, 1, day) for day in (1, 2, 3))]
ALL_DAYS = [dt.date(2019, 12, 31) + dt.timedelta(n) for n in range(5)]
INTERVALS = [(a, b) for a in DAYS for b in DAYS if not (a and b and b <= a)]


@dataclass(frozen=True)
class State:
    edit: Edit | None
    status: str
    superseded_by: str | None = None
    rank: int = 0


def days(edit):
    return {day for day in ALL_DAYS if edit.holds_on(day)}


class Model:
    """What the memory should hold; states of every revision are kept whole."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        self.past: list[dict[str, State]] = [{}]
        self.clock = 0

    def live(self, edit):
        found = [
            (state.rank, edit_id)
            for edit_id, state in self.states.items()
            if state.status == "active" and self.key(state.edit) == self.key(edit)
        ]
        return [edit_id for _, edit_id in sorted(found)]

    @staticmethod
    def key(edit):
        return edit.subject.lower(), edit.prompt

    @staticmethod
    def said(edit):
        return edit.subject, edit.prompt, edit.target_new, edit.valid_from, edit.valid_to

    def make_live(self, edit):
        for other in self.live(edit):
            if other != edit.id and days(self.states[other].edit) <= days(edit):
                self.states[other] = replace(
                    self.states[other], status="superseded", superseded_by=edit.id
                )
        self.clock += 1
        self.states[edit.id] = State(edit, "active", None, self.clock)

    def add(self, edit, keep):
        for other in self.live(edit):
            if self.said(self.states[other].edit) == self.said(edit):
                return other
        covered = [o for o in self.live(edit) if days(self.states[o].edit) <= days(edit)]
        if covered and keep:
            return covered[-1]
        self.make_live(edit)
        return edit.id

    def commit(self, revision):
        """Notes the state if a revision was made; erased words leave the past as well."""
        assert (revision > len(self.past) - 1) == (self.states != self.past[-1])
        if revision > len(self.past) - 1:
            self.past.append(dict(self.states))

    def winners(self, day):
        best = {}
        for edit_id, state in self.states.items():
            if state.status == "active" and state.edit.holds_on(day):
                key = self.key(state.edit)
                best[key] = max(best.get(key, (0, "")), (state.rank, edit_id))
        return {edit_id for _, edit_id in best.values()}


class Machine(RuleBasedStateMachine):
    encoder_class: type

    ids = Bundle("ids")
    words = st.builds(
        lambda subject, prompt, target, interval: {
            "subject": subject,
            "prompt": prompt,
            "target_new": target,
            "valid_from": interval[0],
            "valid_to": interval[1],
        },
        st.sampled_from(["Ada", "ada", "Bob"]),
        st.sampled_from(["{} plays", "{} lives in"]),
        st.sampled_from(["golf", "chess", "Rome"]),
        st.sampled_from(INTERVALS),
    )

    def __init__(self) -> None:
        super().__init__()
        self.memory = EditMemory.open(":memory:", encoder=self.encoder_class())
        self.model = Model()
        self.count = 0

    def teardown(self) -> None:
        self.memory.close()

    def edit(self, words):
        self.count += 1
        return Edit(id=f"e{self.count}", namespace="default", **words)

    @rule(target=ids, batch=st.lists(words, min_size=1, max_size=3), keep=st.booleans())
    def add(self, batch, keep):
        edits = [self.edit(words) for words in batch]
        got = self.memory.add(edits, on_conflict="keep" if keep else "supersede")
        assert got == [self.model.add(edit, keep) for edit in edits]
        self.model.commit(self.memory.revision)
        return multiple(*(edit.id for edit in edits if edit.id in self.model.states))

    @rule(edit_id=ids, words=words)
    def update(self, edit_id, words):
        state = self.model.states.get(edit_id)
        if state is None or state.edit is None:
            return
        changed = state.edit.changed(**words)
        assert self.memory.update(edit_id, **words) == changed
        if changed != state.edit and state.status == "active":
            self.model.make_live(changed)
        elif changed != state.edit:
            self.model.states[edit_id] = replace(state, edit=changed)
        self.model.commit(self.memory.revision)

    @rule(target=ids, edit_id=ids, words=words)
    def supersede(self, edit_id, words):
        state = self.model.states.get(edit_id)
        if state is None or state.status != "active":
            return multiple()
        edit = self.edit(words)
        got = self.memory.supersede(edit_id, edit)
        assert got == self.model.add(edit, keep=False)
        state = self.model.states[edit_id]
        if got != edit_id and state.status == "active":
            self.model.states[edit_id] = replace(state, status="superseded", superseded_by=got)
        self.model.commit(self.memory.revision)
        return multiple(*([edit.id] if edit.id in self.model.states else []))

    @rule(edit_ids=st.lists(ids, max_size=3))
    def retire(self, edit_ids):
        known = [i for i in edit_ids if getattr(self.model.states.get(i), "edit", None)]
        active = {i for i in known if self.model.states[i].status == "active"}
        assert self.memory.retire(known) == len(active)
        for edit_id in active:
            self.model.states[edit_id] = replace(self.model.states[edit_id], status="retired")
        self.model.commit(self.memory.revision)

    @rule(edit_id=ids)
    def restore(self, edit_id):
        state = self.model.states.get(edit_id)
        if state is None or state.edit is None:
            return
        out = state.status in ("retired", "superseded")
        assert self.memory.restore(edit_id) == out
        if out:
            self.model.make_live(state.edit)
        self.model.commit(self.memory.revision)

    @rule(edit_id=consumes(ids))
    def erase(self, edit_id):
        state = self.model.states.get(edit_id)
        if edit_id not in {e.edit_id for e in self.memory.history()}:
            return
        erased = state is not None and state.status == "erased"
        assert self.memory.erase(edit_id) == (not erased)
        self.model.states[edit_id] = State(None, "erased")
        self.model.commit(self.memory.revision)

    @rule(back=st.integers(0, 6))
    def rollback(self, back):
        revision = max(0, len(self.model.past) - 1 - back)
        self.memory.rollback(revision)
        erased = {i: s for i, s in self.model.states.items() if s.status == "erased"}
        self.model.states = {**self.model.past[revision], **erased}
        self.model.commit(self.memory.revision)

    @invariant()
    def same_states(self):
        records = {record.id: record for record in self.memory.list(status="all")}
        assert {i: (r.edit, r.status, r.superseded_by) for i, r in records.items()} == {
            i: (s.edit, s.status, s.superseded_by) for i, s in self.model.states.items()
        }
        active = {i for i, state in self.model.states.items() if state.status == "active"}
        assert {record.id for record in self.memory.list()} == active
        assert len(self.memory) == len(active)
        assert {record.id for record in self.memory.changes(0).records} == active

    @invariant()
    def same_winners(self):
        for day in ALL_DAYS:
            got = {record.id for record in self.memory.list(as_of=day)}
            assert got == self.model.winners(day)

    @invariant()
    def history_leads_here(self):
        events = self.memory.history()
        last = {}
        for event in events:
            before = last.get(event.edit_id)
            erased = self.model.states.get(event.edit_id, State(None, "")).status == "erased"
            if before is not None and not erased:
                assert (event.before, event.status_before) == (before.after, before.status_after)
            last[event.edit_id] = event
        for edit_id, state in self.model.states.items():
            assert (last[edit_id].after, last[edit_id].status_after) == (state.edit, state.status)
        assert [e.revision for e in events] == sorted(e.revision for e in events)
        assert len({(e.revision, e.edit_id) for e in events}) == len(events)

    @invariant()
    def index_follows(self):
        active = self.memory.list()
        query = np.eye(1, 16, dtype=np.float32)[0]
        hits = dict(self.memory.nearest(query, 100))
        vectors = self.memory.encoder.encode([record.edit.stated for record in active])
        assert set(hits) == {record.id for record in active}
        assert np.allclose([hits[r.id] for r in active], vectors @ query, atol=1e-5)


def test_memory_is_its_model(make_encoder):
    machine = type("MemoryMachine", (Machine,), {"encoder_class": make_encoder})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None)
    )
