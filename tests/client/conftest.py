"""A server in this process that answers as the test says and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """One answer to give; ``cut`` closes the connection instead."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    after_s: float = 0.0


class ScriptedServer:
    """Gives its answers one after another, the last one again and again."""

    def __init__(self, url: str, wait: Callable[[float], Any]) -> None:
        self.url = url
        self.answers: list[Answer] = []
        self.asked: list[Asked] = []
        self._wait = wait

    def says(self, *answers: Answer) -> None:
        self.answers = list(answers)

    def respond(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        self._wait(answer.after_s)
        return answer


def _handler(current: list[ScriptedServer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {key.lower(): value for key, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            answer = current[0].respond(asked)
            if answer.cut:
                self.close_connection = True
                return
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body)
            content = body if isinstance(body, bytes) else body.encode()
            try:
                self.send_response(answer.status)
                for key, value in answer.headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # the client did not wait
                self.close_connection = True

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - names the library calls

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    current: list[ScriptedServer] = []
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(current))
    http.daemon_threads = True
    stopping = threading.Event()
    current.append(ScriptedServer(f"http://127.0.0.1:{http.server_port}", stopping.wait))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield current[0]
    stopping.set()
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def answer() -> type[Answer]:
    return Answer


def problem(error: Any, **more: Any) -> dict[str, Any]:
    return {
        "code": error.code,
        "detail": error.detail,
        "hint": error.advice,
        "context": error.context,
        **more,
    }


@pytest.fixture
def as_problem() -> Callable[..., dict[str, Any]]:
    return problem
