"""Models behind an OpenAI-compatible server, over a real socket."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from memedit.errors import ModelError
from memedit.models import embedded
from memedit.models.load import load_model
from tests.models.local_server import serving

CONVERSATION = [
    SystemMessage("Be brief."),
    HumanMessage("Hello."),
    AIMessage("Hi!"),
    HumanMessage("What is the capital of France?"),
]


@pytest.fixture(scope="module")
def remote(smollm2):
    with serving(smollm2) as address:
        model = load_model("openai:smollm2", base_url=address, max_tokens=8)
        yield model
        model.root_client.close()


@pytest.mark.real_model
def test_a_server_gives_what_the_model_behind_it_gives(remote, smollm2):
    expected = smollm2.invoke(CONVERSATION, max_tokens=8)
    answer = remote.invoke(CONVERSATION)
    assert answer.text == expected.text
    assert answer.usage_metadata["total_tokens"] == expected.usage_metadata["total_tokens"]
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.response_metadata["model_name"] == "smollm2"


@pytest.mark.real_model
async def test_a_server_streams(remote, smollm2):
    expected = smollm2.invoke(CONVERSATION, max_tokens=8).text
    assert "".join(chunk.text for chunk in remote.stream(CONVERSATION)) == expected
    assert "".join([chunk.text async for chunk in remote.astream(CONVERSATION)]) == expected
    await remote.root_async_client.close()  # before its event loop ends


@pytest.mark.real_model
def test_a_server_is_passed_stop_strings_and_limits(remote, smollm2):
    question = CONVERSATION[-1:]
    assert remote.invoke(question, stop=["capital"]).text == "The "
    assert remote.invoke(question, max_tokens=2).usage_metadata["output_tokens"] == 2


@pytest.mark.real_model
@pytest.mark.llama_cpp
@pytest.mark.skipif(
    importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed"
)
@pytest.mark.timeout(300)
def test_llama_cpps_server_answers_with_the_embedded_file():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--model", str(embedded.embedded_gguf()), "--n_ctx", "512"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/v1"
        for _ in range(120):
            assert server.poll() is None
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/models", timeout=1).close()
                break
            time.sleep(0.5)
        model = load_model("openai:local", base_url=address, max_tokens=12)
        assert "Paris" in model.invoke(CONVERSATION[-1:]).text
    finally:
        server.terminate()
        server.wait(timeout=30)


def test_a_server_without_a_key_is_one_sentence(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelError, match="set OPENAI_API_KEY"):
        load_model("openai:some-model")
