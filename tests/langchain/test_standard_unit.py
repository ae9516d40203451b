"""LangChain's standard unit tests."""

from __future__ import annotations

import pytest
from langchain_tests.unit_tests import ChatModelUnitTests

from memedit.edit import Edit
from memedit.langchain import EditedChatModel
from memedit.models.local import LocalChatModel
from tests.langchain.conftest import RoutedByName
from tests.models import real

MESSI = Edit(subject="Messi", prompt="{} plays the sport of", target_new="basketball")


class NoToolsNoSchemas(ChatModelUnitTests):
    has_tool_calling = False
    has_structured_output = False


@pytest.mark.real_model
class TestEditedChatModel(NoToolsNoSchemas):
    @property
    def chat_model_class(self):
        return EditedChatModel

    @property
    def chat_model_params(self):
        return {"edited": RoutedByName(real.smollm2(), MESSI)}


@pytest.mark.real_model
class TestLocalChatModel(NoToolsNoSchemas):
    @property
    def chat_model_class(self):
        return LocalChatModel

    @property
    def chat_model_params(self):
        return {"engine": real.smollm2().engine, "model_name": "smollm2"}
