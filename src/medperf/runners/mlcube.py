"""The older ``mlcube.yaml`` as the present contract: same tasks, same keys, called in its own way.

Its paths name places in a ``workspace/`` folder beside the file, which a site does not have: each
key gets a place of its own inside the container instead, and the call tells the image where. A key
may name a path below ``additional_files/`` (``weights: additional_files/weights.pt``): then these
are mounted as a whole, and the call says where in them it is.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from medperf.domain.containers import ContainerType, Fault

_FILES = frozenset({"parameters_file", "report_file"})
"""Keys that are files even when the path does not look like one."""
_ADDITIONAL = "additional_files"
_ROOT = "/mlcube_io"
_SHM_SIZE = re.compile(r"--shm-size[= ]([0-9.]+[bkmgBKMG]?)")
_GPUS = re.compile(r"--gpus[= ]['\"]*([^\s'\"]+)")


def to_contract(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """Convert the parsed file; with faults the first value is not usable."""
    found: list[Fault] = []
    section = data.get("docker") or data.get("singularity")
    image = section.get("image") if isinstance(section, dict) else None
    if not isinstance(image, str) or not image:
        found.append(
            Fault(path=("docker",), message="no image is named", remedy="add docker.image")
        )
    tasks = data.get("tasks")
    if not isinstance(tasks, dict):
        found.append(
            Fault(path=("tasks",), message="tasks is not a mapping", remedy="write 'tasks:'")
        )
        tasks = {}
    machine = _machine_args(data)
    converted = {str(name): _task(str(name), task, machine, found) for name, task in tasks.items()}
    is_docker = bool(data.get("docker"))
    kind = ContainerType.DOCKER_IMAGE if is_docker else ContainerType.SINGULARITY_FILE
    return {
        "container_type": kind,
        "image": image,
        "tasks": converted,
        "calling": "mlcube",
    }, found


def as_written(fault: Fault) -> Fault:
    """Name the place of a fault as the older file does."""
    sides = {"input_volumes": ("parameters", "inputs"), "output_volumes": ("parameters", "outputs")}
    path = tuple(part for name in fault.path for part in sides.get(name, (name,)))
    return fault.model_copy(update={"path": path})


def _machine_args(data: Mapping[str, Any]) -> dict[str, Any]:
    """Which GPUs and how much shared memory are asked for; a site decides on everything else."""
    section, platform = data.get("docker"), data.get("platform")
    count = platform.get("accelerator_count") if isinstance(platform, dict) else None
    has_gpus = isinstance(count, int) and count > 0
    texts = section if isinstance(section, dict) else {}
    # `gpu_args` counts where there are accelerators; many files write it with a count of 0.
    options = " ".join(str(texts.get(name) or "") for name in ("gpu_args", "cpu_args"))
    found: dict[str, Any] = {}
    if named := _GPUS.search(options):
        found["gpus"] = named[1]
    elif has_gpus or "--runtime=nvidia" in options:
        found["gpus"] = count if has_gpus else "all"
    if size := _SHM_SIZE.search(options):
        found["shm_size"] = size[1]
    return found


def _task(name: str, task: Any, machine: Mapping[str, Any], found: list[Fault]) -> dict[str, Any]:
    where = ("tasks", name)
    parameters = task.get("parameters") if isinstance(task, dict) else None
    if not isinstance(parameters, dict):
        found.append(
            Fault(
                path=where, message="the task has no parameters", remedy="add 'parameters:' to it"
            )
        )
        return {}
    run_args: dict[str, Any] = dict(machine)
    if task.get("entrypoint"):
        run_args["entrypoint"] = task["entrypoint"]
    inputs = _mounts(where, "inputs", parameters, found)
    below = _below_additional_files(parameters)
    if set(below) - {_ADDITIONAL}:
        place = f"{_ROOT}/inputs/{_ADDITIONAL}"
        inputs = {key: mount for key, mount in inputs.items() if key not in below}
        inputs[_ADDITIONAL] = {"mount_path": place, "type": "directory"}
        run_args["command"] = [
            f"--{key}={PurePosixPath(place, path)}" for key, path in below.items()
        ]
    return {
        "run_args": run_args,
        "input_volumes": inputs,
        "output_volumes": _mounts(where, "outputs", parameters, found),
    }


def _below_additional_files(parameters: Mapping[str, Any]) -> dict[str, PurePosixPath]:
    """The keys that name the additional files or something in them, and what."""
    found = {}
    inputs = parameters.get("inputs")
    for key, value in (inputs if isinstance(inputs, dict) else {}).items():
        default = value.get("default") if isinstance(value, dict) else value
        path = PurePosixPath(default if isinstance(default, str) else "")
        if key == _ADDITIONAL:
            path = PurePosixPath(_ADDITIONAL)
        if path.parts[:1] == (_ADDITIONAL,) and ".." not in path.parts:
            found[str(key)] = path.relative_to(_ADDITIONAL)
    return found


def _mounts(
    where: tuple[str, ...], side: str, parameters: Mapping[str, Any], found: list[Fault]
) -> dict[str, Any]:
    mounts: dict[str, Any] = {}
    values = parameters.get(side) or {}
    if not isinstance(values, dict):
        at = (*where, "parameters", side)
        remedy = "write 'key: path' lines"
        found.append(Fault(path=at, message=f"{side} is not a mapping", remedy=remedy))
        return {}
    for key, value in values.items():
        at = (*where, "parameters", side, str(key))
        default = value.get("default") if isinstance(value, dict) else value
        if not isinstance(default, str) or not default:
            found.append(Fault(path=at, message="no path is given", remedy="write a path"))
            continue
        declared = value.get("type") if isinstance(value, dict) else None
        is_file = declared == "file" or (
            declared != "directory"
            and not default.endswith("/")
            and (key in _FILES or bool(PurePosixPath(default).suffix))
        )
        place = f"{_ROOT}/{side}/{key}"
        mounts[str(key)] = {
            "mount_path": f"{place}/{PurePosixPath(default).name}" if is_file else place,
            "type": "file" if is_file else "directory",
        }
    return mounts
