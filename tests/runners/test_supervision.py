"""How a step is ended, whatever moment it is in."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from medperf.domain.errors import CancelledError
from medperf.runners.base import Limits, Step
from medperf.runners.supervision import BoundedLog, supervise

STEP = Step("step", "infer", ("true",), (), {}, (), Limits())


def started(program: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, bufsize=0)


def cancelled(process, kill, log: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with process, BoundedLog(log, 1000) as bounded, pytest.raises(CancelledError):
        supervise(process, STEP, bounded, kill=kill, cancel=cancel)


@pytest.mark.parametrize("program", ["", "import sys; sys.stdout.close(); import os; os.close(1);"])
def test_a_step_that_had_not_begun_when_it_was_ended_is_ended_when_it_begins(
    program: str, tmp_path: Path
) -> None:
    process = started(f"{program}import time; time.sleep(600)")
    asked = []

    def kill() -> None:
        asked.append(process.pid)
        if len(asked) == 3:  # before, there is nothing yet that could be killed
            process.kill()

    cancelled(process, kill, tmp_path / "log")
    assert len(asked) == 3


def test_one_who_has_the_pipe_of_an_ended_step_is_not_waited_for(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("medperf.runners.supervision._LAST_WORDS_S", 0.3)
    heir = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], stdin=0)\n"
        "print('begun', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", heir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert process.stdout.readline() == b"begun\n"
    cancelled(process, process.kill, tmp_path / "log")
    assert process.poll() is not None
