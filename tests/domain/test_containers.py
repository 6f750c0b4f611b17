"""The container contract as values."""

import pytest
from pydantic import ValidationError

from medperf.domain.containers import (
    COMMON_INPUTS,
    ROLE_TASKS,
    TASK_RULES,
    ContainerConfig,
    ContainerType,
    Fault,
    Mount,
    Role,
    RunArgs,
    TaskSpec,
    faults,
)

V = "/mlcommons/volumes"


def folder(path: str) -> Mount:
    return Mount(mount_path=path, type="directory")


def config(container_type: str = "DockerImage", **tasks: TaskSpec) -> ContainerConfig:
    return ContainerConfig(container_type=container_type, image="org/name:1", tasks=tasks)


INFER = TaskSpec(
    input_volumes={"data_path": folder(f"{V}/data")},
    output_volumes={"output_path": folder(f"{V}/predictions")},
)


def messages(found: list[Fault]) -> str:
    return "\n".join(str(fault) for fault in found)


def test_a_model_as_the_contract_wants_it_has_no_fault() -> None:
    assert faults(config(infer=INFER), Role.MODEL) == []


@pytest.mark.parametrize("role", [Role.PREPARATOR, Role.MODEL, Role.EVALUATOR])
def test_a_role_needs_its_tasks(role: Role) -> None:
    other = TaskSpec(input_volumes={"x": folder("/x")})
    found = faults(config(other=other), role)
    assert [fault.path for fault in found] == [("tasks",)] * len(ROLE_TASKS[role])
    assert all(role in fault.message for fault in found)


def test_an_evaluator_may_score_predictions_or_run_the_model_itself() -> None:
    run_script = TaskSpec(
        input_volumes={key: folder(f"/in/{key}") for key in ("data_path", "labels_path", "model_files")},
        output_volumes={"results_path": folder("/results")},
    )  # fmt: skip
    assert faults(config(run_script=run_script), Role.EVALUATOR) == []


def test_a_trainers_tasks_are_not_fixed() -> None:
    assert faults(config(train=TaskSpec(input_volumes={"x": folder("/x")})), Role.TRAINER) == []


def test_no_task_is_a_fault() -> None:
    assert "there is no task" in messages(faults(config()))


def test_an_empty_task_is_a_fault() -> None:
    assert "the task is empty" in messages(faults(config(infer=TaskSpec())))


def test_source_code_must_say_what_to_start() -> None:
    assert "knows what to start" in messages(faults(config("SourceArchive", infer=INFER)))


def test_source_code_with_a_command_is_complete() -> None:
    task = INFER.model_copy(update={"run_args": RunArgs(command="python main.py")})
    assert faults(config("SourceArchive", infer=task)) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("data", "relative path"),
        ("/mlcommons/../etc", "climbs out"),
        ("/", "belongs to the container's system"),
        ("/proc/self", "belongs to the container's system"),
        ("/dev/shm", "belongs to the container's system"),
        (f"{V}/predictions/", "mount path of data_path too"),
    ],
)
def test_a_mount_path_that_cannot_work_is_a_fault(path: str, message: str) -> None:
    inputs = {"data_path": folder(path)}
    outputs = {"output_path": folder(f"{V}/predictions")}
    found = faults(config(infer=TaskSpec(input_volumes=inputs, output_volumes=outputs)))
    assert message in messages(found)


def test_a_key_the_task_does_not_have_is_a_fault_that_lists_those_it_has() -> None:
    task = INFER.model_copy(update={"input_volumes": {"dat": folder("/d")}})
    found = messages(faults(config(infer=task)))
    assert "no mount 'dat'" in found
    assert "data_path, parameters_file, additional_files" in found
    assert "'data_path' is missing" in found


def test_a_key_with_a_fixed_type_must_have_it() -> None:
    task = TaskSpec(
        input_volumes={"predictions": folder("/p"), "labels": folder("/l")},
        output_volumes={"output_path": folder("/results")},
    )
    assert "'output_path' is a file" in messages(faults(config(evaluate=task)))


@pytest.mark.parametrize("task", TASK_RULES)
def test_every_task_may_ask_for_parameters_and_files(task: str) -> None:
    rule = TASK_RULES[task]
    inputs = {**rule.inputs, **COMMON_INPUTS}
    spec = TaskSpec(
        input_volumes={
            key: Mount(mount_path=f"/in/{key}", type=mount.type or "directory")
            for key, mount in inputs.items()
        },
        output_volumes={
            key: Mount(mount_path=f"/out/{key}", type=mount.type or "directory")
            for key, mount in rule.outputs.items()
        },
    )
    assert faults(config(**{task: spec})) == []


def test_every_task_a_role_needs_has_a_rule_that_names_the_role() -> None:
    for role, groups in ROLE_TASKS.items():
        for name in (name for group in groups for name in group):
            assert role in TASK_RULES[name].roles


def test_a_fault_is_one_line_with_place_and_remedy() -> None:
    fault = Fault(path=("tasks", "infer"), message="is wrong", remedy="mend it", line=4)
    assert str(fault) == "line 4: tasks.infer: is wrong (mend it)"
    assert str(Fault(path=(), message="is wrong", remedy="mend it")) == "file: is wrong (mend it)"


def test_unknown_run_args_are_refused() -> None:
    with pytest.raises(ValidationError):
        RunArgs.model_validate({"privileged": True})


@pytest.mark.parametrize("size", ["8g", "512m", "0.5G", "1024"])
def test_sizes_are_written_as_docker_does(size: str) -> None:
    assert RunArgs(shm_size=size).shm_size == size


def test_values_do_not_change() -> None:
    with pytest.raises(ValidationError):
        INFER.run_args = RunArgs()  # type: ignore[misc]


def test_encrypted_types_and_registry_images_are_told_apart() -> None:
    assert {kind for kind in ContainerType if kind.is_encrypted} == {
        ContainerType.ENCRYPTED_DOCKER_ARCHIVE,
        ContainerType.ENCRYPTED_SINGULARITY_FILE,
    }
    assert [kind for kind in ContainerType if not kind.is_fetched] == [ContainerType.DOCKER_IMAGE]
