"""From config and folders to a step."""

from pathlib import Path

import pytest

from medperf.domain.containers import ContainerConfig, Mount, RunArgs, TaskSpec
from medperf.domain.errors import (
    ContainerConfigError,
    EmptyInputError,
    InvalidRequestError,
    NotSupportedError,
)
from medperf.runners.base import GIB, MIB, Limits, Step
from medperf.runners.plan import parse_size, plan_step

V = "/mlcommons/volumes"


def make_config(calling: str = "declared", kind: str = "DockerImage", **run: object) -> ContainerConfig:  # fmt: skip
    return ContainerConfig(
        container_type=kind,
        image="org/name:1",
        calling=calling,
        tasks={
            "evaluate": TaskSpec(
                run_args=RunArgs(**run),
                input_volumes={
                    "predictions": Mount(mount_path=f"{V}/predictions", type="directory"),
                    "labels": Mount(mount_path=f"{V}/labels", type="directory"),
                    "parameters_file": Mount(mount_path=f"{V}/parameters.yaml", type="file"),
                },
                output_volumes={
                    "output_path": Mount(mount_path=f"{V}/results/results.yaml", type="file"),
                    "local_outputs_path": Mount(mount_path=f"{V}/local", type="directory"),
                },
            )
        },
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name in ("predictions", "labels"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "case").write_text("1")
    return tmp_path


def plan(site: Path, config: ContainerConfig | None = None, **changes: object) -> Step:
    arguments = {
        "step_id": "execution-1",
        "inputs": {"predictions": site / "predictions", "labels": site / "labels"},
        "outputs": {"output_path": site / "out" / "results.yaml"},
        "limits": Limits(),
        **changes,
    }
    return plan_step(config or make_config(), "evaluate", **arguments)


def test_inputs_are_read_only_and_outputs_are_not(site: Path) -> None:
    mounts = {mount.key: mount.read_only for mount in plan(site).mounts}
    assert mounts == {"predictions": True, "labels": True, "output_path": False}


def test_a_missing_output_file_is_created_empty(site: Path) -> None:
    plan(site)
    assert (site / "out" / "results.yaml").read_text() == ""


def test_an_output_that_exists_is_kept(site: Path) -> None:
    (site / "out").mkdir()
    (site / "out" / "results.yaml").write_text("so far")
    plan(site)
    assert (site / "out" / "results.yaml").read_text() == "so far"


def test_optional_mounts_that_were_not_given_are_left_out(site: Path) -> None:
    assert {mount.key for mount in plan(site).mounts} == {"predictions", "labels", "output_path"}


def test_parameters_may_be_empty(site: Path) -> None:
    (site / "parameters.yaml").touch()
    step = plan(site, parameters_file=site / "parameters.yaml")
    assert "parameters_file" in {mount.key for mount in step.mounts}


@pytest.mark.parametrize("change", ["emptied", "missing"])
def test_an_input_without_data_is_refused(site: Path, change: str) -> None:
    (site / "labels" / "case").unlink()
    if change == "missing":
        (site / "labels").rmdir()
    with pytest.raises(EmptyInputError, match="labels"):
        plan(site)


@pytest.mark.parametrize("key", ["inputs", "outputs"])
def test_a_needed_path_must_be_given(site: Path, key: str) -> None:
    with pytest.raises(InvalidRequestError, match="no path was given"):
        plan(site, **{key: {}})


def test_a_file_is_no_folder(site: Path) -> None:
    inputs = {"predictions": site / "predictions" / "case", "labels": site / "labels"}
    with pytest.raises(InvalidRequestError, match="declared as a directory"):
        plan(site, inputs=inputs)


def test_an_output_that_is_a_link_is_refused(site: Path) -> None:
    (site / "link").symlink_to("/etc/hostname")
    with pytest.raises(InvalidRequestError, match="is a link"):
        plan(site, outputs={"output_path": site / "link"})


def test_an_unknown_task_is_refused(site: Path) -> None:
    with pytest.raises(ContainerConfigError, match="it has evaluate"):
        plan_step(make_config(), "infer", step_id="x", inputs={}, outputs={}, limits=Limits())


def test_an_encrypted_container_is_not_supported_yet(site: Path) -> None:
    with pytest.raises(NotSupportedError, match="key"):
        plan(site, make_config(kind="EncryptedDockerArchive"))


@pytest.mark.parametrize("step_id", ["", "../x", "a b", "-x", "x" * 200])
def test_a_step_id_can_name_a_container_and_a_folder(site: Path, step_id: str) -> None:
    with pytest.raises(InvalidRequestError):
        plan(site, step_id=step_id)


@pytest.mark.parametrize(
    ("run", "entrypoint", "command"),
    [
        ({}, (), ()),
        ({"command": "python 'a b.py'"}, (), ("python", "a b.py")),
        ({"command": ["python", "a b.py"]}, (), ("python", "a b.py")),
        ({"entrypoint": "python -u", "command": "x.py"}, ("python", "-u"), ("x.py",)),
    ],
)
def test_a_command_is_read_as_a_shell_would(site: Path, run, entrypoint, command) -> None:
    step = plan(site, make_config(**run))
    assert (step.entrypoint, step.command) == (entrypoint, command)
    assert step.program == entrypoint + command


def test_an_mlcube_is_called_with_task_and_paths(site: Path) -> None:
    assert plan(site, make_config("mlcube")).command == (
        "evaluate",
        f"--predictions={V}/predictions",
        f"--labels={V}/labels",
        f"--output_path={V}/results/results.yaml",
    )


def test_further_arguments_of_an_mlcube_follow_its_paths(site: Path) -> None:
    command = plan(site, make_config("mlcube", command=("--weights=/w/a b.pt",))).command
    assert command[0] == "evaluate"
    assert command[-1] == "--weights=/w/a b.pt"
    assert not any(word.startswith("--additional_files") for word in command)


def test_an_entry_point_of_the_task_is_not_told_the_task(site: Path) -> None:
    step = plan(site, make_config("mlcube", entrypoint="python /evaluate.py"))
    assert step.entrypoint == ("python", "/evaluate.py")
    assert step.command[0].startswith("--predictions=")


def test_a_step_finds_its_mounts_in_its_environment(site: Path) -> None:
    environment = plan(site, make_config(environment={"A": "b"})).environment
    assert environment["MEDPERF_PREDICTIONS"] == f"{V}/predictions"
    assert environment["A"] == "b"
    assert environment["HOME"] == "/tmp"
    assert environment["OMP_NUM_THREADS"] == "2"


def test_shared_memory_is_what_was_asked_for_within_the_memory(site: Path) -> None:
    limits = Limits(memory_bytes=4 * GIB)
    assert plan(site, make_config(shm_size="1g"), limits=limits).limits.shm_bytes == GIB
    assert plan(site, make_config(shm_size="8g"), limits=limits).limits.shm_bytes == 4 * GIB
    assert plan(site, limits=limits).limits.shm_bytes == 64 * MIB


@pytest.mark.parametrize(
    ("wanted", "allowed", "given"),
    [
        (None, "all", ""),
        (0, "all", ""),
        ("all", "", ""),
        ("all", "all", "all"),
        ("all", "0,1", "0,1"),
        (2, "all", "0,1"),
        ("2", "all", "0,1"),
        (1, "3,5", "3"),
        ("device=1,2", "all", "1,2"),
        ("device=1,2", "2,3", "2"),
        ("device=1", "2,3", ""),
    ],
)
def test_gpus_are_what_was_asked_for_within_what_is_allowed(site: Path, wanted, allowed, given) -> None:  # fmt: skip
    step = plan(site, make_config(gpus=wanted), limits=Limits(gpus=allowed))
    assert step.limits.gpus == given


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("8g", 8 * GIB), ("0.5G", GIB // 2), ("512m", 512 * MIB), ("7k", 7168), ("9b", 9), ("9", 9)],
)
def test_sizes_are_read_in_bytes(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes
