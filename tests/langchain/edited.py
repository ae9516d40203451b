"""What LangChain's standard suites are run on: a real edited model, and the local model itself."""

from __future__ import annotations

import functools

from memedit import Edit, EditedModel, EditMemory
from memedit.langchain import EditedChatModel
from memedit.models.local import LocalChatModel
from tests.models import real


@functools.cache
def edited_model() -> EditedModel:
    memory = EditMemory.open(":memory:")
    memory.add(Edit(subject="Messi", prompt="{} plays the sport of", target_new="basketball"))
    return EditedModel(real.smollm2(), memory)


class OfEditedModel:
    @property
    def chat_model_class(self):
        return EditedChatModel

    @property
    def chat_model_params(self):
        return {"edited": edited_model()}


class OfLocalModel:
    @property
    def chat_model_class(self):
        return LocalChatModel

    @property
    def chat_model_params(self):
        return {"engine": real.smollm2().engine, "model_name": "smollm2"}
