"""LangChain's standard unit tests."""

from __future__ import annotations

import pytest
from langchain_tests.unit_tests import ChatModelUnitTests

from tests.langchain.edited import OfEditedModel, OfLocalModel


class NoToolsNoSchemas(ChatModelUnitTests):
    has_tool_calling = False
    has_structured_output = False


@pytest.mark.real_model
class TestEditedChatModel(OfEditedModel, NoToolsNoSchemas):
    pass


@pytest.mark.real_model
class TestLocalChatModel(OfLocalModel, NoToolsNoSchemas):
    pass
