"""What Docker and Podman share: one program with one vocabulary, asked through its command line."""

import json
import os
import re
import shutil
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from medperf.domain.clock import Clock, system_clock
from medperf.domain.containers import ContainerConfig, ContainerType
from medperf.domain.errors import (
    DigestMismatchError,
    InvalidRequestError,
    NotSupportedError,
    OutOfMemoryError,
    SandboxUnavailableError,
)
from medperf.runners import identity
from medperf.runners.base import Availability, Image, Outcome, Step, StepMount
from medperf.runners.cgroups import CGROUPS, ContainerMemory
from medperf.runners.docker_archive import ArchivedImage, read_archive, write_untagged
from medperf.runners.mounts import csv_line
from medperf.runners.references import as_digest, registry_digest, split_reference
from medperf.runners.supervision import BoundedLog, Ended, Load, supervise, sweep_all

_ASK_S = 60.0
_FETCH_S = 4 * 3600.0
_NOT_STARTED = (126, 127)
_NEVER = "0001-01-01"
_LAST_BYTES = 2000


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine says about itself."""

    version: str
    processors: int
    is_rootless: bool


class EngineRunner(ABC):
    """A container engine on this machine; see the contract in :mod:`medperf.runners.base`."""

    program: ClassVar[str]
    remove: ClassVar[tuple[str, ...]] = ("rm", "--force", "--volumes")
    container_types = frozenset({ContainerType.DOCKER_IMAGE, ContainerType.DOCKER_ARCHIVE})

    def __init__(self, *, clock: Clock = system_clock, cgroups: Path = CGROUPS) -> None:
        self._clock = clock
        self._cgroups = cgroups
        self._facts: EngineFacts | None = None
        self._images: dict[tuple[object, ...], Image] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The engine's name."""
        return self.program

    def available(self) -> Availability:
        """Whether the engine answers; a yes is remembered."""
        try:
            facts = self._engine()
        except SandboxUnavailableError as error:
            return Availability(ok=False, reason=error.detail)
        reason = f"{self.program} {facts.version}"
        return Availability(
            ok=True, reason=reason, isolation=self._isolation(facts, identity.choose([]), "none")
        )

    def resolve(
        self, config: ContainerConfig, *, source: Path | None = None, expected: str | None = None
    ) -> Image:
        """Find or bring the image: named by its manifest, or by its config when from an archive."""
        if config.container_type not in self.container_types:
            raise NotSupportedError(f"{self.program} does not run a {config.container_type}")
        self._engine()
        state = (source, source.stat().st_size, source.stat().st_mtime_ns) if source else ()
        key = (config.container_type, config.image, expected, *state)
        with self._lock:
            if key not in self._images:
                if config.container_type is ContainerType.DOCKER_ARCHIVE:
                    self._images[key] = self._from_archive(config, source, expected)
                else:
                    self._images[key] = self._from_registry(config.image, expected)
            return self._images[key]

    def run(
        self,
        image: Image,
        step: Step,
        log_path: Path,
        *,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Run one step in a container of its own, which is gone afterwards."""
        facts = self._engine()
        user = identity.choose(mount.source for mount in step.mounts if mount.read_only)
        arguments = self.arguments(image, step, facts, user)
        outputs = [mount.source for mount in step.outputs]
        started_at = self._clock()
        with BoundedLog(log_path, step.limits.log_bytes) as log, identity.lent(outputs, user):
            try:
                ended = self._follow(arguments, step, log, cancel)
                self._explain(step, ended, log_path)
            finally:
                self.cleanup(step.step_id)
        ended_at = self._clock()
        sweep_all(step)
        return Outcome(
            exit_code=ended.exit_code,
            started_at=started_at,
            ended_at=ended_at,
            runner=self.name,
            isolation=self._isolation(facts, user, step.limits.gpus or "none"),
            log_path=log_path,
            peak_memory_bytes=ended.peak_memory_bytes or None,
        )

    def cleanup(self, step_id: str) -> None:
        """Kill and remove the step's container, if there is one."""
        self._ask(*self.remove, _container(step_id))

    def arguments(
        self, image: Image, step: Step, facts: EngineFacts, user: identity.Identity
    ) -> list[str]:
        """What ``run`` is told about the step: all but where to write the container's id."""
        limits = step.limits
        arguments = [
            f"--name={_container(step.step_id)}",
            f"--label=org.medperf.step={step.step_id}",
            "--pull=never",
            "--network=none",
            "--read-only",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--log-driver=none",
            f"--memory={limits.memory_bytes}",
            f"--memory-swap={limits.memory_bytes}",
            f"--cpus={min(limits.cpus, facts.processors):g}",
            f"--pids-limit={limits.pids}",
            f"--shm-size={limits.shm_bytes}",
            f"--ulimit=fsize={limits.output_bytes + 1}",
            f"--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777,size={limits.tmp_bytes}",
            *self._user_arguments(facts, user),
            *self._own_arguments(),
            *(["--security-opt=label=disable"] if _selinux_enforces() else []),
            *(self._gpu_arguments(limits.gpus) if limits.gpus else []),
        ]
        arguments += [f"--mount={_mount(mount)}" for mount in step.mounts]
        arguments += [f"--env={key}={value}" for key, value in step.environment.items()]
        if step.entrypoint:
            arguments.append(f"--entrypoint={step.entrypoint[0]}")
        return [*arguments, image.reference, *step.entrypoint[1:], *step.command]

    @abstractmethod
    def _read_facts(self, info: Mapping[str, Any]) -> EngineFacts:
        """Read what ``info`` answered."""

    @abstractmethod
    def _user_arguments(self, facts: EngineFacts, user: identity.Identity) -> list[str]:
        """Have the container's process be ``user`` on the host."""

    @abstractmethod
    def _gpu_arguments(self, gpus: str) -> list[str]:
        """Hand ``all`` or ``0,1`` to the container."""

    def _own_arguments(self) -> list[str]:
        return []

    def _engine(self) -> EngineFacts:
        if self._facts is None:
            answer = self._ask("info", "--format={{json .}}")
            if answer.returncode != 0:
                lines = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
                raise SandboxUnavailableError(
                    f"{self.program} does not answer: {lines[-1] if lines else 'no reason given'}"
                )
            try:
                self._facts = self._read_facts(json.loads(answer.stdout))
            except (ValueError, KeyError, TypeError) as error:
                raise SandboxUnavailableError(
                    f"{self.program} does not say what it is: {error!r}"
                ) from error
        return self._facts

    def _from_archive(
        self, config: ContainerConfig, source: Path | None, expected: str | None
    ) -> Image:
        if source is None:
            raise InvalidRequestError(f"{config.image} was not fetched before it was resolved")
        archived = read_archive(source)
        _compare(archived.image_id, expected)
        found = self._inspect(archived.image_id)
        reference = str(found["Id"]) if found else self._load(archived)
        return Image(config.container_type, archived.image_id, as_digest(reference))

    def _load(self, archived: ArchivedImage) -> str:
        process = subprocess.Popen(
            [self.program, "load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if process.stdin is None:
            raise ValueError("the engine reads from a pipe")
        reason = ""
        with process:
            try:
                write_untagged(archived, process.stdin)
                output = process.communicate()[0].decode(errors="replace")
            except BrokenPipeError:
                process.stdin = None
                output = process.communicate()[0].decode(errors="replace")
                reason = "it stopped reading"
        loaded = re.findall(r"sha256:[0-9a-f]{64}", output)
        if process.returncode != 0 or not loaded:
            reason = output.strip() or reason
            raise SandboxUnavailableError(f"{self.program} refused the archive: {reason}")
        return str(loaded[-1])

    def _from_registry(self, reference: str, expected: str | None) -> Image:
        name, digest = split_reference(reference)
        if digest is not None:
            _compare(digest, expected)
        wanted = digest or expected
        target = reference if wanted is None else f"{name}@{wanted}"
        found = self._inspect(target)
        if found is None and wanted is not None:
            found = self._inspect(wanted)  # known here by its own id, from no registry
        if found is None:
            answer = self._ask("pull", "--quiet", target, timeout_s=_FETCH_S)
            found = self._inspect(target) if answer.returncode == 0 else None
        if found is None:
            raise SandboxUnavailableError(
                f"{self.program} cannot get {target}: {answer.stderr.strip()}",
                hint="Check the image's name, and that this machine may pull it.",
            )
        reported = wanted or registry_digest(found, name) or as_digest(str(found["Id"]))
        return Image(ContainerType.DOCKER_IMAGE, reported, as_digest(str(found["Id"])))

    def _inspect(self, reference: str) -> dict[str, Any] | None:
        answer = self._ask("image", "inspect", reference)
        if answer.returncode != 0:
            return None
        found: list[dict[str, Any]] = json.loads(answer.stdout)
        return found[0] if found else None

    def _follow(
        self, arguments: list[str], step: Step, log: BoundedLog, cancel: threading.Event | None
    ) -> Ended:
        # Podman's monitor leaves a file "oom" where it was started.
        with TemporaryDirectory(prefix="medperf-") as scratch:
            id_file = Path(scratch, "id")
            memory = ContainerMemory(id_file, self._cgroups)
            # A snap does not see our temporary folders: its container's memory stays unknown.
            told = [] if _is_snap(self.program) else [f"--cidfile={id_file}"]
            with subprocess.Popen(
                [self.program, "run", *told, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                cwd=scratch,
            ) as process:
                return supervise(
                    process,
                    step,
                    log,
                    kill=lambda: self.cleanup(step.step_id),
                    cancel=cancel,
                    probe=lambda: _load(memory, step),
                )

    def _explain(self, step: Step, ended: Ended, log_path: Path) -> None:
        """Tell the engine's failure and the kernel's kill from the container's own exit."""
        if ended.exit_code == 0:
            return
        answer = self._ask("container", "inspect", _container(step.step_id))
        state = json.loads(answer.stdout)[0]["State"] if answer.returncode == 0 else {}
        started = str(state.get("StartedAt", _NEVER))
        if started.startswith(_NEVER) and not _is_missing_program(ended.exit_code, _tail(log_path)):
            with self._lock:
                self._images.clear()  # the image may have been removed behind our back
            raise SandboxUnavailableError(
                f"{self.program} could not start the container: {_tail(log_path)}"
            )
        if state.get("OOMKilled"):
            limit = step.limits.memory_bytes
            raise OutOfMemoryError(f"the step used more than {limit} bytes of memory")

    def _ask(
        self, *arguments: str, timeout_s: float = _ASK_S
    ) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(
                [self.program, *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout_s,
                stdin=subprocess.DEVNULL,
            )
        except (FileNotFoundError, PermissionError) as error:
            # The latter also where one folder of the PATH is closed to this user.
            raise SandboxUnavailableError(f"{self.program} is not installed") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxUnavailableError(f"{self.program} does not answer: {error}") from error

    def _isolation(
        self, facts: EngineFacts, user: identity.Identity, gpus: str
    ) -> Mapping[str, str]:
        return {
            "kind": "container",
            "engine": f"{self.program} {facts.version}",
            "engine_user": "an unprivileged user" if facts.is_rootless else "root",
            "filesystem": "own read-only root",
            "inputs": "read-only",
            "network": "none",
            "processes": "own namespace",
            "user": identity.describe(user),
            "capabilities": "none",
            "new_privileges": "none",
            "memory": "cgroup",
            "pids": "cgroup",
            "cpus": "cgroup",
            "time": "limited",
            "output": "watched, file size limited",
            "gpus": gpus,
            **({"selinux": "label off"} if _selinux_enforces() else {}),
        }


def _container(step_id: str) -> str:
    return f"medperf-{step_id}"


def _load(memory: ContainerMemory, step: Step) -> Load:
    """Memory only to be noted: the kernel enforces the limits, and its counters may run ahead."""
    return Load(min(memory.held_bytes(), step.limits.memory_bytes), processes=0)


def _is_snap(program: str) -> bool:
    found = shutil.which(program)
    return found is not None and Path(found).resolve().name == "snap"


def _mount(mount: StepMount) -> str:
    fields = ["type=bind", f"source={mount.source}", f"target={mount.target}"]
    if mount.read_only:
        fields.append("readonly")
    return csv_line(fields)


def _compare(digest: str, expected: str | None) -> None:
    if expected is not None and digest != expected:
        raise DigestMismatchError(f"the image is {digest}, promised was {expected}")


def _selinux_enforces() -> bool:
    """Whether files would need relabeling, which the platform does not do to a hospital's data."""
    try:
        return Path("/sys/fs/selinux/enforce").read_text(encoding="ascii").strip() == "1"
    except OSError:
        return False


def _is_missing_program(exit_code: int, words: str) -> bool:
    """Whether the container never ran because what it names cannot be started: its own fault."""
    return exit_code in _NOT_STARTED and ('exec: "' in words or "executable file" in words)


def _tail(log_path: Path) -> str:
    """The engine's own words: the container did not start, so nothing else can be in the log."""
    with log_path.open("rb") as log:
        log.seek(-min(_LAST_BYTES, os.fstat(log.fileno()).st_size), os.SEEK_END)
        return log.read().decode(errors="replace").strip()
