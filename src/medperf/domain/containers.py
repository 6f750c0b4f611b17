"""The container contract as values: what a config may say, and which mounts each task has.

A config is what a container's owner writes; nothing here reads a file or starts a program. The
rules are data (``TASK_RULES``), so the documentation, the checker and the runners read one table.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MountType = Literal["file", "directory"]


class ContainerType(StrEnum):
    """How a container's bytes are delivered."""

    DOCKER_IMAGE = "DockerImage"
    DOCKER_ARCHIVE = "DockerArchive"
    SINGULARITY_FILE = "SingularityFile"
    ENCRYPTED_DOCKER_ARCHIVE = "EncryptedDockerArchive"
    ENCRYPTED_SINGULARITY_FILE = "EncryptedSingularityFile"
    SOURCE_ARCHIVE = "SourceArchive"

    @property
    def is_encrypted(self) -> bool:
        """Whether the bytes can be used only with a key that their owner releases."""
        return self.value.startswith("Encrypted")

    @property
    def is_fetched(self) -> bool:
        """Whether the bytes are a file the platform downloads (a registry serves the others)."""
        return self is not ContainerType.DOCKER_IMAGE


class Role(StrEnum):
    """What a container is for."""

    PREPARATOR = "preparator"
    MODEL = "model"
    EVALUATOR = "evaluator"
    TRAINER = "trainer"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mount(_Value):
    """One place in the container where the platform puts a file or a folder."""

    mount_path: str
    type: MountType


_GPUS = r"^(all|[0-9]+|device=[0-9A-Za-z:.-]+(,[0-9A-Za-z:.-]+)*)$"


class RunArgs(_Value):
    """How the container is started; everything else about isolation is the site's to decide."""

    command: str | tuple[str, ...] | None = None
    entrypoint: str | None = None
    shm_size: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?[bkmgBKMG]?$")] | None = None
    gpus: Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=_GPUS)] | None = None
    environment: Mapping[str, str] = Field(default_factory=dict)


class TaskSpec(_Value):
    """One entry point of a container with its read-only inputs and its writable outputs."""

    run_args: RunArgs = Field(default_factory=RunArgs)
    input_volumes: Mapping[str, Mount] = Field(default_factory=dict)
    output_volumes: Mapping[str, Mount] = Field(default_factory=dict)

    def mounts(self) -> Iterator[tuple[str, str, Mount]]:
        """Yield (``input_volumes`` or ``output_volumes``, key, mount), inputs first."""
        for key, mount in self.input_volumes.items():
            yield "input_volumes", key, mount
        for key, mount in self.output_volumes.items():
            yield "output_volumes", key, mount


class ContainerConfig(_Value):
    """A container's config, whichever file form it was written in."""

    container_type: ContainerType
    image: Annotated[str, Field(min_length=1)]
    tasks: Mapping[str, TaskSpec]
    calling: Literal["declared", "mlcube"] = "declared"
    """``declared``: start what ``run_args`` say. ``mlcube``: ``<image> <task> --<key>=<path>`` for
    each mount, then the arguments in ``run_args.command``, which name the additional files."""


class Fault(_Value):
    """One thing wrong with a config: where, what, and how to mend it."""

    path: tuple[str, ...]
    message: str
    remedy: str
    line: int | None = None

    def __str__(self) -> str:
        """Write the fault as one line a person can act on."""
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{'.'.join(self.path) or 'file'}: {self.message} ({self.remedy})"


class MountRule(_Value):
    """What the contract says about one mount key of a task."""

    required: bool = True
    type: MountType | None = None
    """The only type that works, where the contract fixes one."""
    is_newer: bool = False
    """Whether the older form may leave it out, as labels that lie with the data."""


class TaskRule(_Value):
    """The mounts a task has, and what a non-zero exit of it means."""

    roles: tuple[Role, ...]
    inputs: Mapping[str, MountRule]
    outputs: Mapping[str, MountRule]
    non_zero_exit: Literal["failed", "not-finished", "needs-attention"] = "failed"


_NEEDED = MountRule()
_MAYBE = MountRule(required=False)
_NEWER = MountRule(is_newer=True)
_FILE = MountRule(type="file")
_MAYBE_FILE = MountRule(required=False, type="file")

COMMON_INPUTS: Mapping[str, MountRule] = {
    "parameters_file": _MAYBE_FILE,
    "additional_files": MountRule(required=False, type="directory"),
}
"""Inputs every task may ask for."""

TASK_RULES: Mapping[str, TaskRule] = {
    "prepare": TaskRule(
        roles=(Role.PREPARATOR,),
        inputs={"data_path": _NEEDED, "labels_path": _NEEDED},
        outputs={
            "output_path": _NEEDED,
            "output_labels_path": _NEWER,
            "metadata_path": _MAYBE,
            "report_file": _MAYBE_FILE,
        },
        non_zero_exit="not-finished",
    ),
    "sanity_check": TaskRule(
        roles=(Role.PREPARATOR,),
        inputs={"data_path": _NEEDED, "labels_path": _NEWER, "metadata_path": _MAYBE},
        outputs={},
        non_zero_exit="needs-attention",
    ),
    "statistics": TaskRule(
        roles=(Role.PREPARATOR,),
        inputs={"data_path": _NEEDED, "labels_path": _NEWER, "metadata_path": _MAYBE},
        outputs={"output_path": _FILE},
    ),
    "infer": TaskRule(
        roles=(Role.MODEL,),
        inputs={"data_path": _NEEDED},
        outputs={"output_path": MountRule(type="directory")},
    ),
    "evaluate": TaskRule(
        roles=(Role.EVALUATOR,),
        inputs={"predictions": _NEEDED, "labels": _NEEDED},
        outputs={"output_path": _FILE, "local_outputs_path": _MAYBE},
    ),
    "run_script": TaskRule(
        roles=(Role.EVALUATOR,),
        inputs={"data_path": _NEEDED, "labels_path": _NEEDED, "model_files": _NEEDED},
        outputs={"results_path": MountRule(type="directory")},
    ),
}

ROLE_TASKS: Mapping[Role, tuple[tuple[str, ...], ...]] = {
    Role.PREPARATOR: (("prepare",), ("sanity_check",), ("statistics",)),
    Role.MODEL: (("infer",),),
    Role.EVALUATOR: (("evaluate", "run_script"),),
    Role.TRAINER: (),
}
"""For each role, the tasks it must have; of the names in one tuple, one is enough."""

CONVENTIONAL_ROOT = "/mlcommons/volumes"
_RESERVED = ("/proc", "/sys", "/dev")


def faults(config: ContainerConfig, role: Role | None = None) -> list[Fault]:
    """Everything in ``config`` that breaks the contract, in the order it is written.

    With a ``role``, the tasks that the role needs must be there too.
    """
    found = [] if role is None else list(_role_faults(config, role))
    if not config.tasks:
        found.append(
            Fault(path=("tasks",), message="there is no task", remedy="declare at least one task")
        )
    for name, task in config.tasks.items():
        found += _task_faults(name, task, config)
    return found


def _role_faults(config: ContainerConfig, role: Role) -> Iterator[Fault]:
    for names in ROLE_TASKS[role]:
        if not any(name in config.tasks for name in names):
            wanted = " or ".join(repr(name) for name in names)
            yield Fault(
                path=("tasks",),
                message=f"a {role} needs the task {wanted}",
                remedy=f"add it under 'tasks', or register it in another role than {role}",
            )


def _task_faults(name: str, task: TaskSpec, config: ContainerConfig) -> Iterator[Fault]:
    where = ("tasks", name)
    if not (task.input_volumes or task.output_volumes):
        yield Fault(
            path=where,
            message="the task is empty",
            remedy="declare its input_volumes and output_volumes",
        )
        return
    if config.container_type is ContainerType.SOURCE_ARCHIVE and not (
        task.run_args.command or task.run_args.entrypoint
    ):
        yield Fault(
            path=where,
            message="a SourceArchive has no image that knows what to start",
            remedy="add run_args.command, for instance 'python main.py'",
        )
    yield from _path_faults(where, task)
    rule = TASK_RULES.get(name)
    if rule is not None:
        inputs = {**rule.inputs, **COMMON_INPUTS}
        is_older = config.calling == "mlcube"
        for section, mounts, rules in (
            ("input_volumes", task.input_volumes, inputs),
            ("output_volumes", task.output_volumes, rule.outputs),
        ):
            yield from _key_faults((*where, section), mounts, rules, is_older=is_older)


def _path_faults(where: tuple[str, ...], task: TaskSpec) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for section, key, mount in task.mounts():
        at = (*where, section, key, "mount_path")
        path = PurePosixPath(mount.mount_path)
        if not path.is_absolute():
            yield Fault(
                path=at,
                message=f"{mount.mount_path!r} is a relative path",
                remedy=f"write it from the root, for instance {CONVENTIONAL_ROOT}/{key}",
            )
        elif ".." in path.parts:
            yield Fault(
                path=at,
                message=f"{mount.mount_path!r} climbs out with '..'",
                remedy="write the path it means, without '..'",
            )
        elif path == PurePosixPath("/") or any(path.is_relative_to(p) for p in _RESERVED):
            yield Fault(
                path=at,
                message=f"{mount.mount_path!r} belongs to the container's system",
                remedy=f"choose another path, for instance {CONVENTIONAL_ROOT}/{key}",
            )
        elif str(path) in seen:
            yield Fault(
                path=at,
                message=f"{mount.mount_path!r} is the mount path of {seen[str(path)]} too",
                remedy="give each mount its own path",
            )
        seen.setdefault(str(path), key)


def _key_faults(
    where: tuple[str, ...],
    mounts: Mapping[str, Mount],
    rules: Mapping[str, MountRule],
    *,
    is_older: bool,
) -> Iterator[Fault]:
    known = ", ".join(rules) or "none"
    for key, mount in mounts.items():
        rule = rules.get(key)
        if rule is None:
            yield Fault(
                path=(*where, key),
                message=f"the task has no mount {key!r}",
                remedy=f"use one of: {known}",
            )
        elif rule.type is not None and mount.type != rule.type:
            yield Fault(
                path=(*where, key, "type"),
                message=f"{key!r} is a {rule.type}, not a {mount.type}",
                remedy=f"write type: {rule.type}",
            )
    for key, rule in rules.items():
        if rule.required and key not in mounts and not (is_older and rule.is_newer):
            yield Fault(
                path=where, message=f"the mount {key!r} is missing", remedy=f"declare {key!r}"
            )
