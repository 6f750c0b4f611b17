"""The sandbox needs no privilege: any user of the machine can run a step in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import medperf

ANYONE = 23456
MAIN = """\
import sys
from pathlib import Path
from medperf.domain.containers import ContainerConfig, Mount, RunArgs, TaskSpec
from medperf.runners.base import Limits
from medperf.runners.plan import plan_step
from medperf.runners.sandbox import SandboxRunner

level, folder = sys.argv[1], Path(sys.argv[2])
task = TaskSpec(
    run_args=RunArgs(command=["python", "main.py"]),
    input_volumes={"data_path": Mount(mount_path="/in", type="directory")},
    output_volumes={"output_path": Mount(mount_path="/out", type="directory")},
)
config = ContainerConfig(container_type="SourceArchive", image="x", tasks={"infer": task})
runner = SandboxRunner(folder / "runner", levels=(level,))
if not runner.available().ok:
    sys.exit("skip: " + runner.available().reason)
paths = {"inputs": {"data_path": folder / "in"}, "outputs": {"output_path": folder / "out"}}
step = plan_step(config, "infer", step_id="s", limits=Limits(), **paths)
outcome = runner.run(runner.resolve(config, source=folder / "code"), step, folder / "log")
print(outcome.exit_code, outcome.isolation["kind"], outcome.isolation["user"])
print((folder / "log").read_text(), (folder / "out" / "x").read_text())
"""
CODE = """\
import os
open(os.environ["MEDPERF_OUTPUT_PATH"] + "/x", "w").write("written")
"""


def usable_python() -> str:
    """A Python of this version that any user may start."""
    candidates = [
        sys.executable,
        shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin"),
    ]
    for python in filter(None, candidates):
        try:
            answer = subprocess.run([python, "-c", ""], user=ANYONE, group=ANYONE, extra_groups=[], cwd="/", check=False)  # fmt: skip
        except OSError:
            continue
        if answer.returncode == 0:
            return python
    pytest.skip("no Python of this version can be started by another user")


@pytest.mark.containers
@pytest.mark.parametrize("level", ["namespaces", "landlock"])
def test_any_user_can_run_a_step(level: str, tmp_path_factory) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user already")
    python = usable_python()
    folder = Path("/tmp", f"medperf-any-user-{os.getpid()}-{level}")
    try:
        for name in ("in", "code"):
            (folder / name).mkdir(parents=True)
        (folder / "in" / "a").write_text("1")
        (folder / "code" / "main.py").write_text(CODE)
        (folder / "run.py").write_text(MAIN)
        os.chown(folder, ANYONE, ANYONE)
        packages = f"{Path(medperf.__file__).parent.parent}:{Path(yaml.__file__).parent.parent}"
        answer = subprocess.run(
            [python, str(folder / "run.py"), level, str(folder)],
            user=ANYONE,
            group=ANYONE,
            extra_groups=[],
            cwd="/",
            env={"PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(folder)
    if answer.stderr.startswith("skip:"):
        pytest.skip(answer.stderr)
    assert answer.stdout.split() == ["0", level, "uid", str(ANYONE), "written"], answer.stderr
