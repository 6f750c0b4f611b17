"""Run code with the site's own Python, walled in by the kernel: no engine, no root needed.

Three strengths, the strongest that this machine offers is used: ``namespaces`` (a root of its
own), ``landlock`` (files and network barred, paths and process numbers the host's), and ``bare``
(limits only), which must be allowed explicitly and is recorded as what it is.
"""

import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import medperf
from medperf.domain.clock import Clock, system_clock
from medperf.domain.containers import ContainerConfig, ContainerType
from medperf.domain.errors import ContainerConfigError, NotSupportedError, SandboxUnavailableError
from medperf.runners import identity
from medperf.runners.base import MIB, Availability, Image, Limits, Outcome, Step
from medperf.runners.host import Interpreter, devices, system_folders, with_host_paths
from medperf.runners.launcher.orders import Bind, Level, Orders
from medperf.runners.outputs import delete
from medperf.runners.processes import children_of, load_of
from medperf.runners.sources import SourceStore
from medperf.runners.supervision import BoundedLog, Ended, supervise, sweep_all

CODE_FOLDER = "/mlcommons/code"
"""Where a step finds its code, which is also where it starts."""

_PYTHON = frozenset({"python", "python3"})
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from medperf.runners.launcher.main import main; main()"
)
_STRENGTHS: tuple[Level, ...] = ("namespaces", "landlock", "bare")


class SandboxRunner:
    """Runs ``SourceArchive`` containers; see the module's text for how."""

    name = "sandbox"
    container_types = frozenset({ContainerType.SOURCE_ARCHIVE})

    def __init__(
        self,
        folder: Path,
        *,
        interpreter: Interpreter | None = None,
        clock: Clock = system_clock,
        levels: tuple[Level, ...] = ("namespaces", "landlock"),
        allow_bare: bool = False,
    ) -> None:
        """Keep unpacked code and running steps below ``folder``, which is private to the caller."""
        self._sources = SourceStore(folder / "sources")
        self._steps = folder / "steps"
        self._interpreter = interpreter or Interpreter.current()
        self._clock = clock
        self._levels = (*levels, "bare") if allow_bare else levels

    def available(self) -> Availability:
        """The strongest level that works here, found by starting nothing in it, once."""
        return self._strongest[1]

    def resolve(
        self, config: ContainerConfig, *, source: Path | None = None, expected: str | None = None
    ) -> Image:
        """Unpack the code; its digest is the archive's, a folder's is that of its packed form."""
        if config.container_type not in self.container_types:
            raise NotSupportedError(f"the sandbox runs SourceArchive, not {config.container_type}")
        return self._sources.resolve(config, source, expected)

    def run(
        self,
        image: Image,
        step: Step,
        log_path: Path,
        *,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Run one step with the strongest isolation there is."""
        level, availability = self._strongest
        if level is None:
            raise SandboxUnavailableError(availability.reason)
        if not step.program:
            raise ContainerConfigError(f"the task {step.task!r} does not say what to start")
        return self._run(level, image, step, log_path, cancel)

    def cleanup(self, step_id: str) -> None:
        """Remove the step's folder; its processes died with the agent."""
        with suppress(OSError):
            delete(self._steps / step_id)

    def _run(
        self,
        level: Level,
        image: Image,
        step: Step,
        log_path: Path,
        cancel: threading.Event | None,
    ) -> Outcome:
        code = Path(image.reference)
        if not code.is_dir():
            raise SandboxUnavailableError(f"the code {image.digest} is gone; resolve it again")
        outputs = [mount.source for mount in step.outputs]
        readable = [mount.source for mount in step.mounts if mount.read_only]
        user = self._user(level, [code, *readable])
        scratch = self._steps / step.step_id
        self.cleanup(step.step_id)
        scratch.mkdir(parents=True)
        started_at = self._clock()
        try:
            with identity.lent([scratch, *outputs], user):
                orders = self._orders(level, code, step, scratch, user)
                with BoundedLog(log_path, step.limits.log_bytes) as log:
                    ended, facts = _launch(orders, step, log, cancel)
        finally:
            self.cleanup(step.step_id)
        sweep_all(step)
        return Outcome(
            exit_code=ended.exit_code,
            started_at=started_at,
            ended_at=self._clock(),
            runner=self.name,
            isolation={**_isolation(level, user, step.limits), **facts},
            log_path=log_path,
            peak_memory_bytes=ended.peak_memory_bytes or None,
        )

    @cached_property
    def _strongest(self) -> tuple[Level | None, Availability]:
        reasons = []
        for level in self._levels:
            try:
                found = self._try(level)
            except (SandboxUnavailableError, OSError) as error:
                reasons.append(f"{level}: {error}")
                continue
            facts = {**_isolation(level, self._user(level, []), Limits()), **found}
            return level, Availability(ok=True, reason=f"isolated by {level}", isolation=facts)
        return None, Availability(ok=False, reason="; ".join(reasons))

    def _try(self, level: Level) -> Mapping[str, str]:
        """Start a program that does nothing; answer with what the launcher found in force."""
        scratch = self._steps / f"try-{level}-{os.getpid()}-{threading.get_ident()}"
        scratch.mkdir(parents=True, exist_ok=True)
        step = Step("try", "try", ("true",), (), {}, (), Limits())
        user = self._user(level, [])
        try:
            with identity.lent([scratch], user), BoundedLog(Path(os.devnull), 0) as log:
                orders = self._orders(level, scratch, step, scratch, user)
                ended, facts = _launch(orders, step, log, None)
        finally:
            self.cleanup(scratch.name)
        if ended.exit_code != 0:
            raise SandboxUnavailableError(f"a test program ended with {ended.exit_code}")
        return facts

    def _user(self, level: Level, readable: list[Path]) -> identity.Identity:
        """Only a root of its own spares a step the way through folders closed to others."""
        if level != "namespaces":
            return identity.caller()
        return identity.choose([self._interpreter.program.resolve().parent, *readable])

    def _orders(
        self, level: Level, code: Path, step: Step, scratch: Path, user: identity.Identity
    ) -> Orders:
        limits = step.limits
        links, system = system_folders()
        binds = [
            *system,
            *(Bind(str(path), str(path)) for path in self._python_folders()),
            Bind(str(code), CODE_FOLDER),
            *(Bind(str(m.source), m.target, writable=not m.read_only) for m in step.mounts),
        ]
        path = f"{self._interpreter.program.parent}:/usr/local/bin:/usr/bin:/bin"
        orders = Orders(
            level=level,
            status_fd=-1,
            scratch=str(scratch),
            program=self._program(step),
            environment={"PATH": path, "LANG": "C.UTF-8", **step.environment},
            folder=CODE_FOLDER,
            binds=tuple(binds),
            links=tuple(links),
            devices=tuple(devices(gpus=bool(limits.gpus))),
            user=user.user,
            group=user.group,
            # A graphics card's memory is mapped into the process, and would be counted.
            memory_bytes=0 if limits.gpus else limits.memory_bytes + 64 * MIB,
            pids=limits.pids,
            cpus=math.ceil(limits.cpus),
            output_bytes=limits.output_bytes + 1,
            tmp_bytes=limits.tmp_bytes,
            shm_bytes=limits.shm_bytes,
        )
        return orders if level == "namespaces" else with_host_paths(orders)

    def _program(self, step: Step) -> tuple[str, ...]:
        """Have ``python`` be the site's, also where the system has only a ``python3``."""
        name, *arguments = step.program
        if name in _PYTHON:
            name = str(self._interpreter.program)
        return (name, *arguments)

    def _python_folders(self) -> Iterator[Path]:
        for folder in self._interpreter.folders:
            if not folder.is_relative_to("/usr"):
                yield folder


def _launch(
    orders: Orders, step: Step, log: BoundedLog, cancel: threading.Event | None
) -> tuple[Ended, Mapping[str, str]]:
    """Start the launcher, follow it, and read from its status pipe what it did."""
    status, status_end = os.pipe()
    package = str(Path(medperf.__file__).parent.parent)
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BOOT, package],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(status_end,),
            start_new_session=True,
            env={},
            bufsize=0,
        )
    except OSError as error:
        os.close(status)
        raise SandboxUnavailableError(f"the launcher did not start: {error}") from error
    finally:
        os.close(status_end)
    with os.fdopen(status, "rb") as report, process:
        _give_orders(process, replace(orders, status_fd=status_end))
        ended = supervise(
            process,
            step,
            log,
            kill=lambda: _kill(process.pid, orders.level),
            cancel=cancel,
            probe=lambda: load_of(process.pid, step.limits.memory_bytes),
            also_written=() if orders.level == "namespaces" else (Path(orders.scratch),),
        )
        lines = report.read().decode(errors="replace").splitlines()
    said = dict(line.partition("\t")[::2] for line in lines)
    if said.pop("started", None) is None:
        reason = said.get("error", f"the launcher ended with {ended.exit_code}")
        raise SandboxUnavailableError(f"the sandbox could not be built: {reason}")
    peak = int(said.pop("peak_memory_bytes", 0))
    return replace(ended, peak_memory_bytes=max(peak, ended.peak_memory_bytes)), said


def _give_orders(process: "subprocess.Popen[bytes]", orders: Orders) -> None:
    if process.stdin is not None:
        # A launcher that is gone already has left its reason in the status pipe or the log.
        with suppress(BrokenPipeError):
            process.stdin.write(orders.dump())
        process.stdin.close()


def _kill(launcher: int, level: Level) -> None:
    """End the step: process 1 takes its namespace with it; elsewhere the launcher cleans up."""
    targets = children_of(launcher)
    if level == "namespaces":
        targets.append(launcher)
    for process in targets:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _isolation(level: Level, user: identity.Identity, limits: Limits) -> dict[str, str]:
    """What this level enforces by construction; the launcher adds what it found out."""
    facts = {
        "kind": level,
        "user": identity.describe(user),
        "new_privileges": "none",
        "memory": "watched, process data limited",
        "pids": "watched" if user.is_root else "watched, per-user limit",
        "cpus": "affinity",
        "time": "limited",
        "output": "watched, file size limited",
        "gpus": limits.gpus or "none",
    }
    if level == "namespaces":
        facts |= {
            "filesystem": "own read-only root",
            "inputs": "read-only",
            "network": "none",
            "processes": "own namespace",
            "capabilities": "none",
        }
    elif level == "landlock":
        facts |= {"inputs": "read-only", "processes": "the host's"}
    else:
        facts |= {"filesystem": "the host's", "network": "the host's", "processes": "the host's"}
    return facts
