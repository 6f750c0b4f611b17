"""Which runner runs what."""

from pathlib import Path

import pytest

from medperf.domain.containers import ContainerType
from medperf.domain.errors import NotSupportedError, SandboxUnavailableError
from medperf.runners.base import require_success
from medperf.runners.docker import DockerRunner
from medperf.runners.fake import FakeRunner
from medperf.runners.sandbox import SandboxRunner
from medperf.runners.selection import RunnerSet, standard_runners

IMAGE = ContainerType.DOCKER_IMAGE


class Named(FakeRunner):
    def __init__(self, name: str, *types: ContainerType, is_available: bool = True) -> None:
        super().__init__(is_available=is_available)
        self._name, self._types = name, frozenset(types)

    @property
    def name(self) -> str:
        return self._name

    @property
    def container_types(self) -> frozenset[ContainerType]:
        return self._types


def test_the_first_that_works_is_chosen() -> None:
    away = Named("docker", IMAGE, is_available=False)
    here = Named("podman", IMAGE)
    assert RunnerSet([away, here]).choose(IMAGE) is here


def test_a_name_is_binding() -> None:
    away = Named("docker", IMAGE, is_available=False)
    with pytest.raises(SandboxUnavailableError, match="docker: switched off"):
        RunnerSet([away, Named("podman", IMAGE)]).choose(IMAGE, "docker")


def test_a_named_engine_leaves_code_to_the_sandbox() -> None:
    sandbox = Named("sandbox", ContainerType.SOURCE_ARCHIVE)
    runners = RunnerSet([Named("docker", IMAGE), sandbox])
    assert runners.choose(ContainerType.SOURCE_ARCHIVE, "docker") is sandbox


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="there are docker"):
        RunnerSet([Named("docker", IMAGE)]).choose(IMAGE, "other-engine")


def test_a_type_nobody_runs_is_not_supported() -> None:
    with pytest.raises(NotSupportedError, match="no runner"):
        RunnerSet([]).choose(IMAGE)


def test_encrypted_containers_say_why_they_do_not_run() -> None:
    with pytest.raises(NotSupportedError, match="key"):
        RunnerSet([]).choose(ContainerType.ENCRYPTED_DOCKER_ARCHIVE)


def test_every_type_that_can_run_has_a_runner(tmp_path: Path) -> None:
    covered = frozenset().union(*(r.container_types for r in standard_runners(tmp_path).runners))
    assert covered == {kind for kind in ContainerType if not kind.is_encrypted}


def test_engines_come_before_the_sandbox(tmp_path: Path) -> None:
    runners = standard_runners(tmp_path).runners
    assert isinstance(runners[0], DockerRunner)
    assert isinstance(runners[-1], SandboxRunner)


def test_success_is_required_by_whoever_needs_it(tmp_path: Path) -> None:
    from medperf.domain.errors import StepFailedError
    from medperf.runners.base import Outcome
    from medperf.runners.fake import system_clock

    now = system_clock()
    good = Outcome(0, now, now, "fake", {}, tmp_path)
    assert require_success(good, "infer") is good
    with pytest.raises(StepFailedError, match="exit code 4"):
        require_success(Outcome(4, now, now, "fake", {}, tmp_path), "infer")
