"""The older ``mlcube.yaml`` as the present contract: same tasks, same keys, called in its own way.

Its paths name places in a ``workspace/`` folder beside the file, which a site does not have: each
key gets a place of its own inside the container instead, and the call tells the image where.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from medperf.domain.containers import ContainerType, Fault

_FILES = frozenset({"parameters_file", "report_file"})
"""Keys that are files even when the path does not look like one."""


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
    converted = {str(name): _task(str(name), task, section, found) for name, task in tasks.items()}
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


def _task(name: str, task: Any, section: Any, found: list[Fault]) -> dict[str, Any]:
    where = ("tasks", name)
    parameters = task.get("parameters") if isinstance(task, dict) else None
    if not isinstance(parameters, dict):
        found.append(
            Fault(
                path=where, message="the task has no parameters", remedy="add 'parameters:' to it"
            )
        )
        return {}
    run_args: dict[str, Any] = {}
    if task.get("entrypoint"):
        run_args["entrypoint"] = task["entrypoint"]
    if isinstance(section, dict) and "--gpus" in str(section.get("gpu_args", "")):
        run_args["gpus"] = "all"
    return {
        "run_args": run_args,
        "input_volumes": _mounts(where, "inputs", parameters, found),
        "output_volumes": _mounts(where, "outputs", parameters, found),
    }


def _mounts(
    where: tuple[str, ...], side: str, parameters: Mapping[str, Any], found: list[Fault]
) -> dict[str, Any]:
    mounts: dict[str, Any] = {}
    for key, value in (parameters.get(side) or {}).items():
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
        place = f"/mlcube_io/{side}/{key}"
        mounts[str(key)] = {
            "mount_path": f"{place}/{PurePosixPath(default).name}" if is_file else place,
            "type": "file" if is_file else "directory",
        }
    return mounts
