"""Apptainer's command line; a small program stands for it where it is not installed."""

import threading
from pathlib import Path

import pytest

from medperf.domain.containers import ContainerConfig, TaskSpec
from medperf.domain.errors import (
    CancelledError,
    DigestMismatchError,
    InvalidRequestError,
    NotSupportedError,
    SandboxUnavailableError,
)
from medperf.runners.apptainer import ApptainerRunner
from medperf.runners.archives import digest_of
from medperf.runners.base import Limits, Step, StepMount


def config(kind: str = "SingularityFile") -> ContainerConfig:
    return ContainerConfig(container_type=kind, image="x.sif", tasks={"infer": TaskSpec()})


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "image.sif").write_bytes(b"an image")
    (tmp_path / "out").mkdir()
    return tmp_path


def program(site: Path, body: str) -> ApptainerRunner:
    """A runner whose program is a shell script."""
    script = site / "apptainer"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return ApptainerRunner(site / "runner", program=str(script))


def make_step(site: Path, **changes: object) -> Step:
    fields = {
        "step_id": "s1",
        "task": "infer",
        "command": ("--fast",),
        "entrypoint": (),
        "environment": {"A": "b"},
        "mounts": (
            StepMount("data_path", site / "image.sif", "/data/a", read_only=True, type="file"),
            StepMount("output_path", site / "out", "/out", read_only=False, type="directory"),
        ),
        "limits": Limits(timeout_s=30),
        **changes,
    }
    return Step(**fields)


def test_everything_is_locked_down(site: Path) -> None:
    runner = ApptainerRunner(site)
    image = runner.resolve(config(), source=site / "image.sif")
    arguments = runner.arguments(image, make_step(site), site / "scratch")
    assert arguments[0] == "run"
    assert {
        "--containall",
        "--cleanenv",
        "--no-home",
        "--no-privs",
        "--network=none",
        f"--workdir={site / 'scratch'}",
        f"--mount=type=bind,source={site / 'image.sif'},destination=/data/a,ro",
        f"--mount=type=bind,source={site / 'out'},destination=/out",
    } <= set(arguments)
    assert arguments[-2:] == [str(site / "image.sif"), "--fast"]
    assert "--nv" not in arguments


def test_an_entry_point_replaces_the_images_own(site: Path) -> None:
    runner = ApptainerRunner(site)
    image = runner.resolve(config(), source=site / "image.sif")
    arguments = runner.arguments(image, make_step(site, entrypoint=("python",)), site)
    assert arguments[0] == "exec"
    assert arguments[-2:] == ["python", "--fast"]


def test_gpus_are_handed_over_when_granted(site: Path) -> None:
    runner = ApptainerRunner(site)
    image = runner.resolve(config(), source=site / "image.sif")
    arguments = runner.arguments(image, make_step(site, limits=Limits(gpus="1")), site)
    assert "--nv" in arguments
    assert "CUDA_VISIBLE_DEVICES=1" in arguments


def test_the_image_is_named_by_its_files_digest(site: Path) -> None:
    digest = digest_of(site / "image.sif")
    runner = ApptainerRunner(site)
    assert runner.resolve(config(), source=site / "image.sif", expected=digest).digest == digest
    with pytest.raises(DigestMismatchError):
        runner.resolve(config(), source=site / "image.sif", expected="sha256:" + "0" * 64)


def test_only_singularity_files_run(site: Path) -> None:
    with pytest.raises(NotSupportedError):
        ApptainerRunner(site).resolve(config("DockerImage"))
    with pytest.raises(InvalidRequestError, match="fetched"):
        ApptainerRunner(site).resolve(config())


def test_a_missing_program_is_unavailable(site: Path) -> None:
    runner = ApptainerRunner(site, program="no-such-program")
    assert not runner.available().ok
    image = runner.resolve(config(), source=site / "image.sif")
    with pytest.raises(SandboxUnavailableError):
        runner.run(image, make_step(site), site / "log")


def test_a_program_that_answers_is_available(site: Path) -> None:
    assert program(site, "echo apptainer version 1.4").available().reason.endswith("1.4")


def test_a_step_runs_and_its_folder_is_removed(site: Path) -> None:
    runner = program(site, "echo said; exit 3")
    image = runner.resolve(config(), source=site / "image.sif")
    outcome = runner.run(image, make_step(site), site / "log")
    assert (outcome.exit_code, outcome.runner) == (3, "apptainer")
    assert (site / "log").read_text() == "said\n"
    assert list((site / "runner" / "steps").iterdir()) == []


def test_a_container_that_never_started_is_not_blamed(site: Path) -> None:
    runner = program(site, "echo 'FATAL:   no user namespace' >&2; exit 255")
    image = runner.resolve(config(), source=site / "image.sif")
    with pytest.raises(SandboxUnavailableError, match="no user namespace"):
        runner.run(image, make_step(site), site / "log")


def test_a_cancelled_step_ends_with_its_children(site: Path) -> None:
    runner = program(site, "sleep 600 & sleep 600; wait")
    image = runner.resolve(config(), source=site / "image.sif")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        runner.run(image, make_step(site), site / "log", cancel=cancel)
