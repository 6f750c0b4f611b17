"""Watch a started step: stream its log, hold it to its limits, end it when it must end."""

import os
import select
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from medperf.domain.errors import (
    CancelledError,
    OutOfMemoryError,
    OutputLimitError,
    StepFailedError,
    StepTimedOutError,
)
from medperf.runners.base import MIB, Step
from medperf.runners.outputs import measure, sweep

_CHUNK = 64 * 1024
_LOOK_EVERY_S = 0.1
_OUTPUT_EVERY_S = 0.25
_SCAN_SHARE = 20
_LAST_WORDS_S = 10.0
_KILL_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """What a running step uses now, as far as it is counted here."""

    memory_bytes: int
    processes: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How the watched process ended."""

    exit_code: int
    peak_memory_bytes: int


class BoundedLog:
    """A log file that never grows past its limit and never lives in memory."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self._left = limit_bytes
        self._limit = limit_bytes

    def write(self, chunk: bytes) -> None:
        """Keep what still fits; the first that does not is replaced by a marker."""
        if self._left <= 0:
            return
        os.write(self._file, chunk[: self._left])
        self._left -= len(chunk)
        if self._left <= 0:
            os.write(self._file, b"\n[log cut here: it is limited to %d bytes]\n" % self._limit)

    def __enter__(self) -> Self:
        """Use the log in a ``with`` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        os.close(self._file)


def supervise(
    process: "subprocess.Popen[bytes]",
    step: Step,
    log: BoundedLog,
    *,
    kill: Callable[[], None],
    cancel: threading.Event | None,
    probe: Callable[[], Load] | None = None,
    also_written: Sequence[Path] = (),
) -> Ended:
    """Follow ``process``, whose standard output is a pipe, until nothing of the step is left.

    Args:
        process: the started program.
        step: gives the limits and the outputs to measure.
        log: where standard output and error go.
        kill: ends the whole step at once.
        cancel: set by whoever wants the step to stop.
        probe: says what the step uses, for runners whose kernel does not count for them.
        also_written: what counts as output besides the outputs, such as a temporary folder.

    Raises:
        StepTimedOutError, OutputLimitError, OutOfMemoryError, StepFailedError: a limit was broken.
        CancelledError: ``cancel`` was set.
    """
    written = (*(mount.source for mount in step.outputs), *also_written)
    watch = _Watch(step, written, probe, cancel)
    try:
        _follow(process, log, watch)
    except BaseException:
        _end(process, log, kill)
        raise
    return Ended(process.returncode, watch.peak_bytes)


def sweep_all(step: Step) -> None:
    """Make the outputs of an ended step safe to read.

    Raises:
        StepOutputError: something other than plain files and folders was left.
        OutputLimitError: there is more than allowed, seen only now.
    """
    size = sum(sweep(mount.source).size_bytes for mount in step.outputs)
    if size > step.limits.output_bytes:
        raise OutputLimitError(f"the step wrote more than {step.limits.output_bytes} bytes")


class _Watch:
    """The limits of one step and when each is looked at next."""

    def __init__(
        self,
        step: Step,
        written: Sequence[Path],
        probe: Callable[[], Load] | None,
        cancel: threading.Event | None,
    ) -> None:
        self.peak_bytes = 0
        self._limits = step.limits
        self._written = written
        self._probe = probe
        self._cancel = cancel
        now = time.monotonic()
        self._deadline = now + step.limits.timeout_s
        self._outputs_at = now + _OUTPUT_EVERY_S

    def wait_s(self) -> float:
        return max(0.0, min(_LOOK_EVERY_S, self._deadline - time.monotonic()))

    def look(self) -> None:
        now = time.monotonic()
        if self._cancel is not None and self._cancel.is_set():
            raise CancelledError("the step was stopped on request")
        if now >= self._deadline:
            raise StepTimedOutError(f"the step ran longer than {self._limits.timeout_s:g} s")
        if self._probe is not None:
            self._look_at_load(self._probe())
        if now >= self._outputs_at:
            self._look_at_outputs()
            done = time.monotonic()
            # Large trees take long to add up: never spend more than a twentieth of the time on it.
            self._outputs_at = done + max(_OUTPUT_EVERY_S, _SCAN_SHARE * (done - now))

    def _look_at_load(self, load: Load) -> None:
        self.peak_bytes = max(self.peak_bytes, load.memory_bytes)
        if load.memory_bytes > self._limits.memory_bytes:
            limit = self._limits.memory_bytes // MIB
            raise OutOfMemoryError(f"the step used more than {limit} MiB of memory")
        if load.processes > self._limits.pids:
            raise StepFailedError(f"the step started more than {self._limits.pids} processes")

    def _look_at_outputs(self) -> None:
        if measure(self._written).size_bytes > self._limits.output_bytes:
            raise OutputLimitError(f"the step wrote more than {self._limits.output_bytes} bytes")


def _follow(process: "subprocess.Popen[bytes]", log: BoundedLog, watch: _Watch) -> None:
    pipe = _pipe(process)
    poller = select.poll()
    poller.register(pipe, select.POLLIN | select.POLLHUP)
    looked_at = time.monotonic()
    while True:
        if poller.poll(watch.wait_s() * 1000):
            chunk = os.read(pipe, _CHUNK)
            if not chunk:
                break
            log.write(chunk)
        if time.monotonic() - looked_at >= _LOOK_EVERY_S:
            watch.look()
            looked_at = time.monotonic()
    while True:  # the step closed its output; the process itself may go on
        try:
            process.wait(timeout=_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            watch.look()
        else:
            return


def _end(process: "subprocess.Popen[bytes]", log: BoundedLog, kill: Callable[[], None]) -> None:
    """Kill a step and take its last words; whoever holds the pipe open is not waited for.

    A step that is just starting has nothing to kill yet, so it is killed again and again until the
    program that started it has ended, too.
    """
    kill()
    again_at = time.monotonic() + _KILL_AGAIN_S
    until = time.monotonic() + _LAST_WORDS_S
    pipe = _pipe(process)
    poller = select.poll()
    poller.register(pipe, select.POLLIN | select.POLLHUP)
    is_open = True
    while time.monotonic() < until and (is_open or process.poll() is None):
        if time.monotonic() >= again_at and process.poll() is None:
            kill()
            again_at = time.monotonic() + _KILL_AGAIN_S
        if not is_open:
            time.sleep(_LOOK_EVERY_S)
        elif poller.poll(_LOOK_EVERY_S * 1000):
            chunk = os.read(pipe, _CHUNK)
            log.write(chunk)
            is_open = bool(chunk)
    process.kill()
    process.wait()


def _pipe(process: "subprocess.Popen[bytes]") -> int:
    if process.stdout is None:
        raise ValueError("a supervised process writes to a pipe")
    return process.stdout.fileno()
