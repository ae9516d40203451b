from __future__ import annotations

import pytest
from transformers import AutoConfig, GPT2Config, GPTJConfig, LlamaConfig, MistralConfig, Qwen2Config

from memedit.bake import load_settings, method_names
from memedit.bake.settings import families
from memedit.errors import BakeError

FAMILIES = {
    "gpt2": GPT2Config(),
    "gpt2-xl": GPT2Config(n_layer=48, n_embd=1600, n_head=25),
    "gpt-j": GPTJConfig(),
    "llama-2-7b": LlamaConfig(),
    "llama-3-8b": LlamaConfig(vocab_size=128256),
    "qwen2.5": Qwen2Config(num_hidden_layers=28),
    "mistral": MistralConfig(),
    "smollm2-135m": LlamaConfig(num_hidden_layers=30, hidden_size=576, vocab_size=49152),
}


class Model:
    def __init__(self, config: AutoConfig) -> None:
        self.config = config


@pytest.mark.parametrize("method", method_names())
def test_every_family_has_its_settings_and_no_other_takes_them(method):
    by_name = ("-chat", "-sentences")
    asked_for = {name for name in families(method) if name.endswith(by_name)}
    assert set(families(method)) - asked_for == set(FAMILIES)
    for name, config in FAMILIES.items():
        assert load_settings(method, Model(config)) == load_settings(method, source=name)


@pytest.mark.parametrize("method", method_names())
@pytest.mark.parametrize("name", FAMILIES)
def test_layers_are_in_the_model(method, name):
    settings = load_settings(method, source=name)
    layers = getattr(settings, "layers", None) or (settings.layer,)
    assert max(layers) < FAMILIES[name].num_hidden_layers


def test_settings_for_chats():
    settings = load_settings("memit", source="smollm2-135m-chat")
    assert settings.prefixes.chat
    assert not load_settings("memit", source="smollm2-135m").prefixes.chat


def test_settings_for_sentences():
    plain, own = (load_settings("ft-m", source=f"smollm2-135m{of}") for of in ("", "-sentences"))
    assert own.learning_rate > plain.learning_rate


def test_published_values():
    rome = load_settings("rome", source="gpt2-xl")
    assert (rome.layer, rome.target.steps, rome.target.clamp, rome.target.kl) == (17, 20, 4, 0.0625)
    memit = load_settings("memit", source="gpt-j")
    assert (memit.layers, memit.moment_weight) == ((3, 4, 5, 6, 7, 8), 15000)
    assert memit.prefixes.bare_share == 0.5
    assert load_settings("pmet", source="gpt-j").moment_weight == 6000
    alpha = load_settings("alphaedit", source="llama-3-8b")
    assert (alpha.null_below, alpha.weight, alpha.target.learning_rate) == (0.02, 10, 0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer = -1", "layer: .*has -1"),
        ("layer = 1", "target: .*Field required"),
        ("layer = 1\nlayers = [1]\n" + families("rome")["gpt2"].split("layer = 4")[1], "layers: "),
        ("layer =", "not valid TOML"),
        ("layer = 1\n[target]\nsteps = 0", "target.steps"),
    ],
)
def test_malformed_files_name_the_field(text, message, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(BakeError, match=message):
        load_settings("rome", source=path)


def test_one_of_two_weights(tmp_path):
    path = tmp_path / "mine.toml"
    given = families("memit")["gpt-j"]
    path.write_text(given.replace("moment_weight = 15000", "moment_weight = 15000\nshare = 0.9"))
    with pytest.raises(BakeError, match="either moment_weight or share"):
        load_settings("memit", source=path)
    path.write_text(given.replace("moment_weight = 15000", "share = 0.9"))
    assert load_settings("memit", source=path).share == 0.9


@pytest.mark.parametrize("method", ["memit", "pmet", "alphaedit"])
@pytest.mark.parametrize("layers", ["[4, 3]", "[3, 3]", "[-1, 0]"])
def test_layers_ascend(method, layers, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(families(method)["gpt-j"].replace("[3, 4, 5, 6, 7, 8]", layers))
    with pytest.raises(BakeError, match="layers: .*ascending"):
        load_settings(method, source=path)


def test_models_and_names_without_settings_are_refused(tmp_path):
    with pytest.raises(BakeError, match="none for a llama of 3 layers"):
        load_settings("rome", Model(LlamaConfig(num_hidden_layers=3)))
    with pytest.raises(BakeError, match="One of alphaedit|Did you mean"):
        load_settings("room", source="gpt2")
    with pytest.raises(BakeError, match="none for 'gpt5'"):
        load_settings("rome", source="gpt5")
    with pytest.raises(BakeError, match="no file"):
        load_settings("rome", source=tmp_path / "no.toml")
    with pytest.raises(BakeError, match="neither"):
        load_settings("rome")
