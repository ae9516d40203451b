"""What the runner's tests run: made-up data, a model that can be told what to say, methods."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from memedit.bake import Moments
from memedit.edit import Edit
from memedit.evaluate.datasets import DataSet, load_dataset
from memedit.evaluate.methods import Plan
from memedit.evaluate.methods.in_context import InContext
from memedit.evaluate.methods.unedited import Unedited
from memedit.evaluate.methods.weights import WeightEditing
from memedit.evaluate.runner import Job
from memedit.evaluate.suite import Suite
from memedit.models.fingerprint import weights_fingerprint
from memedit.models.local import LocalChatModel

TOWNS = ("Ys", "Vineta", "Kitezh", "Lyonesse", "Rungholt", "Atlantis", "Dunwich")
KINGS = ("Dahut", "Osric", "Yuri", "Mark", "Edda", "Atlas", "Felix")


def zsre_record(n: int, **changes: Any) -> dict[str, Any]:
    """The n-th made-up record in zsRE's schema; no other record's query names its subject."""
    return {
        "subject": TOWNS[n],
        "src": f"Which king ruled {TOWNS[n]}?",
        "rephrase": f"By which king was {TOWNS[n]} ruled?",
        "alt": KINGS[n],
        "answers": ["Gradlon"],
        "loc": f"nq question: how many legs have {n + 2} cows",
        "loc_ans": str(4 * (n + 2)),
    } | changes


def written(folder: Path, name: str, records: Sequence[Any]) -> DataSet:
    """A data set of these records."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "data.json"
    path.write_text(json.dumps(list(records)), encoding="utf-8")
    return load_dataset(name, path)


def zsre(folder: Path, n: int = 3, *more: Any) -> DataSet:
    """``n`` made-up records of zsRE, and ``more``."""
    return written(folder, "zsre_slim", [*map(zsre_record, range(n)), *more])


def suite(**changes: Any) -> Suite:
    return Suite(**{"name": "made", "description": "Made up.", "dataset": "zsre_slim"} | changes)


class Told(BaseChatModel):
    """Knows the legs of cows; says Gradlon to a bare question, and repeats anything longer.

    So the base model is right off scope and wrong about every edit, and whoever puts the edit into
    the prompt gets an answer that holds its target.
    """

    asked: list[str] = Field(default_factory=list)
    trouble: dict[str, Any] = Field(default_factory=dict)  # words in a prompt: what is raised
    at_most: int | None = None  # prompts answered before Ctrl-C

    @property
    def _llm_type(self) -> str:
        return "told"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        text = str(messages[-1].text)
        if self.at_most is not None and len(self.asked) >= self.at_most:
            raise KeyboardInterrupt
        self.asked.append(text)
        for words, error in self.trouble.items():
            if words in text:
                raise error
        message = AIMessage(self.reply(text)[: 1000 * kwargs.get("max_tokens", 1)])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def batch(self, inputs, config=None, **kwargs):
        return [self.invoke(one, **kwargs) for one in inputs]  # in order, in this thread

    @staticmethod
    def reply(text: str) -> str:
        cows = re.fullmatch(r"how many legs have (\d+) cows", text)
        if cows:
            return str(4 * int(cows[1]))
        return "Gradlon" if re.fullmatch(r"[^\n]{1,60}\?", text) else text


class Numb:
    """An encoder to which all texts are alike; the nearest edit is the first."""

    fingerprint = "numb"
    dimension = 2

    def encode(self, texts, *, progress=None):
        import numpy as np

        return np.tile(np.array([1.0, 0.0], dtype=np.float32), (len(texts), 1))


class Everything(InContext):
    """Puts every live edit before every query, so that what is live can be read off an answer."""

    name = "everything"

    def __init__(self, model: BaseChatModel) -> None:
        super().__init__(model, Numb(), facts=1000)


class Bias(Unedited):
    """Changes the weights: a bias of the output layer towards each target's first letter."""

    name = "bias"
    detached = False

    @property
    def network(self) -> Any:
        assert isinstance(self.model, LocalChatModel)
        return self.model.engine.model

    def apply(self, edits: Sequence[Edit]) -> None:
        layer = self.network.lm_head
        if layer.bias is None:
            layer.bias = torch.nn.Parameter(torch.zeros(layer.out_features), requires_grad=False)
        for edit in edits:
            [token, *_] = self.model.get_token_ids(edit.target_new)
            layer.bias[token] += 50.0

    def revert(self) -> None:
        self.network.lm_head.bias = None

    def state(self) -> str:
        return weights_fingerprint(self.network)


_TARGET = """
[target]
steps = 20
learning_rate = 0.5
weight_decay = 0.001
clamp = 20
kl = 0.05

[prefixes]
begin_with = ["The"]
lengths = [4]

[moments]
per_width = 8
window = 16
"""
# Settings that suit the tiny model. What its second, last layer gives at a subject reaches no later
# token, so that target vectors stand at the first.
_TINY = {
    "alphaedit": "layers = [0]\nnull_energy = 0.2\nshare = 0.9" + _TARGET,
    "dem": "layers = [0]\ndynamic = false\nshare = 0.9" + _TARGET,
    "ft-m": "layer = 1\nsteps = 5\nlearning_rate = 0.05",
    "memit": "layers = [0]\nshare = 0.9" + _TARGET,
    "pmet": "layers = [0]\nshare = 0.9" + _TARGET,
    "rome": "layer = 0" + _TARGET,
}


def tiny_hparams(folder: Path, method: str) -> Path:
    """A file with settings of a method of weight editing for the tiny model."""
    path = folder / f"{method}.toml"
    path.write_text(_TINY[method], encoding="utf-8")
    return path


def writing(model: BaseChatModel, method: str, folder: Path, **settings: Any) -> WeightEditing:
    """A method of weight editing on the tiny model, its second moments in memory alone."""
    hparams = tiny_hparams(folder, method)
    return WeightEditing(model, method, hparams=hparams, moments=Moments(), **settings)


def job(data: DataSet, model: BaseChatModel, method: Any = None, **changes: Any) -> Job:
    """A job on ``data``; fields of the suite may stand among ``changes``."""
    of_suite = {name: changes.pop(name) for name in [*changes] if name in Suite.model_fields}
    chosen = suite(dataset=data.name, **of_suite)
    method = Everything(model) if method is None else method
    return Job(chosen, method, model, "told", data, **{"alone": 0} | changes)


@contextmanager
def silent(what: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


def plan_of(model: BaseChatModel, text: str, **fields: Any) -> Plan:
    return Plan([HumanMessage(text)], model, **fields)
