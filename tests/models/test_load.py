from __future__ import annotations

import sys

import pytest
import torch
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage

from memedit.errors import ModelError
from memedit.models.load import as_chat_model, load_local_model, load_model
from memedit.models.local import LocalChatModel
from tests.models.tiny import tiny_chat_model, tiny_network, tiny_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny"
    tiny_network().save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


def test_a_folder_gives_the_model_that_was_saved_there(folder, capfd):
    model = load_model(str(folder), device="cpu", max_tokens=7, temperature=0.5, seed=1)
    assert isinstance(model, LocalChatModel)
    assert (model.max_tokens, model.temperature, model.seed) == (7, 0.5, 1)
    expected = tiny_chat_model(max_tokens=7).invoke("Who?").content
    assert model.invoke("Who?", temperature=0).content == expected
    assert capfd.readouterr() == ("", "")  # no progress bars, no advice


def test_loading_leaves_the_users_progress_bars_as_they_were(folder):
    from transformers.utils import logging

    for switch in (logging.enable_progress_bar, logging.disable_progress_bar):
        switch()
        before = logging.is_progress_bar_enabled()
        load_model(str(folder), device="cpu")
        assert logging.is_progress_bar_enabled() is before
    logging.enable_progress_bar()


def test_the_number_format_can_be_chosen(folder):
    model = load_local_model(str(folder), device="cpu", dtype="bfloat16")
    assert model.engine.model.dtype == torch.bfloat16
    assert load_local_model(str(folder), device="cpu").engine.model.dtype == torch.float32


@pytest.mark.parametrize(
    "name", ["smolm2", "no/such-model", "/no/such/folder", "./nothing", "a/b/c", "", "x.gguf"]
)
def test_a_name_that_is_nothing_says_what_is_accepted(name):
    with pytest.raises(ModelError, match="Give 'smollm2', a model folder") as caught:
        load_model(name)
    assert repr(name) in caught.value.message


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(str(tmp_path))


@pytest.mark.parametrize("device", ["tpu9", "cuda:99"])
def test_a_device_that_is_not_there_is_named(folder, device):
    with pytest.raises(ModelError, match=f"device: '{device}'"):
        load_model(str(folder), device=device)


def test_the_device_is_an_accelerator_where_there_is_one(folder):
    accelerated = torch.accelerator.is_available()
    model = load_local_model(str(folder))
    assert (model.engine.model.device.type != "cpu") == accelerated
    assert model.invoke("Who?", max_tokens=2).content is not None


def test_a_server_needs_its_prefix():
    with pytest.raises(ModelError, match="openai:smollm2"):
        load_model("smollm2", base_url="http://127.0.0.1:1/v1")
    with pytest.raises(ModelError, match="names no model"):
        load_model("openai:", base_url="http://127.0.0.1:1/v1")


def test_a_server_needs_the_optional_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_openai", None)
    with pytest.raises(ModelError, match=r"pip install 'memedit\[openai\]'"):
        load_model("openai:some")


def test_a_chat_model_is_used_as_it_is():
    model = FakeListChatModel(responses=["x"])
    assert as_chat_model(model) is model


def test_a_transformers_model_and_its_tokenizer_are_used_in_place():
    network = tiny_network().train()
    model = as_chat_model((network, tiny_tokenizer()))
    assert isinstance(model, LocalChatModel)
    assert model.engine.model is network
    assert not network.training
    assert model.model_name == "LlamaForCausalLM"
    assert model.invoke([HumanMessage("Who?")], max_tokens=3).usage_metadata["output_tokens"] == 3


def test_a_name_is_loaded(folder):
    assert as_chat_model(str(folder)).model_name == str(folder)


@pytest.mark.parametrize("wrong", [None, 3, tiny_network(), (tiny_tokenizer(), tiny_network()), ()])
def test_anything_else_says_what_is_accepted(wrong):
    with pytest.raises(ModelError, match=r"a \w+ is not a language model.*tuple"):
        as_chat_model(wrong)
