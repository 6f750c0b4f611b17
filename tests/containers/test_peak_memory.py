"""What a step is said to have held in memory, under every runner that isolates."""

import pytest
from runners.engines import Machine

from medperf.runners.base import MIB
from medperf.runners.docker import DockerRunner
from medperf.runners.supervision import _Watch

SEEN = "print('there', flush=True)\nwhile not os.path.exists(data + '/seen'): time.sleep(0.01)\n"
BEGIN = "import os, time\ndata = os.environ['MEDPERF_DATA_PATH']\n"
HOLD = f"{BEGIN}block = b'x' * (100 << 20)\n{SEEN}"
READ = f"{BEGIN}with open(data + '/big', 'rb') as file:\n    while file.read(1 << 20): pass\n{SEEN}"


@pytest.fixture
def watched(machine: Machine, monkeypatch) -> Machine:
    """A machine that tells a step when it was looked at as it wanted to be seen."""
    look = _Watch.look

    def look_and_tell(watch: _Watch) -> None:
        is_there = "there" in machine.log.read_text()
        look(watch)
        if is_there:
            (machine.folder / "in" / "seen").touch()

    monkeypatch.setattr(_Watch, "look", look_and_tell)
    return machine


def test_memory_that_a_step_holds_is_reported(watched: Machine) -> None:
    machine = watched
    peak = machine.run(HOLD).peak_memory_bytes
    assert 100 * MIB <= peak <= machine.limits.memory_bytes


def test_files_that_a_step_reads_are_not_its_memory(watched: Machine) -> None:
    machine = watched
    (machine.folder / "in" / "big").write_bytes(bytes(150 * MIB))
    assert 0 < machine.run(READ).peak_memory_bytes < 100 * MIB


@pytest.mark.parametrize("machine", ["docker"], indirect=True)
@pytest.mark.containers
@pytest.mark.docker
def test_a_step_runs_also_where_its_memory_is_out_of_sight(machine: Machine, tmp_path) -> None:
    machine.runner = DockerRunner(cgroups=tmp_path / "none")
    assert machine.run("print('hello')").peak_memory_bytes is None
