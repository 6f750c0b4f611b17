"""The command lines engines are started with, and what they answer; no engine is needed."""

import json
import subprocess
from pathlib import Path

import pytest

from medperf.domain.containers import ContainerConfig, ContainerType, TaskSpec
from medperf.domain.errors import (
    DigestMismatchError,
    InvalidRequestError,
    NotSupportedError,
    SandboxUnavailableError,
)
from medperf.runners import engine
from medperf.runners.base import Image, Limits, Step, StepMount
from medperf.runners.docker import DockerRunner
from medperf.runners.engine import EngineFacts
from medperf.runners.identity import Identity
from medperf.runners.podman import PodmanRunner

ID = "sha256:" + "1" * 64
MANIFEST = "sha256:" + "2" * 64
IMAGE = Image(ContainerType.DOCKER_IMAGE, MANIFEST, ID)
FACTS = EngineFacts(version="1", processors=2, is_rootless=False)
ROOTLESS = EngineFacts(version="1", processors=2, is_rootless=True)
NOBODY = Identity(65534, 65534)


def make_step(**changes: object) -> Step:
    fields = {
        "step_id": "execution-1",
        "task": "infer",
        "command": ("python", "main.py"),
        "entrypoint": (),
        "environment": {"A": "b c"},
        "mounts": (
            StepMount("data_path", Path("/site/data"), "/data", read_only=True, type="directory"),
            StepMount("output_path", Path("/site/o,ut"), "/out", read_only=False, type="directory"),
        ),
        "limits": Limits(cpus=8, pids=99),
        **changes,
    }
    return Step(**fields)


def config(image: str = "org/name:1", kind: str = "DockerImage") -> ContainerConfig:
    return ContainerConfig(container_type=kind, image=image, tasks={"infer": TaskSpec()})


@pytest.mark.parametrize("runner", [DockerRunner(), PodmanRunner()])
def test_everything_is_locked_down(runner) -> None:
    arguments = runner.arguments(IMAGE, make_step(), FACTS, NOBODY)
    assert {
        "--network=none",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--pull=never",
        "--user=65534:65534",
        "--pids-limit=99",
        "--mount=type=bind,source=/site/data,target=/data,readonly",
        '--mount=type=bind,"source=/site/o,ut",target=/out',
        "--env=A=b c",
    } <= set(arguments)
    assert not any(argument.startswith(("--privileged", "--volume", "-v")) for argument in arguments)  # fmt: skip


def test_the_image_runs_by_its_id_and_arguments_follow_it() -> None:
    arguments = DockerRunner().arguments(IMAGE, make_step(), FACTS, NOBODY)
    assert arguments[-3:] == [ID, "python", "main.py"]


def test_no_more_processors_are_asked_for_than_there_are() -> None:
    assert "--cpus=2" in DockerRunner().arguments(IMAGE, make_step(), FACTS, NOBODY)


def test_an_entry_point_of_several_words_is_split() -> None:
    step = make_step(entrypoint=("python", "-u"), command=("x.py",))
    arguments = DockerRunner().arguments(IMAGE, step, FACTS, NOBODY)
    assert "--entrypoint=python" in arguments
    assert arguments[-3:] == [ID, "-u", "x.py"]


def test_rootless_engines_map_the_caller() -> None:
    caller = Identity(1000, 1000)
    assert "--user=0:0" in DockerRunner().arguments(IMAGE, make_step(), ROOTLESS, caller)
    podman = PodmanRunner().arguments(IMAGE, make_step(), ROOTLESS, caller)
    assert {"--userns=keep-id", "--user=1000:1000"} <= set(podman)


@pytest.mark.parametrize(
    ("runner", "gpus", "expected"),
    [
        (DockerRunner(), "all", ["--gpus=all"]),
        (DockerRunner(), "0,1", ['--gpus="device=0,1"']),
        (PodmanRunner(), "all", ["--device=nvidia.com/gpu=all"]),
        (PodmanRunner(), "0,1", ["--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=1"]),
    ],
)
def test_gpus_are_handed_over_when_granted(runner, gpus, expected) -> None:
    arguments = runner.arguments(IMAGE, make_step(limits=Limits(gpus=gpus)), FACTS, NOBODY)
    assert [a for a in arguments if a.startswith(("--gpus", "--device"))] == expected


def test_files_keep_their_labels_where_selinux_enforces(monkeypatch) -> None:
    monkeypatch.setattr(engine, "_selinux_enforces", lambda: True)
    arguments = DockerRunner().arguments(IMAGE, make_step(), FACTS, NOBODY)
    assert "--security-opt=label=disable" in arguments


class Answers:
    """Stands for the engine's program: what was asked, and what it answers."""

    def __init__(self, **images: dict[str, object]) -> None:
        self.images = images
        self.pullable: dict[str, dict[str, object]] = {}
        self.asked: list[tuple[str, ...]] = []
        self.info = {"ServerVersion": "20.10", "NCPU": 2, "SecurityOptions": []}

    def __call__(self, *arguments: str, timeout_s: float = 0) -> "subprocess.CompletedProcess[str]":
        self.asked.append(arguments)
        code, out = 1, ""
        if arguments[0] == "info":
            code, out = 0, json.dumps(self.info)
        elif arguments[:2] == ("image", "inspect") and arguments[2] in self.images:
            code, out = 0, json.dumps([self.images[arguments[2]]])
        elif arguments[0] == "pull" and arguments[-1] in self.pullable:
            code = 0
            self.images[arguments[-1]] = self.pullable[arguments[-1]]
        return subprocess.CompletedProcess(arguments, code, out, "not known here")


@pytest.fixture
def docker():
    runner = DockerRunner()
    runner._ask = Answers()
    return runner


PULLED = {"Id": ID, "RepoDigests": [f"docker.io/org/name@{MANIFEST}"]}


def test_a_tag_is_resolved_to_the_digest_of_the_registry(docker) -> None:
    docker._ask.pullable["org/name:1"] = PULLED
    assert docker.resolve(config()) == Image(ContainerType.DOCKER_IMAGE, MANIFEST, ID)


def test_what_was_promised_is_pulled_by_digest_and_never_by_tag(docker) -> None:
    docker._ask.pullable[f"org/name@{MANIFEST}"] = PULLED
    image = docker.resolve(config(), expected=MANIFEST)
    assert image.digest == MANIFEST
    assert ("image", "inspect", "org/name:1") not in docker._ask.asked


def test_a_port_in_the_name_of_a_registry_is_no_tag(docker) -> None:
    target = f"127.0.0.1:5000/org/name@{MANIFEST}"
    docker._ask.pullable[target] = PULLED
    assert docker.resolve(config("127.0.0.1:5000/org/name"), expected=MANIFEST).digest == MANIFEST


def test_a_local_image_without_registry_is_named_by_its_id(docker) -> None:
    docker._ask.images["org/name:1"] = {"Id": ID, "RepoDigests": []}
    assert docker.resolve(config()).digest == ID


def test_a_local_image_is_found_by_the_id_it_was_registered_with(docker) -> None:
    docker._ask.images[ID] = {"Id": ID, "RepoDigests": []}
    assert docker.resolve(config(), expected=ID).reference == ID


def test_two_digests_that_differ_are_refused(docker) -> None:
    with pytest.raises(DigestMismatchError):
        docker.resolve(config(f"org/name@{MANIFEST}"), expected=ID)


def test_an_image_nobody_has_is_unavailable_and_says_why(docker) -> None:
    with pytest.raises(SandboxUnavailableError, match="not known here"):
        docker.resolve(config())


def test_a_reference_with_half_a_digest_is_refused(docker) -> None:
    with pytest.raises(InvalidRequestError):
        docker.resolve(config("org/name@sha256:12"))


def test_resolving_again_asks_nothing(docker) -> None:
    docker._ask.images["org/name:1"] = PULLED
    docker.resolve(config())
    asked = len(docker._ask.asked)
    docker.resolve(config())
    assert len(docker._ask.asked) == asked


def test_source_code_is_not_an_engines_business(docker) -> None:
    with pytest.raises(NotSupportedError):
        docker.resolve(config(kind="SourceArchive"))


def test_an_archive_must_have_been_fetched(docker) -> None:
    with pytest.raises(InvalidRequestError, match="fetched"):
        docker.resolve(config(kind="DockerArchive"))


def test_an_engine_without_a_server_is_unavailable(docker) -> None:
    docker._ask.info = {"ServerErrors": ["Cannot connect to the daemon"]}
    availability = docker.available()
    assert not availability.ok
    assert "Cannot connect" in availability.reason


def test_a_user_who_may_not_use_the_daemon_is_told_so(docker) -> None:
    docker._ask.info = {"ServerErrors": ["permission denied while trying to connect to x.sock"]}
    assert docker.available().reason == "docker's daemon runs, but this user may not use it"


def test_a_program_that_is_not_installed_is_unavailable() -> None:
    class Missing(DockerRunner):
        program = "no-such-engine"

    assert "not installed" in Missing().available().reason


def test_podman_says_who_it_is() -> None:
    runner = PodmanRunner()
    runner._ask = Answers()
    runner._ask.info = {
        "host": {"cpus": 4, "security": {"rootless": True}},
        "version": {"Version": "4.3.1"},
    }
    isolation = runner.available().isolation
    assert isolation["engine"] == "podman 4.3.1"
    assert isolation["engine_user"] == "an unprivileged user"


@pytest.mark.parametrize(
    ("exit_code", "words", "expected"),
    [
        (127, 'exec: "x": executable file not found', True),
        (126, 'exec: "/tmp": permission denied', True),
        (126, "error setting rlimits: operation not permitted", False),
        (125, 'exec: "x"', False),
    ],
)
def test_a_missing_program_is_told_from_a_failing_engine(exit_code, words, expected) -> None:
    assert engine._is_missing_program(exit_code, words) is expected


GROUP = "0123456789abcdef" * 4
ENGINE = f"""\
#!/bin/sh
case $1 in
  info) echo '{{"ServerVersion": "1", "NCPU": 1}}' ;;
  run)
    case $2 in --cidfile=*) echo {GROUP} >"${{2#--cidfile=}}" ;; *) echo "without" ;; esac
    sleep 0.4 ;;
esac
"""


@pytest.fixture
def scripted(tmp_path):
    """An engine that is a script, beside a kernel that is a folder and says: 64 MiB."""
    group = tmp_path / "cgroup" / "docker" / GROUP
    group.mkdir(parents=True)
    (tmp_path / "cgroup" / "cgroup.controllers").touch()
    (group / "memory.stat").write_text(f"anon {64 << 20}\nshmem 0\n")

    def make(place: Path) -> DockerRunner:
        place.write_text(ENGINE)
        place.chmod(0o755)

        class Scripted(DockerRunner):
            program = str(place)

        return Scripted(cgroups=tmp_path / "cgroup")

    return make


def test_the_most_that_was_seen_is_reported(scripted, tmp_path) -> None:
    outcome = scripted(tmp_path / "engine").run(IMAGE, make_step(mounts=()), tmp_path / "log")
    assert outcome.peak_memory_bytes == 64 << 20


def test_a_counter_that_runs_ahead_ends_no_step(scripted, tmp_path) -> None:
    step = make_step(mounts=(), limits=Limits(memory_bytes=1 << 20))
    outcome = scripted(tmp_path / "engine").run(IMAGE, step, tmp_path / "log")
    assert outcome.exit_code == 0
    assert outcome.peak_memory_bytes == 1 << 20


def test_a_snap_is_not_asked_to_write_where_it_cannot(scripted, tmp_path) -> None:
    outcome = scripted(tmp_path / "snap").run(IMAGE, make_step(mounts=()), tmp_path / "log")
    assert (tmp_path / "log").read_text() == "without\n"
    assert outcome.peak_memory_bytes is None
