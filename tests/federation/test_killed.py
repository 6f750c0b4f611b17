"""Killed at any point, the next agent carries on: nothing runs twice, nothing is lost or doubled."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from federation.hospital_site import wait_until

from medperf.domain.errors import StoreLockedError


class Killed(BaseException):
    """The process ended here."""


def kill_at(site, point):
    """Run the agent until it reaches a point; from then on it can do nothing any more."""

    def die(*_, **__):
        raise Killed

    holder = {}

    def at(name):
        if name == point:
            for method in ("transaction", "row", "rows"):
                setattr(holder["site"].store, method, die)
            raise Killed

    with site.opened(at=at) as opened:
        holder["site"] = opened
        with pytest.raises(Killed):
            opened.agent().settle()


@pytest.mark.parametrize(
    "point",
    [
        "inferring",
        "inferred",
        "evaluating",
        "evaluated",
        "checking",
        "releasing",
        "sent",
        "reported",
    ],
)
def test_an_agent_killed_there_is_carried_on_from_there(federation, point):
    federation.add_model("Model A")
    site = federation.add_site("Hospital One")
    kill_at(site, point)
    assert site.settle() == ["reported"]
    assert sorted(site.tasks_run()) == ["evaluate", "infer"]
    assert len(federation.results()) == 1
    with site.opened() as opened:
        assert len(opened.ledger.lines("result")) == 1


def test_a_step_that_was_killed_in_the_middle_runs_again_from_an_empty_folder(federation):
    federation.add_model("Model A")
    site = federation.add_site("Hospital One")
    seen = []

    def killed_once(call):
        seen.append(sorted(path.name for path in call.paths["output_path"].iterdir()))
        (call.paths["output_path"] / "half.txt").write_text("half")
        if len(seen) == 1:
            raise KeyboardInterrupt
        (call.paths["output_path"] / "whole.txt").write_text("whole")
        for number in range(8):
            (call.paths["output_path"] / f"{number}.txt").write_text("x")

    site.functions["infer"] = killed_once
    with site.opened() as opened:
        agent = opened.agent()
        with agent._session() as (workers, talker):
            agent._hear(opened.client, 0)
            while agent._tick(workers, talker) and not seen:
                pass
    assert site.settle() == ["reported"]
    assert seen == [[], []]


def test_a_grant_whose_answer_was_lost_is_asked_for_again(federation):
    federation.add_model("Model A")
    site = federation.add_site("Hospital One")
    with site.opened() as opened:
        ask = opened.client.executions.request_grants

        def ask_and_die(pairs):
            ask(pairs)
            raise Killed

        opened.client.executions.request_grants = ask_and_die
        with pytest.raises(Killed):
            opened.agent().settle()
    assert site.settle() == ["reported"]
    assert len(federation.executions()) == 1


def test_a_second_agent_is_refused(federation):
    site = federation.add_site("Hospital One")
    with site.running() as running:
        wait_until(lambda: running.status().agent_runs)
        with site.opened() as other, pytest.raises(StoreLockedError, match=str(os.getpid())):
            other.agent().settle()


SCRIPT = """
    import sys, threading
    from pathlib import Path
    sys.path[:0] = [sys.argv[2]]
    from federation.hospital_site import TestSite
    from medperf.site.agent import stop_on_signals
    site = TestSite(Path(sys.argv[1]))
    def infer(call):
        (call.paths["output_path"] / "half.txt").write_text("half")
        print("in the middle", flush=True)
        while True:
            call.sleep(0)
            threading.Event().wait(0.02)
    site.functions["infer"] = infer
    stop = threading.Event()
    with stop_on_signals(stop), site.opened() as opened:
        opened.agent().run(stop)
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0), (signal.SIGINT, 0)],
)
def test_a_signal_in_the_middle_of_a_step_loses_nothing(federation, number, code):
    federation.add_model("Model A")
    site = federation.add_site("Hospital One")
    tests = Path(__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(site.folder), str(tests)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout.readline() == b"in the middle\n"
        process.send_signal(number)
        assert process.wait(120) == code
    with site.opened() as opened:
        assert opened.jobs.get(1).state == "inferring"
        assert not opened.status().agent_runs
    assert site.settle() == ["reported"]
    assert len(federation.results()) == 1
