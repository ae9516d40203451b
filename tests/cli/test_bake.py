"""The commands of baking, on a tiny model that learns what it is told."""

from __future__ import annotations

import json
import warnings

import pytest
import torch
from peft import PeftModel

from tests.baking.learning import LEARNING, Settings
from tests.models.tiny import tiny_chat_model, tiny_network

LIMITS = (
    "--max-relative=inf", "--max-kl=inf", "--max-perplexity=inf", "--min-locality=0",
)  # fmt: skip


@pytest.fixture
def bake(cli, monkeypatch):
    """``memedit bake`` with a tiny model and a method that learns the edits it is to learn."""
    from memedit import bake
    from memedit.models import load

    cli.add("--subject", "Ada", "--prompt", "{} plays", "--target", "golf", "--tag", "games")
    cli.add("--subject", "Bob", "--prompt", "{} plays", "--target", "chess")
    monkeypatch.setattr(load, "load_local_model", lambda name: tiny_chat_model())
    monkeypatch.setattr(bake, "get_method", lambda name: LEARNING)
    monkeypatch.setattr(bake, "load_settings", lambda name, network, source: Settings())

    def run(*words, limits=LIMITS, **settings):
        return cli("bake", *words, *limits, **settings)

    return run


def test_a_bake_its_listing_and_its_end(cli, bake):
    done = bake("--select", "tag:games")
    assert done.exit_code == 0, done.output
    assert "Ada plays golf." in done.stdout and "2/2" in done.stdout
    assert "nats a token" in done.stdout
    assert "on record" not in done.stderr
    [made] = cli.json("bakes")
    assert f"Bake {made['id']}: 1 baked. Undo it with: memedit unbake {made['id']}" in done.stdout
    assert (made["method"], made["state"], made["edits"]) == ("learning", "live", 1)
    [baked] = cli.json("list", "--status", "baked")
    assert (baked["edit"]["subject"], baked["bake"]) == ("Ada", made["id"])
    assert [record["edit"]["subject"] for record in cli.json("list")] == ["Bob"]
    assert f"baked in {made['id']}" in cli.ok("show", baked["id"])
    assert "in the weights by" in cli.ok("show", baked["id"])
    assert json.loads(cli.ok("export", "--status", "baked"))["subject"] == "Ada"
    assert "1 more are baked" in " ".join(cli("export").stderr.split())
    assert f"memedit unbake {made['id']}" in cli.fails("retire", baked["id"])
    assert "live" in cli.ok("bakes")
    out = cli.ok("unbake", made["id"])
    assert f"Took out {made['id']}: memory answers 1 of its edits again." in out
    assert cli.json("bakes") == []
    assert [bake["state"] for bake in cli.json("bakes", "--all")] == ["unbaked"]
    assert len(cli.json("list")) == 2
    assert "None of these is live" in cli("unbake", made["id"]).stderr


def test_json_says_what_became_of_every_edit(cli, bake):
    done = bake("--select", "all", "--limit", "1", "--dry-run", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["state"], told["bake"]) == ("dry run", None)
    [edit] = told["edits"]
    assert (edit["outcome"], [asked["right"] for asked in edit["asked"]]) == ("baked", [True, True])
    assert told["harm"].keys() >= {"relative", "kl", "perplexity", "locality"}
    assert cli.json("bakes") == []


def test_a_guard_gives_up_with_one_sentence(cli, bake):
    done = bake("--select", "all", "--max-relative=0.001", limits=())
    assert done.exit_code == 1
    said = " ".join(done.stderr.split())
    assert "Given up: relative is" in said and "the limit 0.001" in said
    assert cli.json("bakes") == []


def test_interrupted(cli, bake, monkeypatch):
    from memedit.baking import make

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(make, "verify", interrupted)
    done = bake("--select", "all")
    assert done.exit_code == 130
    assert "The weights and the store are as they were." in " ".join(done.stderr.split())
    assert len(cli.json("list")) == 2


def test_what_cannot_be_baked_is_said(cli, bake):
    cli.ok("list")
    assert bake().exit_code == 2  # nothing is selected
    for words, said in (
        (("--select", "tag:none"), "'tag:none' names no active edit"),
        (("--select", "all", "--model", "openai:gpt"), "behind a server"),
        (("--select", "all", "--max-kl=-1"), "kl: -1.0 is no limit"),
    ):
        done = bake(*words, limits=())
        assert done.exit_code == 1
        assert said in " ".join(done.stderr.split())
    assert "no bake 'x'" in cli.fails("unbake", "x")
    assert cli("unbake").exit_code == 2
    assert "Nothing is baked." in cli("bakes").stderr


def test_a_missing_delta_file_is_named_with_the_remedy(cli, bake):
    from memedit.doctor import examine

    assert bake("--select", "all").exit_code == 0
    [made] = cli.json("bakes")
    [file] = cli.store.with_name(f"{cli.store.name}.bakes").glob("*.safetensors")
    file.unlink()
    assert "its delta file is missing" in cli.ok("bakes")
    [check] = [check for check in examine(cli.store) if check.name == "bakes"]
    assert check.state == "wrong" and file.name in check.found
    assert f"memedit unbake {made['id']}" in check.remedy
    cli.ok("unbake", made["id"])
    assert len(cli.json("list")) == 2


def test_what_is_baked_is_written_as_an_adapter(cli, bake, tmp_path):
    assert "has none" in cli.fails("adapter", str(tmp_path / "a"))
    for number, tag in enumerate(("subject:Ada", "subject:Bob"), start=1):
        assert bake("--select", tag).exit_code == 0
        folder = tmp_path / str(number)
        out = " ".join(cli.ok("adapter", str(folder)).split())
        made = [bake["id"] for bake in cli.json("bakes")]
        assert len(made) == number
        assert f"Wrote {', '.join(made)} to" in out and "PeftModel.from_pretrained" in out
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)  # PEFT's own
            changed = PeftModel.from_pretrained(tiny_network(), folder)
        text = torch.tensor([[1, 2, 3]])
        with torch.no_grad(), changed.disable_adapter():
            own = changed(text).logits
        assert not torch.equal(changed(text).logits, own)
        source = json.loads((folder / "delta.json").read_text())
        assert len(source["edits"]) == number
    assert [made["id"] for made in cli.json("adapter", str(tmp_path / "3"))] == [
        made["id"] for made in cli.json("bakes")
    ]
