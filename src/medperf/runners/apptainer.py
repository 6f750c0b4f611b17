"""Run a ``SingularityFile`` with Apptainer, as clusters do: no daemon, one file per image."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from medperf.domain.clock import Clock, system_clock
from medperf.domain.containers import ContainerConfig, ContainerType
from medperf.domain.errors import (
    DigestMismatchError,
    InvalidRequestError,
    NotSupportedError,
    SandboxUnavailableError,
)
from medperf.runners import identity
from medperf.runners.archives import digest_of
from medperf.runners.base import Availability, Image, Outcome, Step, StepMount
from medperf.runners.mounts import csv_line
from medperf.runners.outputs import delete
from medperf.runners.processes import descendants_of, load_of
from medperf.runners.supervision import BoundedLog, supervise, sweep_all

_NOT_STARTED = 255
_SAYS_FATAL = b"FATAL: "
_LAST_BYTES = 2000


class ApptainerRunner:
    """Apptainer on this machine; see the contract in :mod:`medperf.runners.base`."""

    name = "apptainer"
    container_types = frozenset({ContainerType.SINGULARITY_FILE})

    def __init__(
        self, folder: Path, *, program: str = "apptainer", clock: Clock = system_clock
    ) -> None:
        """Keep the temporary folders of running steps below ``folder``."""
        self._steps = folder / "steps"
        self._program = program
        self._clock = clock
        self._images: dict[tuple[object, ...], Image] = {}

    def available(self) -> Availability:
        """Whether the program is there."""
        try:
            answer = subprocess.run(
                [self._program, "--version"],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
                stdin=subprocess.DEVNULL,
            )
        except (FileNotFoundError, PermissionError):
            # The latter also where one folder of the PATH is closed to this user.
            return Availability(ok=False, reason=f"{self._program} is not installed")
        except (OSError, subprocess.SubprocessError) as error:
            return Availability(ok=False, reason=f"{self._program} does not answer: {error}")
        return Availability(ok=True, reason=answer.stdout.strip(), isolation=_isolation("none"))

    def resolve(
        self, config: ContainerConfig, *, source: Path | None = None, expected: str | None = None
    ) -> Image:
        """The image is the file; its digest is the file's."""
        if config.container_type not in self.container_types:
            raise NotSupportedError(f"apptainer does not run a {config.container_type}")
        if source is None:
            raise InvalidRequestError(f"{config.image} was not fetched before it was resolved")
        stat = source.stat()
        key = (source, stat.st_size, stat.st_mtime_ns, stat.st_ino)
        if key not in self._images:
            image = Image(config.container_type, digest_of(source), str(source.resolve()))
            self._images[key] = image
        image = self._images[key]
        if expected is not None and image.digest != expected:
            raise DigestMismatchError(f"the image is {image.digest}, promised was {expected}")
        return image

    def run(
        self,
        image: Image,
        step: Step,
        log_path: Path,
        *,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Run one step in a container of its own."""
        scratch = self._steps / step.step_id
        self.cleanup(step.step_id)
        scratch.mkdir(parents=True)
        started_at = self._clock()
        try:
            with (
                BoundedLog(log_path, step.limits.log_bytes) as log,
                subprocess.Popen(
                    [self._program, *self.arguments(image, step, scratch)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    bufsize=0,
                ) as process,
            ):
                ended = supervise(
                    process,
                    step,
                    log,
                    kill=lambda: _kill(process.pid),
                    cancel=cancel,
                    probe=lambda: load_of(process.pid, step.limits.memory_bytes),
                    also_written=(scratch,),
                )
        except OSError as error:
            raise SandboxUnavailableError(f"{self._program} did not start: {error}") from error
        finally:
            self.cleanup(step.step_id)
        if ended.exit_code == _NOT_STARTED and (reason := _fatal(log_path)):
            raise SandboxUnavailableError(f"{self._program} could not start it: {reason}")
        sweep_all(step)
        return Outcome(
            exit_code=ended.exit_code,
            started_at=started_at,
            ended_at=self._clock(),
            runner=self.name,
            isolation=_isolation(step.limits.gpus or "none"),
            log_path=log_path,
            peak_memory_bytes=ended.peak_memory_bytes or None,
        )

    def cleanup(self, step_id: str) -> None:
        """Remove the step's temporary folder."""
        with suppress(OSError):
            delete(self._steps / step_id)

    def arguments(self, image: Image, step: Step, scratch: Path) -> list[str]:
        """The whole command line, without the program."""
        arguments = [
            "exec" if step.entrypoint else "run",
            "--containall",
            "--cleanenv",
            "--no-home",
            "--no-privs",
            "--net",
            "--network=none",
            f"--workdir={scratch}",
            *(["--nv"] if step.limits.gpus else []),
        ]
        arguments += [f"--mount={_mount(mount)}" for mount in step.mounts]
        variables = dict(step.environment)
        if step.limits.gpus not in {"", "all"}:
            variables["CUDA_VISIBLE_DEVICES"] = step.limits.gpus
        arguments += [
            part for key, value in variables.items() for part in ("--env", f"{key}={value}")
        ]
        return [*arguments, image.reference, *step.program]


def _mount(mount: StepMount) -> str:
    fields = ["type=bind", f"source={mount.source}", f"destination={mount.target}"]
    return csv_line([*fields, "ro"] if mount.read_only else fields)


def _kill(process: int) -> None:
    for target in (*descendants_of(process), process):
        with suppress(ProcessLookupError):
            os.kill(target, signal.SIGKILL)


def _fatal(log_path: Path) -> str:
    """Apptainer's own last words, if it never started the container."""
    with log_path.open("rb") as log:
        words = log.read(_LAST_BYTES)
    return words.decode(errors="replace").strip() if words.startswith(_SAYS_FATAL) else ""


def _isolation(gpus: str) -> Mapping[str, str]:
    return {
        "kind": "container",
        "engine": "apptainer",
        "filesystem": "own read-only root",
        "inputs": "read-only",
        "network": "none",
        "processes": "own namespace",
        "user": identity.describe(identity.caller()),
        "capabilities": "none",
        "new_privileges": "none",
        "memory": "watched",
        "pids": "watched",
        "cpus": "not limited",
        "time": "limited",
        "output": "watched",
        "gpus": gpus,
    }
