"""The command line as a person uses it, against a small server of records in this process."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from medperf.cli import profiles
from medperf.cli.main import run
from medperf.domain import errors

WHEN = "2026-01-02T03:04:05.000000Z"
DIGEST = "sha256:" + "0" * 64
_DRAFT = {
    "version": 1,
    "organization_id": 1,
    "owner_id": 1,
    "state": "development",
    "digest": DIGEST,
    "analysis_plan_digest": DIGEST,
    "association_policy_version": 0,
}
_BEGINNINGS = {
    "associations": {
        "state": "pending",
        "requested_by": "user:3",
        "requested_by_organization_id": 1,
    },
}


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        return json.loads(self.err)


@pytest.fixture
def medperf(capsys, monkeypatch, tmp_path):
    """Run a command line; answers its status and what it wrote."""
    monkeypatch.setenv("MEDPERF_HOME", str(tmp_path / "settings"))

    def run_here(*arguments: Any) -> Ran:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ran(status, said.out, said.err)

    return run_here


class Registry:
    """What the server in this process knows; each request is kept."""

    def __init__(self) -> None:
        self.things: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.refusals: dict[tuple[str, str], errors.MedPerfError] = {}
        self.answers: dict[tuple[str, str], Any] = {}
        self.url = ""

    def add(self, path: str, **record: Any) -> dict[str, Any]:
        known = self.things.setdefault(path, [])
        made = {"id": len(known) + 1, "created_at": WHEN, **record}
        known.append(made)
        return made

    def respond(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        parts = urlsplit(target)
        path = parts.path.removeprefix("/api/v1/")
        self.asked.append((method, target, body))
        try:
            return 200, self._answer(method, path, parse_qs(parts.query), body)
        except errors.MedPerfError as error:
            problem = {"code": error.code, "detail": error.detail, "hint": error.advice}
            return 400, {**problem, "context": error.context}

    def _answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Any:
        if (method, path) in self.refusals:
            raise self.refusals[method, path]
        if (method, path) in self.answers:
            return self.answers[method, path]
        noun, *rest = path.split("/")
        if method == "GET" and not rest:
            return self._page(noun, query)
        if not rest:
            return self.add(noun, **_BEGINNINGS.get(noun, _DRAFT), **body)
        found = [one for one in self.things.get(noun, []) if str(one["id"]) == rest[0]]
        if not found:
            raise errors.NotFoundError(f"there is no {noun} {rest[0]}")
        if rest[1:]:
            found[0]["state"] = f"after {rest[1]}"
            found[0]["reason"] = body["reason"]
        return found[0]

    def _page(self, noun: str, query: dict[str, list[str]]) -> Any:
        paging = {"limit", "cursor", "newest", "mine"}
        filters = {key: query[key][0] for key in query if key not in paging}
        found = [
            one
            for one in self.things.get(noun, [])
            if all(str(one.get(key)) == value for key, value in filters.items())
        ]
        if query.get("newest") == ["true"]:
            found.reverse()
        return {"items": found[: int(query["limit"][0])], "next_cursor": None}


@pytest.fixture
def registry() -> Iterator[Registry]:
    known = Registry()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or "null")
            status, said = known.respond(self.command, self.path, body)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - names the library calls

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield known
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def logged_in(medperf, registry):
    """The command line with a login at the server in this process."""
    profiles.remember(
        profiles.Profile("default", registry.url, "Ada", "Hospital A", access_token_id=5), "s3cret"
    )
    return medperf


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder that commands run in."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here
