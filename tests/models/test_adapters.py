from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from langchain_core.messages import HumanMessage
from peft import LoraConfig, get_peft_model

from memedit.errors import ModelError
from memedit.models.adapters import CARD_FILE, read_card
from memedit.models.fingerprint import base_fingerprint
from memedit.models.prompts import prompt_hash
from memedit.models.roles import Role
from tests.models.tiny import tiny_chat_model, tiny_network

# PEFT asks transformers for an attribute by its former name while it wraps a model.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

QUESTION = [HumanMessage("Who?")]


def lora(folder, *, seed=1, network=None, base="tiny", **options):
    """A LoRA adapter with random weights that changes answers, saved as PEFT saves it."""
    network = network or tiny_network()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LoraConfig(
            r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False,
            task_type="CAUSAL_LM", **options,
        )  # fmt: skip
        get_peft_model(network, config).save_pretrained(folder)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": base}))
    return folder


def with_card(folder, network, **changes):
    """The folder with the card that memedit writes beside an adapter made for ``network``."""
    card = {
        "role": "counterfactual",
        "prompt": "counterfactual_adapter",
        "prompt_hash": prompt_hash("counterfactual_adapter"),
        "base": {"name": "tiny", "fingerprints": [base_fingerprint(network)]},
        "weights": "0123456789abcdef",
    }
    (folder / CARD_FILE).write_text(json.dumps({**card, **changes}))
    return folder


def test_an_adapter_answers_and_the_plain_model_stays_itself(tiny, tmp_path):
    never = tiny_chat_model(max_tokens=12)
    before = tiny.token_ids_and_scores(QUESTION)
    adapted = tiny.load_adapter(lora(tmp_path / "a"), "a")
    other = tiny.load_adapter(lora(tmp_path / "b", seed=2), "b")

    changed = adapted.token_ids_and_scores(QUESTION)
    assert not torch.equal(changed[1][0], before[1][0])
    assert not torch.equal(other.token_ids_and_scores(QUESTION)[1][0], changed[1][0])
    for plain in (tiny, adapted.with_adapter(None), never):
        ids, logits = plain.token_ids_and_scores(QUESTION)
        assert ids == before[0]
        assert torch.equal(logits, before[1])
    assert torch.equal(adapted.token_ids_and_scores(QUESTION)[1], changed[1])
    assert adapted.score(["a"], ["b"]) != tiny.score(["a"], ["b"])
    assert tiny.score(["a"], ["b"]) == never.score(["a"], ["b"])


def test_loading_says_nothing(tiny, tmp_path, caplog, capfd, monkeypatch):
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)  # to caplog
    for name in ("a", "b"):
        tiny.load_adapter(lora(tmp_path / name), name)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_second_adapter_leaves_the_first_as_it_was(tiny, tmp_path):
    first = tiny.load_adapter(lora(tmp_path / "a"), "a")
    ids, logits = first.token_ids_and_scores(QUESTION)
    tiny.load_adapter(lora(tmp_path / "b", seed=2), "b")
    assert first.token_ids_and_scores(QUESTION)[0] == ids
    assert torch.equal(first.token_ids_and_scores(QUESTION)[1], logits)


def test_the_raw_network_is_plain_outside_a_call(tiny, tmp_path):
    ids = torch.tensor([tiny.prompt_ids(QUESTION)])
    network = tiny.engine.model
    with torch.inference_mode():
        before = network(ids).logits
        tiny.load_adapter(lora(tmp_path / "a"), "a").invoke(QUESTION)
        assert torch.equal(network(ids).logits, before)
        with tiny.engine.using("a"):
            assert not torch.equal(network(ids).logits, before)
            with tiny.engine.using(None):
                assert torch.equal(network(ids).logits, before)
            assert not torch.equal(network(ids).logits, before)
        assert torch.equal(network(ids).logits, before)


def test_adapters_do_not_leak_between_concurrent_requests(tiny, tmp_path):
    models = [
        tiny,
        tiny.load_adapter(lora(tmp_path / "a"), "a"),
        tiny.load_adapter(lora(tmp_path / "b", seed=2), "b"),
    ]
    expected = [model.invoke(QUESTION).content for model in models]
    assert len(set(expected)) == 3
    start = threading.Barrier(6)

    def ask(number):
        start.wait()
        model = models[number % 3]
        plain = [model.invoke(QUESTION).content for _ in range(5)]
        streamed = ["".join(c.content for c in model.stream(QUESTION)) for _ in range(5)]
        return {*plain, *streamed}

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert answers == [{expected[number % 3]} for number in range(6)]


def test_a_role_answers_with_its_adapter(tiny, tmp_path):
    adapted = tiny.load_adapter(lora(tmp_path / "a"), "a")
    role = Role("counterfactual", "counterfactual", adapter="a")
    assert role.model(tiny).invoke(QUESTION).content == adapted.invoke(QUESTION).content


def test_an_adapter_for_another_base_is_refused_by_name(tiny, tmp_path):
    tiny.engine.model.config._name_or_path = "/models/tiny"
    assert tiny.load_adapter(lora(tmp_path / "same", base="owner/tiny"), "same")
    with pytest.raises(
        ModelError, match=r"made for the base 'owner/other', not for '/models/tiny'"
    ):
        tiny.load_adapter(lora(tmp_path / "other", base="owner/other"), "other")


def test_an_adapter_for_another_base_is_refused_by_shape(tiny, tmp_path):
    before = tiny.token_ids_and_scores(QUESTION)
    wide = lora(tmp_path / "wide", network=tiny_network(hidden=48), base="")
    with pytest.raises(ModelError, match="this model's layer is"):
        tiny.load_adapter(wide, "wide")
    assert tiny.engine.adapters == ()
    assert torch.equal(tiny.token_ids_and_scores(QUESTION)[1], before[1])


def test_an_adapter_for_layers_that_are_not_there_is_refused(tiny, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = lora(tmp_path / "a")
    file = folder / "adapter_model.safetensors"
    renamed = {k.replace("layers.1", "layers.7"): v for k, v in load_file(file).items()}
    save_file(renamed, file)
    with pytest.raises(ModelError, match=r"layers\.7.*which this model does not have"):
        tiny.load_adapter(folder, "a")


def test_only_what_can_be_switched_off_is_taken(tiny, tmp_path):
    with pytest.raises(ModelError, match="not a plain LoRA adapter"):
        tiny.load_adapter(lora(tmp_path / "bias", bias="lora_only"), "bias")
    folder = lora(tmp_path / "a")
    config = folder / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "peft_type": "IA3"}))
    with pytest.raises(ModelError, match="peft_type 'IA3'"):
        tiny.load_adapter(folder, "a")
    config.write_text("{")
    with pytest.raises(ModelError, match="not valid JSON"):
        tiny.load_adapter(folder, "a")


def test_names_and_folders_are_checked(tiny, tmp_path):
    with pytest.raises(ModelError, match=r"has no adapter_config\.json"):
        tiny.load_adapter(tmp_path, "a")
    folder = lora(tmp_path / "a")
    tiny.load_adapter(folder, "a")
    for name in ("a", "a.b", ""):
        with pytest.raises(ModelError, match="taken or not a name"):
            tiny.load_adapter(folder, name)
    with pytest.raises(ModelError, match="Loaded are: a"):
        tiny.with_adapter("b")


def test_with_a_card_the_weights_decide_and_not_the_name(tiny, tmp_path):
    network = tiny.engine.model
    network.config._name_or_path = "/models/tiny"
    folder = with_card(lora(tmp_path / "a", base="owner/other"), network)
    assert tiny.load_adapter(folder, "a")
    assert read_card(folder).fits(network)  # also with the adapter beside the weights
    other = tiny_chat_model(seed=1)
    before = other.token_ids_and_scores(QUESTION)
    with pytest.raises(ModelError, match="made for other weights than this model's") as refused:
        other.load_adapter(folder, "a")
    assert "memedit train counterfactual --model NAME" in refused.value.hint
    assert torch.equal(other.token_ids_and_scores(QUESTION)[1], before[1])


def test_a_base_is_told_by_any_of_its_weights_and_not_by_its_number_format():
    network = tiny_network()
    name = base_fingerprint(network)
    assert name == base_fingerprint(tiny_network()) != base_fingerprint(tiny_network(seed=1))
    assert base_fingerprint(network.to(torch.bfloat16)) == name
    half = base_fingerprint(tiny_network(), as_format=torch.float16)
    assert half == base_fingerprint(tiny_network().to(torch.float16))
    with torch.no_grad():
        network.model.norm.weight[3] += 0.5
    assert base_fingerprint(network) != name


def test_a_card_that_cannot_be_used_is_refused(tiny, tmp_path):
    network = tiny.engine.model
    folder = with_card(lora(tmp_path / "a"), network, prompt_hash="another")
    with pytest.raises(ModelError, match="trained on other words than prompt 'counterfactual_ada"):
        tiny.load_adapter(folder, "a")
    with pytest.raises(ModelError, match=r"memedit.json' cannot be read \(base.name: Field req"):
        read_card(with_card(folder, network, base={"fingerprints": []}))
    (folder / CARD_FILE).write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        read_card(folder)
    (folder / CARD_FILE).unlink()
    assert read_card(folder) is None
