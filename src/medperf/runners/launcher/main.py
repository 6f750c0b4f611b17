# pathlib and contextlib take longer to import than a step takes to start.
# ruff: noqa: PTH123, SIM105
"""Read orders, build the walls, start the step, wait for all of it to be gone."""

from __future__ import annotations

import fcntl
import marshal
import os
import resource
import sys
from types import SimpleNamespace

from medperf.runners.launcher import kernel, namespaces

TYPE_CHECKING = False  # what `typing` says, without the time it takes to import
if TYPE_CHECKING:
    from typing import NoReturn

    from medperf.runners.launcher.orders import Orders

STARTED, FAILED = "started", "error"
"""Names in the status pipe: the step was started, or why it was not."""

COULD_NOT_START = 70
"""Exit code when the walls could not be built; the status pipe says why."""

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_SIGNALED = 128
_OPEN_FILES = 65536


def main() -> NoReturn:
    """Run one step and exit as it did (128 + n when signal n ended it)."""
    kernel.die_with_parent()
    orders = _read_orders()
    empty = os.open("/dev/null", os.O_RDONLY)
    os.dup2(empty, 0)
    fcntl.fcntl(orders.status_fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    try:
        if orders.level == "namespaces":
            namespaces.enter(orders)
        else:
            kernel.adopt_orphans()
        child = os.fork()
    except OSError as error:
        _give_up(orders, error)
    if child == 0:
        _supervise(orders)
    _, status = os.waitpid(child, 0)
    if orders.level != "namespaces":
        _end_descendants()
    peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    _report(orders, "peak_memory_bytes", str(peak_bytes))
    sys.stdout.flush()
    os._exit(_exit_code(status))


def _supervise(orders: Orders) -> NoReturn:
    """Be the step's first process: build what only an insider can, start it, reap its orphans."""
    kernel.die_with_parent()
    facts: dict[str, str] = {}
    try:
        if orders.level == "namespaces":
            namespaces.furnish(orders)
            namespaces.become_nobody()
            kernel.die_with_parent()  # becoming another user took it back
            kernel.no_new_privileges()
        else:
            facts = _without_namespaces(orders)
        kernel.unreadable()
        step = os.fork()
        if step == 0:
            for name, fact in facts.items():
                _report(orders, name, fact)
            _report(orders, STARTED, "")
            _become(orders)
    except OSError as error:
        _give_up(orders, error)
    while True:
        ended, status = os.wait()
        if ended == step:
            os._exit(_exit_code(status))


def _without_namespaces(orders: Orders) -> dict[str, str]:
    facts = {}
    if orders.level == "landlock":
        from medperf.runners.launcher import landlock  # noqa: PLC0415  # few steps need it

        facts = landlock.restrict(orders)
    kernel.no_new_privileges()
    kernel.forbid_capabilities()
    kernel.drop_capabilities()
    return facts


def _become(orders: Orders) -> NoReturn:
    """Replace this process by the step's program."""
    os.setsid()
    kernel.die_with_parent()
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, orders.output_bytes)
    _limit(resource.RLIMIT_NPROC, orders.pids)
    if orders.memory_bytes:
        _limit(resource.RLIMIT_DATA, orders.memory_bytes)
    kernel.default_signal(kernel.SIGPIPE)
    kernel.default_signal(kernel.SIGXFSZ)
    _share_processors(orders.cpus)
    program = orders.program[0]
    try:
        os.chdir(orders.folder)
        os.execvpe(program, orders.program, orders.environment)  # noqa: S606  # no shell wanted
    except OSError as error:
        print(f"cannot start {program!r}: {error.strerror}", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE)


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def _share_processors(wanted: int) -> None:
    """Keep the step on so many processors, another window of them for each step."""
    usable = sorted(os.sched_getaffinity(0))
    if 0 < wanted < len(usable):
        start = os.getppid() % len(usable)
        os.sched_setaffinity(0, (usable + usable)[start : start + wanted])


def _end_descendants() -> None:
    """Kill everything the step left running; orphans were adopted, so all are below us."""
    while True:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            children = file.read().split()
        for child in children:
            try:
                os.kill(int(child), kernel.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.wait()
        except ChildProcessError:
            return


def _read_orders() -> Orders:
    """The same names as :class:`~medperf.runners.launcher.orders.Orders`, as plain values."""
    fields = marshal.loads(sys.stdin.buffer.read())  # noqa: S302  # from our own parent process
    fields["binds"] = tuple(SimpleNamespace(**bind) for bind in fields["binds"])
    orders: Orders = SimpleNamespace(**fields)  # type: ignore[assignment]
    return orders


def _report(orders: Orders, name: str, value: str) -> None:
    os.write(orders.status_fd, f"{name}\t{' '.join(value.split())}\n".encode())


def _give_up(orders: Orders, error: OSError) -> NoReturn:
    _report(orders, FAILED, str(error))
    os._exit(COULD_NOT_START)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _SIGNALED - code
