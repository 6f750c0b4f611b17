"""The contract of a runner: run one step of somebody's container, isolated, and say what was done.

A *step* is one task of one container on given folders. A runner

1. ``resolve``s a config to an :class:`Image`: bytes that are on this machine and have a digest.
   Whatever runs, runs by that digest; a tag is never trusted twice. Resolving again is cheap.
2. ``run``s a :class:`Step` in that image: no network, inputs and root file system read-only,
   ``/tmp`` writable, no capabilities, no new privileges, not root, within the step's limits. What a
   runner could not enforce it does not claim: ``Outcome.isolation`` lists only what was in force.
3. streams the step's stdout and stderr to ``log_path`` and never holds them in memory. The log
   stays at the site.

Who failed?

- The container ended by itself: an :class:`Outcome` with its exit code, **also when it is not
  zero**, because for some tasks that is an answer (``TASK_RULES[task].non_zero_exit``).
  :func:`require_success` turns a non-zero exit into ``StepFailedError`` for the other tasks.
- The platform stopped it: ``StepTimedOutError``, ``OutputLimitError``, ``OutOfMemoryError``, or
  ``StepFailedError`` for too many processes; ``CancelledError`` when ``cancel`` was set.
- It could not be started at all: ``SandboxUnavailableError``. That is never the container's fault.

In every case no process of the step is left when ``run`` returns, and outputs belong to the calling
user. When the agent itself was killed, ``cleanup(step_id)`` removes what a step left behind.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from medperf.domain.containers import ContainerConfig, ContainerType, MountType
from medperf.domain.errors import StepFailedError

GIB = 1024**3
MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Limits:
    """What a step may use. The site sets them; a config can ask for GPUs and shared memory only."""

    memory_bytes: int = 8 * GIB
    cpus: float = 2.0
    pids: int = 1024
    timeout_s: float = 24 * 3600.0
    output_bytes: int = 100 * GIB
    log_bytes: int = 16 * MIB
    tmp_bytes: int = 2 * GIB
    shm_bytes: int = 64 * MIB
    gpus: str = ""
    """``""`` for none, ``"all"``, or device numbers as ``"0,1"``."""


@dataclass(frozen=True, slots=True)
class StepMount:
    """One file or folder of the host as the container sees it."""

    key: str
    source: Path
    target: str
    read_only: bool
    type: MountType


@dataclass(frozen=True, slots=True)
class Step:
    """One task, ready to run. ``step_id`` is unique per attempt and names what the step leaves."""

    step_id: str
    task: str
    command: tuple[str, ...]
    """Arguments after the entry point; empty means what the image itself would run."""
    entrypoint: tuple[str, ...]
    """Replaces the image's entry point; empty keeps it."""
    environment: Mapping[str, str]
    mounts: tuple[StepMount, ...]
    limits: Limits

    @property
    def program(self) -> tuple[str, ...]:
        """Entry point and arguments together, for runners without an image's defaults."""
        return self.entrypoint + self.command

    @property
    def outputs(self) -> tuple[StepMount, ...]:
        """The mounts the step may write to."""
        return tuple(mount for mount in self.mounts if not mount.read_only)


@dataclass(frozen=True, slots=True)
class Image:
    """A container's bytes on this machine, named by what they are."""

    container_type: ContainerType
    digest: str
    """``sha256:...``: a registry image's manifest, an archive's image config, or the archive."""
    reference: str
    """What this runner starts: an engine's image id, or a path."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a runner works on this machine, why not, and what it would enforce."""

    ok: bool
    reason: str
    isolation: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended by itself."""

    exit_code: int
    started_at: datetime
    ended_at: datetime
    runner: str
    isolation: Mapping[str, str]
    log_path: Path
    peak_memory_bytes: int | None = None
    """The most memory the step was seen to hold; ``None`` where the machine does not say."""


class Runner(Protocol):
    """See the module's text; every runner passes ``tests/runners/test_contract.py``."""

    @property
    def name(self) -> str:
        """``docker``, ``podman``, ``apptainer``, ``sandbox`` or ``fake``."""
        ...

    @property
    def container_types(self) -> frozenset[ContainerType]:
        """The container types this runner can run."""
        ...

    def available(self) -> Availability:
        """Say whether steps can run here; the answer may be remembered."""
        ...

    def resolve(
        self, config: ContainerConfig, *, source: Path | None = None, expected: str | None = None
    ) -> Image:
        """Bring the image to this machine and find its digest.

        Args:
            config: what was registered.
            source: the fetched file (or, for ``SourceArchive``, a folder too) of every type but
                ``DockerImage``.
            expected: the digest that was promised; whatever differs is refused.

        Raises:
            DigestMismatchError: the bytes are not the promised ones.
            NotSupportedError: this runner cannot run this type (for instance an encrypted one).
            UnsafeArchiveError, MalformedFileError: the file is not a usable archive.
            SandboxUnavailableError: the engine does not answer or cannot get the image.
        """
        ...

    def run(
        self,
        image: Image,
        step: Step,
        log_path: Path,
        *,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Run one step to its end; see the module's text for what is raised when."""
        ...

    def cleanup(self, step_id: str) -> None:
        """Remove whatever is left of a step whose agent was killed; nothing left is fine too."""
        ...


def require_success(outcome: Outcome, task: str) -> Outcome:
    """Answer with ``outcome`` if the step exited with zero.

    Raises:
        StepFailedError: it did not. The message holds the exit code and never the log.
    """
    if outcome.exit_code != 0:
        raise StepFailedError(
            f"the task {task!r} ended with exit code {outcome.exit_code}",
            exit_code=outcome.exit_code,
            task=task,
        )
    return outcome
