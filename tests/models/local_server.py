"""A small server that speaks OpenAI's chat protocol, over a local model, on loopback."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from langchain_core.messages import convert_to_messages

from memedit.models.local import LocalChatModel


def make_app(model: LocalChatModel) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/chat/completions", response_model=None)
    def complete(request: dict[str, Any]) -> dict[str, Any] | StreamingResponse:
        limit = request.get("max_completion_tokens") or request.get("max_tokens")
        stop = request.get("stop")
        call = {
            "input": convert_to_messages(request["messages"]),
            "stop": [stop] if isinstance(stop, str) else stop,
            "max_tokens": limit,
            "temperature": request.get("temperature"),
        }
        if request.get("stream"):
            return StreamingResponse(events(model, call), media_type="text/event-stream")
        answer = model.invoke(**call)
        message = {"role": "assistant", "content": answer.text}
        finish = answer.response_metadata["finish_reason"]
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return {**head(model, "chat.completion"), "choices": [choice], "usage": usage(answer)}

    return app


def events(model: LocalChatModel, call: dict[str, Any]) -> Iterator[str]:
    start = head(model, "chat.completion.chunk")
    for chunk in model.stream(**call):
        choice = {
            "index": 0,
            "delta": {"role": "assistant", "content": chunk.text},
            "finish_reason": chunk.response_metadata.get("finish_reason"),
        }
        yield f"data: {json.dumps({**start, 'choices': [choice]})}\n\n"
    yield "data: [DONE]\n\n"


def head(model: LocalChatModel, kind: str) -> dict[str, Any]:
    return {"id": "chat-1", "object": kind, "created": int(time.time()), "model": model.model_name}


def usage(answer: Any) -> dict[str, int]:
    counts = answer.usage_metadata
    return {
        "prompt_tokens": counts["input_tokens"],
        "completion_tokens": counts["output_tokens"],
        "total_tokens": counts["total_tokens"],
    }


@contextlib.contextmanager
def serving(model: LocalChatModel) -> Iterator[str]:
    """The address of a running server, as ``base_url`` wants it."""
    server = uvicorn.Server(uvicorn.Config(make_app(model), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
