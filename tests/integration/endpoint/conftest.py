"""A real HTTP server on loopback that answers as it is told, faults included."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from judgeforge.engines.endpoint.engine import EndpointEngine
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.protocol import Conversation, Generation
from judgeforge.grading.templates import load_template

KEY = "sk-a-secret-that-nobody-sees"
GREEDY = {
    "max_new_tokens": 40,
    "max_prompt_tokens": 500,
    "temperature": 0.0,
    "top_p": 1.0,
    "repetition_penalty": 1.0,
    "seed": 1,
}
Answer = tuple[int, dict[str, str], bytes]


def say(text: str | None, *, finish: str = "stop", usage: tuple[int, int] | None = (10, 5), **more: Any) -> Answer:
    """Build a chat completion."""
    document: dict[str, Any] = {"choices": [{"message": {"content": text}, "finish_reason": finish} | more]}
    if usage is not None:
        document["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return 200, {}, json.dumps(document).encode()


def fail(status: int, message: str = "no", **headers: str) -> Answer:
    return status, headers, json.dumps({"error": {"message": message}}).encode()


class Server:
    """Answers request number n (from 0) of a question by ``script(n, body)``; "hang" and "cut" are faults."""

    def __init__(self) -> None:
        self.script: Callable[[int, dict[str, Any]], Answer | str] = lambda n, body: say("Good. [RESULT] 4")
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.at_once, self.most_at_once = 0, 0
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server.lock:
                    count = sum(each["messages"] == body["messages"] for each in server.bodies)
                    server.bodies.append(body)
                    server.headers.append(dict(self.headers))
                    server.at_once += 1
                    server.most_at_once = max(server.most_at_once, server.at_once)
                try:
                    self.answer(server.script(count, body))
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client hung up, as some tests want
                finally:
                    with server.lock:
                        server.at_once -= 1

            def answer(self, answer: Answer | str) -> None:
                if answer == "hang":
                    time.sleep(4)
                    return
                if answer == "cut":
                    answer = (200, {"Content-Length": "1000"}, b'{"choices"')
                status, headers, content = answer
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(content))} | headers).items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def build(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., EndpointEngine]:
    """Build an engine that waits hardly at all; keywords are settings or parts of ``Generation``."""
    monkeypatch.setenv("SOME_KEY", KEY)

    def make(**overrides: Any) -> EndpointEngine:
        decoding = {name: overrides.pop(name) for name in list(overrides) if name in Generation.model_fields}
        settings = {
            "base_url": server.url,
            "model": "some-judge",
            "api_key_env": "SOME_KEY",
            "first_wait_s": 0.01,
            "max_wait_s": 2.0,
            "timeout_s": 30.0,
        }
        return EndpointEngine(
            EndpointSettings.model_validate(settings | overrides),
            template=load_template("judgeforge-1"),
            generation=Generation.model_validate(GREEDY | decoding),
            cache=tmp_path / "answers.sqlite",
        )

    return make


def ask(count: int, format: str = "direct") -> list[Conversation]:
    messages = [({"role": "system", "content": "Judge."}, {"role": "user", "content": f"{n}?"}) for n in range(count)]
    return [Conversation(format=format, messages=each) for each in messages]
