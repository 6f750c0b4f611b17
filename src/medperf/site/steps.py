"""Run one task of a registered container at this site: preparation, execution and tests alike.

The container's bytes are fetched and checked, its parameters and additional files put beside them,
and the chosen runner runs the task. What comes back is the outcome, or an error whose message says
where the log is and never what it says. Outputs are swept before anyone reads them, and a task
that ended well without leaving its outputs has failed.
"""

import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from medperf.domain.container_records import Container
from medperf.domain.containers import TASK_RULES, ContainerConfig, TaskSpec
from medperf.domain.errors import (
    ContainerConfigError,
    DigestMismatchError,
    EmptyInputError,
    MalformedFileError,
    MedPerfError,
    StepFailedError,
    StepOutputError,
)
from medperf.domain.wire import first_fault
from medperf.runners.base import Image, Limits, Outcome, Runner, StepMount, require_success
from medperf.runners.outputs import sweep
from medperf.runners.plan import plan_step, write_parameters
from medperf.runners.selection import RunnerSet
from medperf.site.assets import Assets
from medperf.site.data_files import holds_files
from medperf.site.disk import RESERVE_BYTES, disk_errors, require_space

_MUST_BE_FILLED: Mapping[str, frozenset[str]] = {
    "prepare": frozenset({"output_path", "output_labels_path"}),
    "statistics": frozenset({"output_path"}),
    "infer": frozenset({"output_path"}),
    "evaluate": frozenset({"output_path"}),
    "run_script": frozenset({"results_path"}),
}
"""Outputs that a task which ended well has written, whatever it found."""


@dataclass(frozen=True, slots=True)
class ReadyContainer:
    """A container whose bytes are on this machine and are the registered ones."""

    record: Container
    config: ContainerConfig
    runner: Runner
    image: Image
    additional_files: Path | None


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a task ended, and the image that ran."""

    outcome: Outcome
    image_digest: str


class Steps:
    """Runs tasks with a site's runners and a site's assets."""

    def __init__(
        self,
        runners: RunnerSet,
        assets: Assets,
        work: Path,
        *,
        runner_name: str | None = None,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        """Keep what a step needs for the moment below ``work``.

        ``runner_name`` is the runner the site's settings ask for, None for the strongest.
        """
        self._runners = runners
        self._assets = assets
        self._work = work
        self._runner_name = runner_name
        self._reserve_bytes = reserve_bytes

    def ready(
        self, container: Container, *, cancel: threading.Event | None = None
    ) -> ReadyContainer:
        """Bring a container here and check that its bytes are the registered ones.

        Raises:
            DigestMismatchError: they are not.
            NotSupportedError, SandboxUnavailableError: nothing here can run it.
            MedPerfError: as ``Assets.file`` and ``Runner.resolve``.
        """
        config = config_of(container)
        runner = self._runners.choose(config.container_type, self._runner_name)
        source = self._assets.image_source(config, container.image_digest, cancel=cancel)
        try:
            image = runner.resolve(config, source=source, expected=container.image_digest)
        except (DigestMismatchError, MalformedFileError):
            if source is not None:
                self._assets.forget_image(config, container.image_digest)
            raise
        files = container.additional_files
        folder = self._assets.folder(files, cancel=cancel) if files else None
        return ReadyContainer(container, config, runner, image, folder)

    def run(
        self,
        container: Container | ReadyContainer,
        task: str,
        *,
        step_id: str,
        inputs: Mapping[str, Path],
        outputs: Mapping[str, Path],
        log_path: Path,
        limits: Limits,
        cancel: threading.Event | None = None,
    ) -> StepResult:
        """Run one task to its end.

        A folder may be given where the config declares a file: an input is then the only file in
        it, an output gets the name it has in the container.

        Args:
            container: as registered, or made ready before.
            task: which of its tasks.
            step_id: unique per attempt; letters, digits, ``.``, ``_`` and ``-``.
            inputs: the path of each input key; keys that the config does not declare are ignored.
            outputs: the same for outputs; what they hold stays, so that a container can resume.
            log_path: where its output goes; it is overwritten, and it stays at the site.
            limits: what the step may use.
            cancel: set it to stop the step.

        Returns:
            The outcome; with an exit code that is not zero only where the contract gives it a
            meaning (``prepare``, ``sanity_check``).

        Raises:
            StepFailedError: or a class below it: the container failed; the message names the log.
            StepOutputError: it ended well and left no usable output, or something that is no file.
            EmptyInputError: an input is missing or empty.
            DiskFullError: there is too little space to begin, or none was left on the way.
            CancelledError: ``cancel`` was set.
            MedPerfError: as :meth:`ready`.
        """
        ready = container if isinstance(container, ReadyContainer) else self.ready(container)
        require_space(self._work, reserve_bytes=self._reserve_bytes)
        log_path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self._work / step_id
        shutil.rmtree(scratch, ignore_errors=True)  # left by an agent that was killed
        scratch.mkdir(parents=True)
        try:
            with disk_errors(self._work):
                return self._run(
                    ready, task, step_id, inputs, outputs, log_path, limits, cancel, scratch
                )
        except StepFailedError as error:
            raise _with_log(error, ready.record, log_path) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def cleanup(self, container: Container, step_id: str) -> None:
        """Remove what a step left behind whose agent was killed; nothing left is fine too."""
        shutil.rmtree(self._work / step_id, ignore_errors=True)
        kind = config_of(container).container_type
        self._runners.choose(kind, self._runner_name).cleanup(step_id)

    def _run(
        self,
        ready: ReadyContainer,
        task: str,
        step_id: str,
        inputs: Mapping[str, Path],
        outputs: Mapping[str, Path],
        log_path: Path,
        limits: Limits,
        cancel: threading.Event | None,
        scratch: Path,
    ) -> StepResult:
        spec = ready.config.tasks.get(task, TaskSpec())
        step = plan_step(
            ready.config,
            task,
            step_id=step_id,
            inputs={key: _input(spec, key, path) for key, path in inputs.items()},
            outputs={key: _output(spec, key, path) for key, path in outputs.items()},
            limits=limits,
            parameters_file=_parameters(spec, ready.record, scratch),
            additional_files=ready.additional_files or _no_files(spec, scratch),
        )
        try:
            outcome = ready.runner.run(ready.image, step, log_path, cancel=cancel)
        except BaseException as error:
            with suppress(MedPerfError, OSError):
                _sweep(step.outputs)
            if not isinstance(error, MedPerfError):
                ready.runner.cleanup(step_id)  # for instance Ctrl-C: nothing may go on running
            raise
        _sweep(step.outputs)
        rule = TASK_RULES.get(task)
        if rule is None or rule.non_zero_exit == "failed":
            require_success(outcome, task)
        if outcome.exit_code == 0:
            _require_filled(task, step.outputs)
        return StepResult(outcome, ready.image.digest)


def config_of(container: Container) -> ContainerConfig:
    """The config of a registered container as values.

    Raises:
        ContainerConfigError: what is registered is no config.
    """
    try:
        return ContainerConfig.model_validate(container.config)
    except ValidationError as error:
        raise ContainerConfigError(
            f"the config of container {container.name!r} is wrong at {first_fault(error)}"
        ) from error


def _parameters(spec: TaskSpec, record: Container, scratch: Path) -> Path | None:
    """The registered parameters as a file, where the task asks for them; none: an empty table."""
    if "parameters_file" not in spec.input_volumes:
        return None
    return write_parameters(record.parameters or {}, scratch / "parameters_file.yaml")


def _no_files(spec: TaskSpec, scratch: Path) -> Path | None:
    """An empty folder, where the task asks for additional files and none are registered."""
    if "additional_files" not in spec.input_volumes:
        return None
    place = scratch / "additional_files"
    place.mkdir()
    return place


def _input(spec: TaskSpec, key: str, path: Path) -> Path:
    mount = spec.input_volumes.get(key)
    if mount is None or mount.type != "file" or not path.is_dir():
        return path
    files = list(path.iterdir())
    if len(files) != 1:
        raise EmptyInputError(f"the input {key!r} is one file, {path} holds {len(files)}")
    return files[0]


def _output(spec: TaskSpec, key: str, path: Path) -> Path:
    mount = spec.output_volumes.get(key)
    if mount is None or mount.type != "file" or not path.is_dir():
        return path
    return path / Path(mount.mount_path).name


def _sweep(outputs: tuple[StepMount, ...]) -> None:
    for mount in outputs:
        sweep(mount.source)


def _require_filled(task: str, outputs: tuple[StepMount, ...]) -> None:
    for mount in outputs:
        if mount.key not in _MUST_BE_FILLED.get(task, ()):
            continue
        filled = mount.source.stat().st_size if mount.type == "file" else holds_files(mount.source)
        if not filled:
            raise StepOutputError(
                f"the task {task!r} ended well and left {mount.key!r} empty", output=mount.key
            )


def _with_log(error: StepFailedError, record: Container, log_path: Path) -> StepFailedError:
    """The same error, saying whose container it was and where a person finds the log."""
    return type(error)(
        f"{error.detail} (container {record.name!r}, version {record.version});"
        f" its log is {log_path}",
        hint=error.advice,
        **{**error.context, "log": str(log_path), "container_id": record.id},
    )
