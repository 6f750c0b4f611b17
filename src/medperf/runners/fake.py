"""A runner without processes: each task is a Python function, run at once in this thread.

It keeps the contract (digests, read-only inputs, limits, bounded logs, swept outputs) but isolates
nothing and says so, which lets a thousand executions be tested in seconds. Time is made up: a
function passes it with :meth:`Call.sleep`.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from medperf.domain.clock import Clock, system_clock
from medperf.domain.containers import ContainerConfig, ContainerType
from medperf.domain.errors import (
    CancelledError,
    DigestMismatchError,
    NotSupportedError,
    SandboxUnavailableError,
    StepTimedOutError,
)
from medperf.runners.base import Availability, Image, Outcome, Step
from medperf.runners.supervision import BoundedLog, sweep_all

ISOLATION: Mapping[str, str] = {"kind": "fake", "network": "not isolated"}


@dataclass(slots=True)
class Call:
    """What a function stands for a container with."""

    step: Step
    paths: Mapping[str, Path]
    """The host path of each mount key."""
    cancel: threading.Event | None
    _log: BoundedLog
    elapsed_s: float = 0.0

    def log(self, text: str) -> None:
        """Write to the step's log, as a container does to its standard output."""
        self._log.write(text.encode())

    def sleep(self, seconds: float) -> None:
        """Let made-up time pass; the time limit and a request to stop take effect here.

        Raises:
            StepTimedOutError, CancelledError: the step must end now; let it pass.
        """
        if self.cancel is not None and self.cancel.is_set():
            raise CancelledError("the step was stopped on request")
        self.elapsed_s += seconds
        if self.elapsed_s > self.step.limits.timeout_s:
            raise StepTimedOutError(f"the step ran longer than {self.step.limits.timeout_s:g} s")


Function = Callable[[Call], int | None]
"""Stands for one task; answers with the exit code, ``None`` for zero. A crash is exit code 1."""


@dataclass(slots=True)
class FakeRunner:
    """Runs registered functions instead of containers."""

    clock: Clock = system_clock
    is_available: bool = True
    runs: list[tuple[str, str]] = field(default_factory=list)
    """(image reference, task) of every run so far."""
    _functions: dict[tuple[str, str], Function] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Recorded in every outcome."""
        return "fake"

    @property
    def container_types(self) -> frozenset[ContainerType]:
        """All that a real runner could run."""
        return frozenset(kind for kind in ContainerType if not kind.is_encrypted)

    def register(self, image: str, task: str, function: Function) -> None:
        """Have ``function`` stand for ``task`` of every container whose config names ``image``."""
        self._functions[image, task] = function

    def available(self) -> Availability:
        """As the test wishes."""
        reason = "functions stand for containers" if self.is_available else "switched off"
        return Availability(ok=self.is_available, reason=reason, isolation=ISOLATION)

    def resolve(
        self,
        config: ContainerConfig,
        *,
        source: Path | None = None,  # noqa: ARG002  # there are no bytes to look at
        expected: str | None = None,
    ) -> Image:
        """Name the image by the digest of its reference: same reference, same digest."""
        if config.container_type not in self.container_types:
            raise NotSupportedError(f"{config.container_type} cannot run")
        if not any(image == config.image for image, _ in self._functions):
            raise SandboxUnavailableError(f"there is no image {config.image!r}")
        digest = digest_of_reference(config.image)
        if expected is not None and expected != digest:
            raise DigestMismatchError(f"the image is {digest}, promised was {expected}")
        return Image(config.container_type, digest, config.image)

    def run(
        self,
        image: Image,
        step: Step,
        log_path: Path,
        *,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Call the function that stands for the step."""
        function = self._functions.get((image.reference, step.task))
        if not self.is_available or function is None:
            raise SandboxUnavailableError(f"nothing stands for {step.task!r} of {image.reference}")
        self.runs.append((image.reference, step.task))
        started_at = self.clock()
        with BoundedLog(log_path, step.limits.log_bytes) as log:
            call = Call(step, {mount.key: mount.source for mount in step.mounts}, cancel, log)
            call.sleep(0)
            exit_code = _crash_is_one(function, call)
        sweep_all(step)
        return Outcome(
            exit_code=exit_code,
            started_at=started_at,
            ended_at=max(self.clock(), started_at + timedelta(seconds=call.elapsed_s)),
            runner=self.name,
            isolation=ISOLATION,
            log_path=log_path,
        )

    def cleanup(self, step_id: str) -> None:
        """Nothing outlives a function."""


def digest_of_reference(reference: str) -> str:
    """The digest under which the fake knows an image."""
    return "sha256:" + hashlib.sha256(reference.encode()).hexdigest()


def _crash_is_one(function: Function, call: Call) -> int:
    try:
        return function(call) or 0
    except (StepTimedOutError, CancelledError):
        raise
    except Exception as error:  # noqa: BLE001  # a container may fail in any way
        call.log(f"{type(error).__name__}: {error}\n")
        return 1
