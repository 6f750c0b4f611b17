"""Which of a server's processes are replaced, and when."""

import pytest
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from medperf.server import processes
from medperf.server.listening import Listening
from medperf.server.processes import SILENT_S, Processes


class FakeProcess:
    """A process that answers when a test says so."""

    def __init__(self, *_):
        self.answers = False
        self.exitcode = None
        self.unread = 0
        self.process = self.parent_conn = self

    def start(self):
        """It loads."""

    join = start

    def is_alive(self):
        return self.exitcode is None

    def ping(self, _timeout_s):
        return self.answers

    def kill(self):
        if self.exitcode is None:
            self.exitcode = -9

    def poll(self):
        return self.unread > 0

    def recv(self):
        self.unread -= 1


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def two(monkeypatch, time):
    """The supervisor of two processes that load."""
    monkeypatch.setattr("signal.signal", lambda *_: None)
    for module in (processes, uvicorn.supervisors.multiprocess):
        monkeypatch.setattr(module, "Process", FakeProcess)
    made = Processes(uvicorn.Config("none", workers=2), Listening(), time)
    made.init_processes()
    return made


def test_a_process_has_all_the_time_it_needs_to_load(two, time):
    before = list(two.processes)
    two.processes[0].answers = True
    for _ in range(3):
        time.now += 100 * SILENT_S
        two.keep_subprocess_alive()
    assert two.processes == before


def test_a_process_that_does_not_answer_any_more_is_replaced(two, time):
    first, second = two.processes
    first.answers = second.answers = True
    two.keep_subprocess_alive()
    second.answers = False
    time.now += SILENT_S
    two.keep_subprocess_alive()
    assert two.processes == [first, second]
    time.now += 1
    two.keep_subprocess_alive()
    assert two.processes[0] is first
    assert two.processes[1] is not second
    assert second.exitcode == -9


def test_a_process_that_always_answers_late_does_not_hang(two, time):
    before = list(two.processes)
    for each in before:
        each.answers = True
    two.keep_subprocess_alive()
    for _ in range(5):
        for each in before:
            each.answers, each.unread = False, 1
        time.now += SILENT_S
        two.keep_subprocess_alive()
    assert two.processes == before


def test_late_answers_hide_only_for_a_while_that_a_process_hangs(two, time):
    [hung, _] = two.processes
    hung.unread = 5
    two.keep_subprocess_alive()
    time.now += SILENT_S + 1
    two.keep_subprocess_alive()
    assert two.processes[0] is not hung


def test_a_process_that_died_is_replaced(two):
    died, other = two.processes
    died.exitcode = 1
    two.keep_subprocess_alive()
    assert two.processes[0] is not died
    assert two.processes[1] is other
    assert not two.should_exit.is_set()


def test_where_a_process_cannot_start_all_stop(two):
    before = list(two.processes)
    two.processes[0].exitcode = STARTUP_FAILURE
    two.keep_subprocess_alive()
    assert two.should_exit.is_set()
    assert two.processes == before


def test_none_is_replaced_when_all_are_to_stop(two):
    before = list(two.processes)
    two.should_exit.set()
    two.processes[0].exitcode = -2  # the same Ctrl-C reached it first
    two.keep_subprocess_alive()
    assert two.processes == before
