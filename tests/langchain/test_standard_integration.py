"""LangChain's standard integration tests, on the embedded model."""

from __future__ import annotations

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

from tests.langchain.edited import OfEditedModel, OfLocalModel


class ShortAnswers(ChatModelIntegrationTests):
    # A model of 135 million parameters calls no tools and fills no schemas.
    has_tool_calling = False
    has_structured_output = False
    supports_model_override = False

    @property
    def standard_chat_model_params(self):
        return {"temperature": 0, "max_tokens": 16}


@pytest.mark.real_model
class TestEditedChatModel(OfEditedModel, ShortAnswers):
    pass


@pytest.mark.real_model
class TestLocalChatModel(OfLocalModel, ShortAnswers):
    pass
