"""LangChain's standard unit tests."""

from __future__ import annotations

import pytest
from langchain_tests.unit_tests import ChatModelUnitTests

from memedit.langchain import EditedChatModel
from memedit.models.local import LocalChatModel
from tests.langchain.edited import edited_model
from tests.models import real


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
        return {"edited": edited_model()}


@pytest.mark.real_model
class TestLocalChatModel(NoToolsNoSchemas):
    @property
    def chat_model_class(self):
        return LocalChatModel

    @property
    def chat_model_params(self):
        return {"engine": real.smollm2().engine, "model_name": "smollm2"}
