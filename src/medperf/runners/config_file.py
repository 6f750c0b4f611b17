"""Read a container's config, in either of its two file forms, and say where it is wrong.

``container_config.yaml`` is the present form; ``mlcube.yaml`` the older one, converted to the same
values. Every fault carries the line it is on, so a person mends the file in one go.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from medperf.domain.containers import (
    CONVENTIONAL_ROOT,
    ContainerConfig,
    ContainerType,
    Fault,
    Role,
    RunArgs,
    faults,
)
from medperf.domain.errors import ContainerConfigError
from medperf.runners.mlcube import as_written, to_contract

MAX_BYTES = 256 * 1024
_MAX_NODES = 20_000
_TOP_KEYS = ("container_type", "image", "tasks")
_STANDING: Mapping[str, str] = {
    "container_type": ContainerType.DOCKER_IMAGE,
    "image": "missing",
    "type": "directory",
    "command": "missing",
}
"""What stands in for a value that is wrong or missing, to find what else is."""

_RUN_ARGS: Mapping[str, tuple[str, str]] = {
    "command": ("a command is a text or a list of texts", "put each argument in quotes"),
    "gpus": ("{!r} names no GPUs", 'write all, how many, or "device=0,1"'),
    "shm_size": ("{!r} is no size", "write it as in 8g or 512m"),
}


def load(path: Path, role: Role | None = None) -> ContainerConfig:
    """Read and check a config file.

    Raises:
        ContainerConfigError: it breaks the contract; the message lists every fault with its line.
    """
    return parse(_text(path), role)


def parse(text: str, role: Role | None = None) -> ContainerConfig:
    """Read and check a config.

    Raises:
        ContainerConfigError: it breaks the contract; the message lists every fault with its line.
    """
    config, found = _read(text, role)
    if config is None or found:
        lines = [str(fault) for fault in found]
        raise ContainerConfigError(
            "; ".join(lines), faults=[fault.model_dump(mode="json") for fault in found]
        )
    return config


def check(path: Path, role: Role | None = None) -> list[Fault]:
    """Every fault of a config file, in the order of its lines; an empty list means it is good."""
    try:
        text = _text(path)
    except ContainerConfigError as error:
        return [Fault(path=(), message=error.detail, remedy=error.advice)]
    return _read(text, role)[1]


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ContainerConfigError(
                f"{path.name} is larger than a config can be", hint="Check the path."
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContainerConfigError(
            f"{path} cannot be read as text: {error}", hint="Check the path."
        ) from error


def _read(text: str, role: Role | None) -> tuple[ContainerConfig | None, list[Fault]]:
    document = _Document()
    try:
        data = document.load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        message = f"this is not YAML: {error.problem or error}"
        return None, [Fault(path=(), message=message, remedy="correct the line", line=line)]
    except (yaml.YAMLError, RecursionError) as error:
        is_deep = isinstance(error, RecursionError)
        message = f"this is not YAML: {'it nests too deep, or holds itself' if is_deep else error}"
        return None, [Fault(path=(), message=message, remedy="correct the file")]
    config, found = _convert(data)
    document.faults += found
    if config is not None:
        wrong = {fault.path for fault in found}
        broken = [fault for fault in faults(config, role) if fault.path not in wrong]
        document.faults += map(as_written, broken) if config.calling == "mlcube" else broken
    return config, sorted(document.located(), key=lambda fault: fault.line or 0)


def _convert(data: Any) -> tuple[ContainerConfig | None, list[Fault]]:
    """The config, and what is wrong with its form; no config where too much is to say what else."""
    if not isinstance(data, dict):
        message = "a config is a mapping"
        return None, [Fault(path=(), message=message, remedy=f"start with {_TOP_KEYS[0]}:")]
    found: list[Fault] = []
    if _is_older(data):
        data, found = to_contract(data)
        if found:
            return None, found
    else:
        found = [_unknown((str(key),), _TOP_KEYS) for key in data if key not in _TOP_KEYS]
        data = {key: data[key] for key in data if key in _TOP_KEYS}
    try:
        return ContainerConfig.model_validate(data), found
    except ValidationError as error:
        wrong = [_translate(problem) for problem in error.errors()]
    return _readable(data, wrong), [*found, *wrong]


def _is_older(data: Mapping[str, Any]) -> bool:
    if "container_type" in data:
        return False
    tasks = data.get("tasks")
    values = tasks.values() if isinstance(tasks, dict) else ()
    has_parameters = any(isinstance(task, dict) and "parameters" in task for task in values)
    return "docker" in data or "singularity" in data or has_parameters


def _readable(data: Any, wrong: list[Fault]) -> ContainerConfig | None:
    """The config without what is wrong in its form, so that all its faults are said at once."""
    data = copy.deepcopy(data)
    try:
        for path in {fault.path for fault in wrong}:
            _mend(data, path)
        return ContainerConfig.model_validate(data)
    except (ValidationError, LookupError, TypeError):
        return None


def _mend(data: Any, path: tuple[str, ...]) -> None:
    *above, last = path
    for step in above:
        data = data[step]
    if last == "mount_path":
        data[last] = f"{CONVENTIONAL_ROOT}/missing/{above[-1]}"
    elif last in _STANDING:
        data[last] = _STANDING[last]
    else:
        del data[last]


def _translate(problem: ErrorDetails) -> Fault:
    """Say what pydantic found in the contract's words."""
    path = tuple(str(part) for part in problem["loc"])
    kind = problem["type"]
    if kind == "extra_forbidden":
        return _unknown(path, _keys_at(path))
    if kind == "missing":
        return Fault(
            path=path,
            message=f"the key {path[-1]!r} is missing",
            remedy=f"add {path[-1]}:",
        )
    if path == ("container_type",):
        known = ", ".join(ContainerType)
        message = f"unknown container type {problem['input']!r}"
        return Fault(path=path, message=message, remedy=f"use one of: {known}")
    if path[2:3] == ("run_args",) and path[3] in _RUN_ARGS:
        message, remedy = _RUN_ARGS[path[3]]  # one, whatever forms it may have
        return Fault(path=path[:4], message=message.format(problem["input"]), remedy=remedy)
    message = problem["msg"][:1].lower() + problem["msg"][1:]
    return Fault(path=path, message=message, remedy="see the container contract")


def _keys_at(path: tuple[str, ...]) -> tuple[str, ...]:
    if "run_args" in path:
        return tuple(RunArgs.model_fields)
    if "input_volumes" in path or "output_volumes" in path:
        return ("mount_path", "type")
    return ("run_args", "input_volumes", "output_volumes")


def _unknown(path: tuple[str, ...], known: tuple[str, ...]) -> Fault:
    return Fault(
        path=path,
        message=f"unknown key {path[-1]!r}",
        remedy=f"use one of: {', '.join(known)}",
    )


@dataclass(slots=True)
class _Document:
    """A YAML document as plain values, and the line of each path in it."""

    faults: list[Fault] = field(default_factory=list)
    _lines: dict[tuple[str, ...], int] = field(default_factory=dict)
    _nodes: int = 0

    def load(self, text: str) -> Any:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            return None if node is None else self._value(loader, node, ())
        finally:
            loader.dispose()

    def located(self) -> Iterator[Fault]:
        """The faults, each with the line of its path or of what holds it."""
        for fault in self.faults:
            path = fault.path
            while path and path not in self._lines:
                path = path[:-1]
            line = fault.line or self._lines.get(path, 1)
            yield fault.model_copy(update={"line": line})

    def _value(self, loader: yaml.SafeLoader, node: yaml.Node, path: tuple[str, ...]) -> Any:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise yaml.YAMLError("too large")
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(loader, node, path)
        if isinstance(node, yaml.SequenceNode):
            return [
                self._value(loader, item, (*path, str(index)))
                for index, item in enumerate(node.value)
            ]
        if path[-2:-1] == ("environment",):
            return node.value  # `DEBUG: 1` means the text "1" in an environment
        return loader.construct_object(node)

    def _mapping(
        self, loader: yaml.SafeLoader, node: yaml.MappingNode, path: tuple[str, ...]
    ) -> Mapping[str, Any]:
        written: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in written:
                line = key_node.start_mark.line + 1
                message = f"{key!r} is written twice"
                self.faults.append(
                    Fault(path=(*path, key), message=message, remedy="keep one", line=line)
                )
            written.add(key)
        loader.flatten_mapping(node)  # merges what `<<` names; what is written here wins
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            at = (*path, str(key_node.value))
            self._lines[at] = key_node.start_mark.line + 1
            found[at[-1]] = self._value(loader, value_node, at)
        return found
