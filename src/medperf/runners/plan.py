"""From a config and folders to a step: check inputs, create outputs, work out what is started.

Besides what the config says, every step finds ``MEDPERF_<KEY>`` in its environment for each mount
(``MEDPERF_DATA_PATH=/mlcommons/volumes/data``), so that code need not repeat the config's paths.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from medperf.domain.containers import TASK_RULES, ContainerConfig, Mount, RunArgs, TaskSpec
from medperf.domain.errors import (
    ContainerConfigError,
    EmptyInputError,
    InvalidRequestError,
    NotSupportedError,
)
from medperf.runners.base import Limits, Step, StepMount

_UNITS = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def plan_step(
    config: ContainerConfig,
    task: str,
    *,
    step_id: str,
    inputs: Mapping[str, Path],
    outputs: Mapping[str, Path],
    limits: Limits,
    parameters_file: Path | None = None,
    additional_files: Path | None = None,
) -> Step:
    """Plan one task on given paths; missing output files and folders are created.

    Args:
        config: the container's config.
        task: which of its tasks.
        step_id: unique per attempt; letters, digits, ``.``, ``_`` and ``-``.
        inputs: the host path of each input key; keys that the task does not declare are ignored.
        outputs: the same for the outputs; existing content stays, so a container can resume.
        limits: what the site allows.
        parameters_file: the registered parameters as YAML, if there are any.
        additional_files: the unpacked additional files, if there are any.

    Raises:
        NotSupportedError: the container is encrypted.
        ContainerConfigError: there is no such task.
        EmptyInputError: an input is missing or holds nothing.
        InvalidRequestError: a needed path was not given, or is a file where a folder is declared.
    """
    if config.container_type.is_encrypted:
        raise NotSupportedError(
            f"{config.container_type} cannot run yet: nothing releases its key to this site"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}", step_id):
        raise InvalidRequestError(f"{step_id!r} cannot name a step")
    spec = config.tasks.get(task)
    if spec is None:
        raise ContainerConfigError(
            f"the container has no task {task!r}; it has {', '.join(config.tasks) or 'none'}"
        )
    extra = {"parameters_file": parameters_file, "additional_files": additional_files}
    available = {**{key: path for key, path in extra.items() if path is not None}, **inputs}
    mounts = (
        *_inputs(task, spec, available, may_be_empty=frozenset(extra)),
        *_outputs(task, spec, outputs),
    )
    entrypoint, command = _program(config, task, spec, mounts)
    allowed = _grant(spec.run_args, limits)
    return Step(
        step_id=step_id,
        task=task,
        command=command,
        entrypoint=entrypoint,
        environment=_environment(spec.run_args, mounts, allowed),
        mounts=mounts,
        limits=allowed,
    )


def write_parameters(values: Mapping[str, Any], place: Path) -> Path:
    """Write registered parameters as the file that a container finds, the same everywhere."""
    place.write_text(yaml.safe_dump(dict(values), sort_keys=False), encoding="utf-8")
    return place


def parse_size(text: str) -> int:
    """Read a size as Docker writes it, ``8g`` or ``512m``, in bytes."""
    number, unit = (text[:-1], text[-1].lower()) if text[-1].isalpha() else (text, "b")
    return int(float(number) * _UNITS[unit])


def _inputs(
    task: str, spec: TaskSpec, given: Mapping[str, Path], *, may_be_empty: frozenset[str]
) -> Iterator[StepMount]:
    for key, mount in spec.input_volumes.items():
        path = given.get(key)
        if path is None:
            _refuse_if_needed(task, key, TASK_RULES[task].inputs if task in TASK_RULES else {})
            continue
        source = _existing(key, path, mount)
        if key not in may_be_empty and _is_empty(source):
            raise EmptyInputError(f"the input {key!r} of {task!r} holds nothing: {path}")
        yield StepMount(key, source, mount.mount_path, read_only=True, type=mount.type)


def _outputs(task: str, spec: TaskSpec, given: Mapping[str, Path]) -> Iterator[StepMount]:
    for key, mount in spec.output_volumes.items():
        path = given.get(key)
        if path is None:
            _refuse_if_needed(task, key, TASK_RULES[task].outputs if task in TASK_RULES else {})
            continue
        if path.is_symlink():
            raise InvalidRequestError(f"the output {key!r} of {task!r} is a link: {path}")
        if mount.type == "directory":
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(exist_ok=True)
        source = _existing(key, path, mount)
        yield StepMount(key, source, mount.mount_path, read_only=False, type=mount.type)


def _refuse_if_needed(task: str, key: str, rules: Mapping[str, object]) -> None:
    rule = rules.get(key)
    if getattr(rule, "required", False):
        raise InvalidRequestError(f"no path was given for {key!r}, which {task!r} needs")


def _existing(key: str, path: Path, mount: Mount) -> Path:
    try:
        source = path.resolve(strict=True)
    except OSError as error:
        raise EmptyInputError(f"{key!r} does not exist: {path}") from error
    if source.is_dir() != (mount.type == "directory"):
        raise InvalidRequestError(f"{key!r} is declared as a {mount.type}, {path} is not one")
    return source


def _is_empty(path: Path) -> bool:
    if path.is_dir():
        with os.scandir(path) as entries:
            return next(entries, None) is None
    return path.stat().st_size == 0


def _program(
    config: ContainerConfig, task: str, spec: TaskSpec, mounts: tuple[StepMount, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    run = spec.run_args
    entrypoint = tuple(shlex.split(run.entrypoint)) if run.entrypoint else ()
    if config.calling == "mlcube":
        further = shlex.split(run.command) if isinstance(run.command, str) else run.command or ()
        # Further arguments say where in the additional files something is, by keys of their own.
        told = [mount for mount in mounts if not (further and mount.key == "additional_files")]
        arguments = (*(f"--{mount.key}={mount.target}" for mount in told), *further)
        # An entry point of the task's own knows its task and is not told its name.
        return entrypoint, arguments if entrypoint else (task, *arguments)
    if isinstance(run.command, str):
        return entrypoint, tuple(shlex.split(run.command))
    return entrypoint, tuple(run.command or ())


def _grant(run: RunArgs, limits: Limits) -> Limits:
    """What the config asks for, within what the site allows."""
    shm_bytes = parse_size(run.shm_size) if run.shm_size else limits.shm_bytes
    return replace(
        limits, shm_bytes=min(shm_bytes, limits.memory_bytes), gpus=_gpus(run.gpus, limits.gpus)
    )


def _gpus(wanted: int | str | None, allowed: str) -> str:
    if not wanted or not allowed:
        return ""
    if isinstance(wanted, str) and wanted.isdecimal():
        wanted = int(wanted)
    if isinstance(wanted, int):
        numbers = [str(n) for n in range(wanted)] if allowed == "all" else allowed.split(",")
        return ",".join(numbers[:wanted])
    if wanted == "all" or allowed == "all":
        return allowed if wanted == "all" else wanted.removeprefix("device=")
    both = set(wanted.removeprefix("device=").split(",")) & set(allowed.split(","))
    return ",".join(sorted(both))


def _environment(run: RunArgs, mounts: tuple[StepMount, ...], limits: Limits) -> Mapping[str, str]:
    threads = str(max(1, int(limits.cpus)))
    return {
        "HOME": "/tmp",  # noqa: S108  # the one place a step may write besides its outputs
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        **run.environment,
        **{f"MEDPERF_{mount.key.upper()}": mount.target for mount in mounts},
    }
