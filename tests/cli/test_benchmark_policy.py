"""A benchmark's policy on the command line: drafted, tried, put in force, explained."""

import pytest
import structlog
import yaml
from server_fixtures import running

from medperf.cli import profiles

CASES = {
    "cases": [
        {
            "name": "a model waits",
            "action": "associate",
            "facts": {"kind": "model"},
            "expect": "ask",
        }
    ]
}


@pytest.fixture
def world(medperf, tmp_path, monkeypatch):
    """The committee's Cara and the vendor's Vera, logged in on one machine."""
    monkeypatch.chdir(tmp_path)
    structlog.configure(processors=[_drop])
    with running(f"sqlite:///{tmp_path / 'server.sqlite'}") as server:
        federation = server.federation.build()
        info = federation.anybody.info()
        for name in ("cara", "vera"):
            person = getattr(federation, name)
            profile = profiles.Profile(name, server.url, person.user.name, "", 1, info.log_key)
            profiles.remember(profile, person.secret)

        def run(*words, who="cara", status=0):
            ran = medperf(*words, "--profile", who, "--json")
            assert ran.status == status, (ran.out, ran.err)
            return ran.json if ran.out else ran.problem

        run.federation = federation
        yield run
    structlog.reset_defaults()


def _drop(*_):
    raise structlog.DropEvent


def test_a_benchmarks_policy_from_draft_to_explanation(world, medperf, tmp_path):
    federation = world.federation
    number = federation.benchmark_record.id
    listed = world("policy", "new", "--for", "benchmark", "--list")
    assert {"accept-all", "accept-organizations"} <= {row["name"] for row in listed}
    assert world("policy", "show", "--benchmark", number)["version"] == 1

    options = ("--template", "accept-all", "--with", "what=model")
    draft = world("policy", "new", "--for", "benchmark", *options)["text"]
    (tmp_path / "draft.cedar").write_text(draft)
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(CASES))
    in_force = ("policy", "test", "cases.yaml", "--benchmark", number)
    assert world(*in_force)[0]["complaint"] == ""
    drafted = ("policy", "test", "cases.yaml", "--for", "benchmark", "--file", "draft.cedar")
    assert world(*drafted, status=1)[0]["answer"] == "go_ahead"
    pending = federation.model(federation.vera, "Pending")
    waiting = federation.ask(federation.vera, federation.benchmark_record, pending)
    [changed] = world("policy", "simulate", "--benchmark", number, "--file", "draft.cedar")
    assert (changed["association_id"], changed["was"]) == (waiting.id, "ask")
    assert changed["would_be"] == "go_ahead"

    key = world("key", "new")["key_id"]
    put = world("policy", "set", "--benchmark", number, "--file", "draft.cedar")
    assert (put["version"], "vouched for by key" in put["approved_by"]) == (2, True)
    assert key in str(put["statement"]["signatures"])
    assert [row["version"] for row in world("policy", "history", "--benchmark", number)] == [1, 2]
    assert world("policy", "show", "--benchmark", number, "--version", 1)["version"] == 1
    world("policy", "show", "--benchmark", number, "--version", 9, status=2)

    other = federation.model(federation.vera, "Other")
    asked = federation.ask(federation.vera, federation.benchmark_record, other)
    assert asked.state == "approved"
    told = medperf("policy", "explain", "--association", asked.id, "--profile", "vera").out
    assert "Go ahead: it may take part." in told
    assert "accept-all permits associateUnattended" in told


def test_a_fault_is_refused_with_its_line_and_nothing_changes(world, tmp_path):
    (tmp_path / "bad.cedar").write_text('@id("x")\npermit (principal, action, resource)')
    number = world.federation.benchmark_record.id
    problem = world("policy", "set", "--benchmark", number, "--file", "bad.cedar", status=2)
    assert "bad.cedar, line 2" in problem["detail"]
    assert world("policy", "show", "--benchmark", number)["version"] == 1


def test_what_is_to_be_explained_is_named_once(world):
    for words in ((), ("3", "--association", "4")):
        assert world("policy", "explain", *words, status=2)["code"] == "invalid-request"
    world("policy", "test", "cases.yaml", "--for", "benchmark", status=2)
