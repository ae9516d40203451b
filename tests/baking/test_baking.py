"""A bake from beginning to end on a tiny model: verified, recorded, or undone to the last bit."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from memedit.baking.canaries import Harm, Limits
from memedit.baking.select import select
from memedit.baking.undo import unbake
from memedit.baking.verify import ask, wordings
from memedit.baking.weights import BakedWeights
from memedit.edit import Edit
from memedit.errors import BakeError, StoreError, UnknownEditError
from memedit.memory import EditMemory
from tests.baking.learning import ANY, LEARNING
from tests.memory.conftest import HashEncoder
from tests.models.tiny import tiny_chat_model

PATH = "model.layers.1.mlp.down_proj"


def weights(model):
    return {name: w.clone() for name, w in model.engine.model.state_dict().items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def standing(memory):
    return {record.id: record.status for record in memory.list(status="all")}


def never(*_args, **_kwargs):
    raise AssertionError("not to be called")


def replays(*edits):
    return tuple((text, edit.target_new) for edit in edits for text in wordings(edit))


def test_what_verifies_is_baked_and_the_rest_stays_in_memory(memory, model, write):
    before = weights(model)
    report = write("ada", "bob", skip=("bob",))
    assert (report.state, report.why) == ("baked", "")
    assert {o.edit.id: o.what for o in report.outcomes} == {"ada": "baked", "bob": "kept"}
    ada, bob = report.outcomes
    assert [asked.text for asked in ada.asked] == ["Ada plays", "Ada plays what?"]
    assert all(asked.right and "golf" in asked.answer for asked in ada.asked)
    assert "2 of 2 wordings are not answered with 'chess', such as 'Bob plays'" in bob.why
    assert standing(memory) == {"ada": "baked", "bob": "active", "cid": "active"}
    (made,) = memory.bakes()
    assert (made.id, made.base, made.edits) == (report.bake, report.base, 2)
    assert made.figures["harm"]["locality"] == report.harm.locality
    assert "golf" not in str(made)  # what is erased must be gone from here too
    assert not equal(weights(model), before)
    assert "golf" in ask(model, ["Ada plays"])[0]
    unbake(memory, [report.bake], never)
    BakedWeights(model, memory).follow()
    assert equal(weights(model), before)


def test_another_process_gets_the_same_bits(memory, model, write):
    write("ada")
    write("cid", replay=replays(memory.get("ada")))
    other = tiny_chat_model()
    BakedWeights(other, memory).follow()
    assert equal(weights(other), weights(model))
    assert "golf" in ask(other, ["Ada plays"])[0]
    assert "Rome" in ask(other, ["Cid lives in"])[0]


def test_a_dry_run_changes_nothing(memory, model, write, path):
    before, revision = weights(model), memory.revision
    report = write("ada", dry_run=True)
    assert (report.state, report.bake, report.count("baked")) == ("dry run", None, 1)
    assert equal(weights(model), before)
    assert (memory.revision, memory.bakes()) == (revision, [])
    assert not path.with_name("facts.db.bakes").exists()


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"relative": 0.001}, r"relative is \d.*the limit 0\.001"),
        ({"kl": 1e-6}, "kl is"),
        ({"perplexity": 1.0}, "perplexity is"),
        ({"locality": 1.0}, "locality is .* the limit 1"),
    ],
)
def test_a_limit_that_is_passed_gives_the_bake_up(memory, model, write, path, limit, said):
    before, revision = weights(model), memory.revision
    report = write("ada", limits=replace(ANY, **limit))
    assert report.state == "aborted"
    assert re.search(said, report.why)
    assert [o.what for o in report.outcomes] == ["kept"]
    assert equal(weights(model), before)
    assert (memory.revision, memory.bakes()) == (revision, [])
    assert list(path.with_name("facts.db.bakes").glob("*.safetensors")) == []


def test_a_bake_of_nothing_that_verifies_is_given_up(memory, model, write):
    before = weights(model)
    report = write("ada", "bob", skip=("ada", "bob"), replay=(("Hello", "there"),))
    assert (report.state, report.why) == ("aborted", "no edit verified")
    assert report.count("kept") == 2
    assert equal(weights(model), before)


def test_limits_are_checked():
    for wrong in ({"kl": -1.0}, {"locality": 1.5}, {"perplexity": 0.5}, {"relative": float("nan")}):
        (name,) = wrong
        with pytest.raises(BakeError, match=f"{name}: .* is no limit"):
            Limits(**wrong)


def test_what_is_no_number_passes_every_limit():
    fine = Harm(0.1, 0.0, 1.0, 1.0, 9.0, 5)
    assert Limits().tripped(fine) == ANY.tripped(fine) == ""
    for name in ("relative", "kl", "perplexity"):
        broken = replace(fine, **{name: float("nan")})
        assert ANY.tripped(broken) == f"{name} is nan, the limit inf"


def test_what_weights_cannot_hold_is_refused_before_anything_is_computed(memory, write):
    memory.add(
        [
            Edit(id="then", subject="Dan", prompt="{} plays", target_new="go", valid_from="2030"),
            Edit(id="text", statement="Ice melts.", target_new="water", kind="free_text"),
        ]
    )
    report = write("then", "text")
    assert (report.state, report.count("refused")) == ("aborted", 2)
    assert "no edit can be written into weights" in report.why
    assert "weights know no date" in report.outcomes[0].why
    assert "without a prompt" in report.outcomes[1].why
    report = write("ada", "then")
    assert {o.edit.id: o.what for o in report.outcomes} == {"ada": "baked", "then": "refused"}


def test_an_earlier_bake_that_breaks_returns_to_memory(memory, model, write):
    first = write("ada")
    report = write("cid", replay=(("Ada plays", "no idea"),))
    assert {o.edit.id: o.what for o in report.outcomes} == {"cid": "baked", "ada": "returned"}
    assert standing(memory) == {"ada": "active", "bob": "active", "cid": "baked"}
    assert [bake.id for bake in memory.bakes()] == [first.bake, report.bake]


def test_bakes_come_out_in_any_order(memory, model, write):
    before = weights(model)
    first = write("ada")
    only_first = weights(model)
    second = write("cid", replay=replays(memory.get("ada")))
    both = weights(model)
    taken = unbake(memory, [second.bake], never)  # the last one: nothing needs to be asked
    assert (taken.returned, taken.shaken, taken.verified) == (["cid"], (), 0)
    weights_now = BakedWeights(model, memory)
    weights_now.follow()
    assert equal(weights(model), only_first)
    third = write("cid", replay=replays(memory.get("ada")))
    assert equal(weights(model), both)
    taken = unbake(memory, [first.bake], lambda: model)  # below another one: that is asked again
    assert taken.returned == ["ada"]
    assert taken.verified + len(taken.shaken) == 1
    held = "baked" if taken.verified else "active"
    assert standing(memory) == {"ada": "active", "bob": "active", "cid": held}
    assert [bake.id for bake in memory.bakes()] == [third.bake]
    unbake(memory, [third.bake], never)
    weights_now.follow()
    assert equal(weights(model), before)
    assert unbake(memory, [third.bake], never).bakes == []


def test_an_unbaking_that_fails_leaves_the_weights_as_the_store_says(memory, model, write):
    first = write("ada")
    write("cid", replay=replays(memory.get("ada")))
    both = weights(model)

    def interrupted(_what, _done, _of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unbake(memory, [first.bake], lambda: model, watch=interrupted)
    assert equal(weights(model), both)
    assert standing(memory) == {"ada": "baked", "bob": "active", "cid": "baked"}


@pytest.mark.parametrize("at", ["learning", "reading canaries again", "verifying"])
def test_interrupted_everything_is_as_before(memory, model, write, path, at):
    before, revision = weights(model), memory.revision

    def interrupt(what, _done, _of):
        if what == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write("ada", watch=interrupt)
    assert equal(weights(model), before)
    assert (memory.revision, memory.bakes()) == (revision, [])
    assert list(path.with_name("facts.db.bakes").glob("*.safetensors")) == []


def test_a_bake_that_another_process_overtakes_is_undone(memory, model, write, path):
    first = write("ada")
    one = weights(model)

    def overtaken(what, _done, _of):
        if what == "verifying":
            with EditMemory.open(path, encoder=HashEncoder()) as other:
                other.end_bake([first.bake])

    with pytest.raises(StoreError, match="have changed meanwhile"):
        write("cid", watch=overtaken)
    assert standing(memory) == dict.fromkeys(("ada", "bob", "cid"), "active")
    assert equal(weights(model), one)  # until the next question, which follows the store
    BakedWeights(model, memory).follow()
    assert equal(weights(model), weights(tiny_chat_model()))


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_a_lost_delta_returns_its_edits_to_memory(memory, model, write, harm, caplog):
    before = weights(tiny_chat_model())
    first, second = write("ada"), write("cid", replay=replays(memory.get("ada")))
    file = memory.delta_path(first.bake)
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"!")
    other = tiny_chat_model()
    BakedWeights(other, memory).follow()
    assert standing(memory) == dict.fromkeys(("ada", "bob", "cid"), "active")
    assert [b.state for b in memory.bakes(all=True)] == ["lost", "unbaked"]
    assert f"Bake {first.bake} is lost" in caplog.text
    assert file.name in caplog.text and second.bake in caplog.text
    assert "memedit bake" in caplog.text
    assert equal(weights(other), before)


def test_a_lost_delta_in_a_store_that_cannot_be_written(memory, write, path):
    made = write("ada")
    memory.delta_path(made.bake).unlink()
    with (
        EditMemory.open(path, encoder=HashEncoder(), read_only=True) as reader,
        pytest.raises(BakeError, match="delta cannot be read.*for writing once"),
    ):
        BakedWeights(tiny_chat_model(), reader).follow()


def test_a_changed_base_is_refused_with_the_remedy(memory, write):
    write("ada")
    other = tiny_chat_model(seed=1)
    before = weights(other)
    with pytest.raises(BakeError, match=r"have the hash \w+;.*'tiny' with.*unbake --all"):
        BakedWeights(other, memory).follow()
    with pytest.raises(BakeError, match="unbake --all"):
        write("bob", into=other)
    assert equal(weights(other), before)


def test_a_remote_model_is_refused(memory, write):
    remote = FakeListChatModel(responses=["hello"])
    with pytest.raises(BakeError, match="FakeListChatModel has no weights here, so nothing can"):
        write("ada", into=remote)
    BakedWeights(remote, memory).follow()  # nothing is baked
    write("ada")
    with pytest.raises(BakeError, match="are baked into the weights of 'tiny'.*unbake --all"):
        BakedWeights(remote, memory).follow()


def test_weights_that_carry_another_namespace_are_refused(memory, model, write):
    write("ada")
    other = BakedWeights(model, memory.in_namespace("other"))
    with pytest.raises(BakeError, match="carry bakes of another namespace than 'other'"):
        other.follow()
    BakedWeights(tiny_chat_model(), memory.in_namespace("other")).follow()


def test_selecting(memory):
    memory.add(Edit(id="eve", subject="Eve", prompt="{} plays", target_new="go", tags=("games",)))

    def ids(*words, limit=None):
        return [edit.id for edit in select(memory, words, limit)]

    assert ids("all") == ["ada", "bob", "cid", "eve"]
    assert ids("all", limit=2) == ["ada", "bob"]
    assert ids("cid", "ada", "tag:games", "ada") == ["ada", "cid", "eve"]
    assert ids("subject:BOB") == ["bob"]
    assert ids("relation:{} lives in") == ["cid"]
    with pytest.raises(BakeError, match="'tag:none' names no active edit"):
        ids("tag:none")
    memory.retire("bob")
    with pytest.raises(BakeError, match="'bob' is retired, not active"):
        ids("bob")
    with pytest.raises(UnknownEditError):
        ids("nobody")


def test_the_method_itself_failing_leaves_everything(memory, model, write):
    before = weights(model)

    def fails(*_args, **_kwargs):
        raise BakeError("edit 'ada': it cannot be written.")

    with pytest.raises(BakeError, match="cannot be written"):
        write("ada", method=replace(LEARNING, _compute=fails))
    assert equal(weights(model), before)
    assert memory.bakes() == []
