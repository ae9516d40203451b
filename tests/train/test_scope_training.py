"""`memedit train scope` from end to end, on a few records and for a few steps."""

from __future__ import annotations

import json

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from typer.testing import CliRunner

from memedit import Edit, EditedModel, EditMemory
from memedit.cli.train import app
from memedit.evaluate.cases import Query
from memedit.scope.matcher import Matcher
from memedit.train import names as name_pairs
from memedit.train import sources, wordings
from memedit.train.names import NamePair, name_for_fitting
from memedit.train.scope import name_items
from memedit.train.sources import Record
from memedit.train.wordings import Relation

RELATIONS = {
    "home": ("{} lives in", "Where does {} live?", ("Rome", "Oslo")),
    "trade": ("{} works as a", "What does {} do for a living?", ("smith", "baker")),
    "tongue": ("{} speaks", "Which language does {} speak?", ("Irish", "Welsh")),
}
PEOPLE = ("Ada Loom", "Bo Carr", "Cy Dell", "Di Eames", "Ed Fynn", "Flo Gale")


def records():
    return [
        Record(
            "mquake",
            "mquake",
            f"{relation}{place}",
            Edit(subject=person, prompt=prompt, target_new=targets[place % 2]),
            relation,
            (
                Query(prompt.format(person), "edit", answers=(targets[0],), fires=True),
                Query(question.format(person), "rephrase", answers=(targets[0],), fires=True),
                Query(question.format(person.split()[0]), "alias", answers=("x",), fires=True),
            ),
            dev=False,
        )
        for relation, (prompt, question, targets) in RELATIONS.items()
        for place, person in enumerate(PEOPLE)
    ]


def bank():
    return [
        Relation("bank", name, [f"The {name} of it is", f"What is its {name}?"],
                 [f"The {name} of it is"], ["x", "y"])
        for name in ("anthem", "mayor", "river", "sister", "colour", "coach")
    ]  # fmt: skip


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "read", lambda data: records())
    pairs = [NamePair(p.split()[0], p, True, "alias") for p in PEOPLE]
    monkeypatch.setattr(name_pairs, "name_pairs", lambda *args, **kwargs: pairs)
    monkeypatch.setattr(wordings, "bank", bank)
    words = ["scope", "--data", str(tmp_path), "--out", str(tmp_path / "matcher"), "--steps", "2"]

    def run(*more):
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*words, *more])

    return run


def test_what_it_writes_is_what_the_product_reads(train, tmp_path):
    done = train("--json")
    assert done.exit_code == 0, done.output
    about = json.loads(done.stdout)
    assert about["records"] == {"mquake": 18}
    assert set(about["decision"]["forms"]) == {"question", "cloze", "text"}
    with EditMemory.open(tmp_path / "e.db") as memory:
        memory.add(Edit(subject="Ada Loom", prompt="{} lives in", target_new="Bern"))
        model = EditedModel(
            FakeListChatModel(responses=["?"]), memory, matcher=tmp_path / "matcher"
        )
        [candidate] = model.route("Where does Ada Loom live?").candidates
        assert candidate.features["cohort_top"] > 0
        weights = (tmp_path / "matcher" / "adapter_model.safetensors").stat().st_mtime_ns
    assert train().exit_code == 0
    again = (tmp_path / "matcher" / "adapter_model.safetensors").stat().st_mtime_ns
    assert again == weights  # what has been trained is not trained again


def test_nothing_to_learn_from_is_one_sentence(train):
    done = train("--without", "mquake")
    assert done.exit_code == 1
    assert "no record is left" in " ".join(done.output.split())


def test_names_kept_for_the_weights_are_not_learnt():
    pairs = [NamePair("x", f"Name {n}", True, "alias") for n in range(40)]
    learnt = {item.edit for item in name_items(pairs)}
    kept = {pair.name for pair in pairs if name_for_fitting(pair.name)}
    assert learnt and kept and learnt.isdisjoint(kept)
    assert learnt | kept == {pair.name for pair in pairs}


def test_a_matcher_without_its_cohort_is_refused(train, tmp_path):
    from memedit.errors import EncoderError
    from memedit.scope.encoder import load_encoder

    assert train().exit_code == 0
    (tmp_path / "matcher" / "cohort.safetensors").unlink()
    with pytest.raises(EncoderError, match="cohort.*memedit train scope"):
        _ = Matcher.load(tmp_path / "matcher", load_encoder()).cohort
