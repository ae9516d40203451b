"""LangChain's standard integration tests, on the embedded model."""

from __future__ import annotations

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

from memedit.langchain import EditedChatModel
from memedit.models.local import LocalChatModel
from tests.langchain.edited import edited_model
from tests.models import real


class ShortAnswers(ChatModelIntegrationTests):
    # A model of 135 million parameters calls no tools and fills no schemas.
    has_tool_calling = False
    has_structured_output = False
    supports_model_override = False

    @property
    def standard_chat_model_params(self):
        return {"temperature": 0, "max_tokens": 16}


@pytest.mark.real_model
class TestEditedChatModel(ShortAnswers):
    @property
    def chat_model_class(self):
        return EditedChatModel

    @property
    def chat_model_params(self):
        return {"edited": edited_model()}


@pytest.mark.real_model
class TestLocalChatModel(ShortAnswers):
    @property
    def chat_model_class(self):
        return LocalChatModel

    @property
    def chat_model_params(self):
        return {"engine": real.smollm2().engine, "model_name": "smollm2"}
