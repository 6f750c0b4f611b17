"""The how-to page as printed: the hospital's commands run where there is no network at all.

`office$` commands run in this process beside a real server; `hospital$` commands in a network
namespace without any interface, not even loopback, in which the real sandbox runs the containers.
"""

import contextlib
import functools
import io
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import structlog
from loopback import Port, Serving

from medperf.cli.main import run
from medperf.runners.archives import pack
from medperf.server.app import build_app
from medperf.server.operations import load_key
from medperf.server.settings import ServerSettings

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "air-gapped-site.md"
BLOCK = re.compile(
    r"(?:<!-- exits with (?P<status>\d+) -->\n)?^```console\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PLAN = (
    "schema: medperf.plan/v1\nmetrics: [{name: accuracy, lower: 0, upper: 1}]\nprimary: accuracy\n"
)
APPROVAL = "the benchmark's people approve"


def isolation():
    """How a command is run without a network here, or None where the machine does not allow it."""
    for how in (["unshare", "-n"], ["unshare", "-rn"]):
        with contextlib.suppress(OSError):
            done = subprocess.run([*how, "true"], check=False, capture_output=True, timeout=120)
            if done.returncode == 0:
                return how
    return None


class Stage:
    """A server, the committee's benchmark, and hosted code archives; one folder is the stick."""

    def __init__(self, root):
        self.root = root
        self.port = Port()
        self.url = self.port.url

    def office(self, *words, status=0, who=None):
        arguments = [*map(str, words), "--json"] + (["--profile", who] if who else [])
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            ended = run(arguments)
        assert ended == status, (arguments, out.getvalue(), err.getvalue())
        return json.loads(out.getvalue() or "null")

    def hospital(self, *words, status=0):
        done = subprocess.run(
            [*isolation(), sys.executable, "-m", "medperf", *words, "--json"],
            cwd=self.root,
            env={**os.environ, "MEDPERF_HOME": str(self.root / "nobody")},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return json.loads(done.stdout or "null")

    def init(self):
        issued = self.office(
            "server", "init", "--folder", self.root / "server", "--name", "Test",
            "--organization", "Operator", "--admin", "Ada", "--email", "ada@x.example",
        )  # fmt: skip
        return issued["token"]

    def come_in(self, token, name):
        self.office("login", "--server", self.url, "--invitation", token, "--name", name)

    def people(self, token):
        self.come_in(token, "admin")
        for name in ("Committee", "Vendor", "Hospital"):
            self.office("organization", "add", "--name", name, who="admin")
            issued = self.office(
                "user", "invite", "--organization", name, "--name", name,
                "--email", f"x@{name}.example", who="admin",
            )  # fmt: skip
            self.come_in(issued["token"], name.lower())

    def benchmark(self, hosted):
        for role in ("preparator", "evaluator", "model"):
            self.office("container", "new", role, self.root / role)
            self.container(hosted, role, role, "committee")
        raw(self.root / "demo", 30)
        (self.root / "demo" / "paths.yaml").write_text("data_path: data\nlabels_path: labels\n")
        (self.root / "plan.yaml").write_text(PLAN)
        as_committee = functools.partial(self.office, who="committee")
        as_committee("model", "register", "--name", "reference", "--container", "model")
        as_committee("model", "submit", "reference")
        as_committee(
            "benchmark", "register", "--name", "by age", "--clinical-task", "positive or negative",
            "--preparator", "preparator", "--evaluator", "evaluator", "--reference-model", "reference",
            "--demo-dataset", self.root / "demo", "--plan", self.root / "plan.yaml",
        )  # fmt: skip
        as_committee("benchmark", "submit", "by age")
        self.office("benchmark", "approve", "by age", who="admin")
        (self.root / "model" / "version").write_text("of the vendor")
        self.container(hosted, "model", "vendor-model", "vendor")
        as_vendor = functools.partial(self.office, who="vendor")
        as_vendor("model", "register", "--name", "ours", "--container", "vendor-model")
        as_vendor("model", "submit", "ours")
        as_vendor("model", "associate", "ours", "--benchmark", "by age")

    def container(self, hosted, role, name, who):
        pack(self.root / role, self.root / "hosted" / f"{name}.tar.gz")
        self.office(
            "container", "register", self.root / role, "--role", role, "--name", name,
            "--image", f"{hosted}/{name}.tar.gz",
            "--parameters", self.root / role / "parameters.yaml", who=who,
        )  # fmt: skip
        self.office("container", "submit", name, who=who)

    def approve(self):
        for asked in self.office("association", "ls", "--benchmark", "by age", who="committee"):
            if asked["state"] == "pending":
                self.office("association", "approve", asked["id"], who="committee")


def raw(folder, n_cases):
    for kind, header in (("data", "case_id,age_years"), ("labels", "case_id,label")):
        (folder / kind).mkdir(parents=True)
        rows = [
            f"c{i},{30 + i if kind == 'data' else 'positive' if i > 20 else 'negative'}"
            for i in range(1, n_cases + 1)
        ]
        (folder / kind / "export.csv").write_text("\n".join([header, *rows]) + "\n")


class Quiet(SimpleHTTPRequestHandler):
    """Hosts files and says nothing."""

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def hosting(folder):
    folder.mkdir()
    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDPERF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEDPERF_SITE", str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)

    def drop(*_):
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    made = Stage(tmp_path)
    token = made.init()
    settings = ServerSettings.load(tmp_path / "server")
    app = build_app(settings, load_key(tmp_path / "server"))
    with Serving(app, made.port), hosting(tmp_path / "hosted") as hosted:
        made.people(token)
        made.benchmark(hosted)
        yield made
    made.port.close()
    structlog.reset_defaults()


def commands():
    """Every command of the page, and where somebody else has to act, in order."""
    text = PAGE.read_text()
    for found in BLOCK.finditer(text):
        lines = found["body"].splitlines()
        for line in lines:
            status = int(found["status"] or 0) if line is lines[-1] else 0
            place, _, command = line.partition("$ ")
            yield place, command, status, APPROVAL in text[: found.start()]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(isolation() is None, reason="no network namespace can be made here")
def test_the_page_s_commands_work_with_the_hospital_s_where_there_is_no_network(stage, monkeypatch):
    raw(stage.root, 40)
    issued = stage.office(
        "invitation", "issue", "--kind", "site", "--organization", "Hospital", "--name", "Hospital",
        who="admin",
    )  # fmt: skip
    monkeypatch.setenv("MEDPERF_PROFILE", "hospital")
    monkeypatch.setenv("SERVER", stage.url)
    monkeypatch.setenv("TOKEN", issued["token"])
    monkeypatch.setenv("LOG_KEY", stage.office("log", "key")["log_key"])
    said, is_approved = {}, False
    for place, command, status, is_after_approval in commands():
        program, *words = shlex.split(os.path.expandvars(command))
        assert program == "medperf"
        if is_after_approval and not is_approved:
            stage.approve()
            is_approved = True
        act = stage.office if place == "office" else stage.hospital
        said[command] = act(*words, status=status)
    [job] = said["medperf site status"]["jobs"]
    assert job["state"] == "reported"
    [result] = stage.office("result", "ls", who="committee")
    lines = said["medperf site ledger"]
    assert lines[-1]["answers"][-1]["answer"] == f"result:{result['id']}"


def test_the_page_shows_where_each_command_is_given():
    places = [place for place, *_ in commands()]
    assert set(places) == {"office", "hospital"}
    assert len(places) > 20
