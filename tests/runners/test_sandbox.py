"""The sandbox beyond the contract: code by digest, strength, paths without mounts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import medperf
from medperf.domain.containers import ContainerConfig, TaskSpec
from medperf.domain.errors import (
    ContainerConfigError,
    InvalidRequestError,
    NotFoundError,
    NotSupportedError,
    SandboxUnavailableError,
)
from medperf.runners import identity, sandbox
from medperf.runners.archives import digest_of, pack
from medperf.runners.base import Image, Limits, Step
from medperf.runners.host import with_host_paths
from medperf.runners.launcher.orders import Bind, Orders
from medperf.runners.processes import load_of
from medperf.runners.sandbox import SandboxRunner

CONFIG = ContainerConfig(container_type="SourceArchive", image="code", tasks={"infer": TaskSpec()})


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("print(1)\n")
    return tmp_path / "code"


def make_orders(**changes: object) -> Orders:
    fields = {
        "level": "landlock",
        "status_fd": 3,
        "scratch": "/site/scratch",
        "program": ("python", "main.py"),
        "environment": {},
        "folder": "/mlcommons/code",
        "binds": (
            Bind("/usr", "/usr"),
            Bind("/site/code", "/mlcommons/code"),
            Bind("/site/data", "/mlcommons/volumes/data"),
            Bind("/site/more", "/mlcommons/volumes/data/more", writable=True),
        ),
        "links": (("/bin", "usr/bin"),),
        "devices": ("/dev/null",),
        "user": 1,
        "group": 1,
        "memory_bytes": 1,
        "pids": 1,
        "cpus": 1,
        "output_bytes": 1,
        "tmp_bytes": 1,
        "shm_bytes": 1,
        **changes,
    }
    return Orders(**fields)


def test_a_folder_and_its_archive_are_the_same_image(tmp_path: Path, code: Path) -> None:
    runner = SandboxRunner(tmp_path / "runner")
    pack(code, tmp_path / "code.tar.gz")
    folder = runner.resolve(CONFIG, source=code)
    archive = runner.resolve(CONFIG, source=tmp_path / "code.tar.gz")
    assert folder == archive
    assert archive.digest == digest_of(tmp_path / "code.tar.gz")


def test_code_that_changes_is_another_image(tmp_path: Path, code: Path) -> None:
    runner = SandboxRunner(tmp_path / "runner")
    before = runner.resolve(CONFIG, source=code)
    (code / "main.py").write_text("print(2, 'changed')\n")
    after = runner.resolve(CONFIG, source=code)
    assert before.digest != after.digest
    assert Path(before.reference, "main.py").read_text() == "print(1)\n"


def test_code_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        SandboxRunner(tmp_path).resolve(CONFIG, source=tmp_path / "missing")
    with pytest.raises(InvalidRequestError, match="fetched"):
        SandboxRunner(tmp_path).resolve(CONFIG)


def test_an_image_needs_an_engine(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"container_type": "DockerImage"})
    with pytest.raises(NotSupportedError):
        SandboxRunner(tmp_path).resolve(config)


def test_code_without_a_command_cannot_start(tmp_path: Path, code: Path) -> None:
    runner = SandboxRunner(tmp_path / "runner", allow_bare=True)
    image = runner.resolve(CONFIG, source=code)
    with pytest.raises(ContainerConfigError, match="what to start"):
        runner.run(image, Step("s", "infer", (), (), {}, (), Limits()), tmp_path / "log")


def test_a_bare_process_must_be_allowed(tmp_path: Path, code: Path) -> None:
    runner = SandboxRunner(tmp_path / "runner", levels=())
    assert not runner.available().ok
    image = runner.resolve(CONFIG, source=code)
    with pytest.raises(SandboxUnavailableError):
        runner.run(image, Step("s", "t", ("true",), (), {}, (), Limits()), tmp_path / "log")


def test_a_bare_process_is_recorded_as_one(tmp_path: Path) -> None:
    isolation = SandboxRunner(tmp_path, levels=(), allow_bare=True).available().isolation
    assert isolation["kind"] == "bare"
    assert isolation["network"] == "the host's"


def test_the_next_strength_is_tried_when_one_does_not_work(tmp_path: Path, monkeypatch) -> None:
    launch = sandbox._launch

    def without_namespaces(orders, step, log, cancel):
        if orders.level == "namespaces":
            raise SandboxUnavailableError("not here")
        return launch(orders, step, log, cancel)

    monkeypatch.setattr(sandbox, "_launch", without_namespaces)
    runner = SandboxRunner(tmp_path, levels=("namespaces",), allow_bare=True)
    assert runner.available().isolation["kind"] == "bare"


def test_a_wall_that_cannot_be_built_is_not_the_containers_fault(tmp_path: Path, code: Path) -> None:  # fmt: skip
    runner = SandboxRunner(tmp_path / "runner", levels=("namespaces",))
    if not runner.available().ok:
        pytest.skip(runner.available().reason)
    image = Image(CONFIG.container_type, "sha256:" + "0" * 64, str(tmp_path / "vanished"))
    step = Step("s", "infer", ("true",), (), {}, (), Limits())
    with pytest.raises(SandboxUnavailableError, match="gone"):
        runner.run(image, step, tmp_path / "log")


def test_without_mounts_paths_are_translated_longest_first() -> None:
    orders = make_orders(
        program=("python", "--in=/mlcommons/volumes/data", "/mlcommons/volumes/data/more/x"),
        environment={
            "A": "/mlcommons/volumes/data:/mlcommons/code/lib",
            "B": "/mlcommons/volumes/database",
            "HOME": "/tmp",
        },
    )
    translated = with_host_paths(orders)
    assert translated.program == ("python", "--in=/site/data", "/site/more/x")
    assert translated.environment == {
        "A": "/site/data:/site/code/lib",
        "B": "/mlcommons/volumes/database",
        "HOME": "/site/scratch",
        "TMPDIR": "/site/scratch",
    }
    assert translated.folder == "/site/code"


def test_without_mounts_what_keeps_its_path_is_left_alone_even_below_tmp() -> None:
    python = Bind("/tmp/own/.venv", "/tmp/own/.venv")
    orders = make_orders(program=("/tmp/own/.venv/bin/python", "/tmp/mine"), binds=(python,))
    assert with_host_paths(orders).program == (
        "/tmp/own/.venv/bin/python",
        f"{orders.scratch}/mine",
    )


def test_the_launcher_imports_little_because_every_step_pays_for_it() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import medperf.runners.launcher.main; print(*sys.modules)"  # fmt: skip
    package = str(Path(medperf.__file__).parent.parent)
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, package],
        capture_output=True,
        text=True,
        check=True,
    )
    slow = {"typing", "dataclasses", "json", "pathlib", "socket", "signal", "contextlib", "re"}
    assert slow & set(answer.stdout.split()) == set()


def test_root_steps_down_where_files_are_open(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "getegid", lambda: 0)
    tmp_path.chmod(0o755)
    (tmp_path / "a").touch(mode=0o644)
    assert identity.choose([tmp_path]) == identity.Identity(65534, 65534)
    (tmp_path / "a").chmod(0o600)
    assert identity.choose([tmp_path]).is_root


def test_other_callers_stay_themselves(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    monkeypatch.setattr(os, "getegid", lambda: 1234)
    assert identity.choose([tmp_path]) == identity.Identity(1234, 1234)
    with identity.lent([tmp_path], identity.Identity(1, 1)):
        assert tmp_path.stat().st_uid != 1


def test_a_process_that_is_gone_uses_nothing() -> None:
    load = load_of(2**22 + 1, 0)
    assert (load.memory_bytes, load.processes) == (0, 0)
