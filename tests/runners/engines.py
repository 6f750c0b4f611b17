"""What the suites of runners share: one machine's runners behind one face, and a small image."""

import fcntl
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from medperf.domain.containers import ContainerConfig, ContainerType, Mount, RunArgs, TaskSpec
from medperf.runners.base import MIB, Image, Limits, Outcome, Runner, Step
from medperf.runners.docker import DockerRunner
from medperf.runners.fake import Call, FakeRunner
from medperf.runners.plan import plan_step
from medperf.runners.podman import PodmanRunner
from medperf.runners.sandbox import SandboxRunner

ROOT = Path(__file__).parents[2]
VOLUMES = "/mlcommons/volumes"
SMALL = Limits(
    memory_bytes=256 * MIB,
    cpus=1,
    pids=64,
    timeout_s=60,
    output_bytes=20 * MIB,
    log_bytes=20_000,
    tmp_bytes=8 * MIB,
    shm_bytes=8 * MIB,
)

SANDBOXES = ("namespaces", "landlock", "bare")
ISOLATING = (
    pytest.param("namespaces", marks=pytest.mark.containers),
    pytest.param("landlock", marks=pytest.mark.containers),
    pytest.param("docker", marks=[pytest.mark.containers, pytest.mark.docker]),
    pytest.param("podman", marks=[pytest.mark.containers, pytest.mark.podman]),
)
ALL = ("fake", *ISOLATING[:2], pytest.param("bare", marks=pytest.mark.containers), *ISOLATING[2:])


def load_builder():
    """The image builder of the examples, which is a script and not a package."""
    name = "base_image_build"
    if name not in sys.modules:
        path = ROOT / "examples" / "base_image" / "build.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def debs() -> Path:
    """Downloaded packages and the image made of them, kept between test runs."""
    folder = Path(tempfile.gettempdir(), f"medperf-test-image-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "base.tar").exists():
            try:
                load_builder().build(folder / "base.tar", debs=folder)
            except (OSError, subprocess.CalledProcessError) as error:
                pytest.skip(f"no image can be composed here: {error}")
    return folder


@pytest.fixture(scope="session")
def base_image(debs: Path) -> Path:
    """A ``docker save`` archive with Python in it."""
    return debs / "base.tar"


def make_runner(kind: str, folder: Path) -> Runner:
    """The runner of this kind, or a skip that says why it does not work here."""
    runner: Runner
    if kind == "fake":
        runner = FakeRunner()
    elif kind == "docker":
        runner = DockerRunner()
    elif kind == "podman":
        runner = PodmanRunner()
    elif kind == "bare":
        runner = SandboxRunner(folder, levels=(), allow_bare=True)
    else:
        runner = SandboxRunner(folder, levels=(kind,))
    availability = runner.available()
    if not availability.ok:
        pytest.skip(f"{kind}: {availability.reason}")
    return runner


Programs = Mapping[str, tuple[str, Callable[[Call], int | None]]]


@dataclass
class Machine:
    """A runner with an image in which any Python text can run."""

    kind: str
    runner: Runner
    folder: Path
    source: Path | None
    config: ContainerConfig
    limits: Limits = SMALL
    steps: int = 0
    parameters_file: Path | None = None
    log: Path = field(init=False)
    output: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "step.log"
        self.output = self.folder / "out"
        (self.folder / "in").mkdir()
        (self.folder / "in" / "a").write_text("from the site")

    @property
    def image(self) -> Image:
        return self.runner.resolve(self.config, source=self.source)

    def step(self, program: str, **limits: object) -> Step:
        """Plan the ``infer`` task with a Python text as its program."""
        self.steps += 1
        spec = self.config.tasks["infer"]
        run_args = RunArgs(command=("python", "-c", program))
        config = self.config.model_copy(
            update={"tasks": {"infer": spec.model_copy(update={"run_args": run_args})}}
        )
        return plan_step(
            config,
            "infer",
            step_id=f"test-{os.getpid()}-{id(self)}-{self.steps}",
            inputs={"data_path": self.folder / "in"},
            outputs={"output_path": self.output},
            limits=replace(self.limits, **limits),
            parameters_file=self.parameters_file,
        )

    def run(self, program: str, cancel: threading.Event | None = None, **limits: object) -> Outcome:
        return self.runner.run(self.image, self.step(program, **limits), self.log, cancel=cancel)


def make_machine(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    runner = make_runner(kind, tmp_path / "runner")
    source: Path | None = None
    container_type = ContainerType.SOURCE_ARCHIVE
    if kind in {"docker", "podman"}:
        container_type = ContainerType.DOCKER_ARCHIVE
        source = request.getfixturevalue("base_image")
    elif kind != "fake":
        source = tmp_path / "code"
        source.mkdir()
        (source / "main.py").write_text("print('hello')\n")
    config = ContainerConfig(
        container_type=container_type,
        image="tests/programs",
        tasks={
            "infer": TaskSpec(
                run_args=RunArgs(command="python"),
                input_volumes={
                    "data_path": Mount(mount_path=f"{VOLUMES}/data", type="directory"),
                    "parameters_file": Mount(
                        mount_path=f"{VOLUMES}/parameters/parameters_file.yaml", type="file"
                    ),
                },
                output_volumes={
                    "output_path": Mount(mount_path=f"{VOLUMES}/predictions", type="directory")
                },
            )
        },
    )
    return Machine(kind, runner, tmp_path, source, config)


def run_as_agent(kind: str, folder: Path, image: Image, step: Step, log: Path) -> None:
    """What an agent does, in a process that a test can kill."""
    make_runner(kind, folder).run(image, step, log)
