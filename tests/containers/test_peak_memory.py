"""What a step is said to have held in memory, under every runner that isolates."""

import pytest
from runners.engines import Machine

from medperf.runners.base import MIB
from medperf.runners.docker import DockerRunner

HOLD = "import time; block = b'x' * (100 << 20); time.sleep(0.8)"
READ = (
    "import os, time\n"
    "with open(os.environ['MEDPERF_DATA_PATH'] + '/big', 'rb') as file:\n"
    "    while file.read(1 << 20): pass\n"
    "time.sleep(0.5)"
)


def test_memory_that_a_step_holds_is_reported(machine: Machine) -> None:
    peak = machine.run(HOLD).peak_memory_bytes
    assert 100 * MIB <= peak <= machine.limits.memory_bytes


def test_files_that_a_step_reads_are_not_its_memory(machine: Machine) -> None:
    (machine.folder / "in" / "big").write_bytes(bytes(150 * MIB))
    assert 0 < machine.run(READ).peak_memory_bytes < 100 * MIB


@pytest.mark.parametrize("machine", ["docker"], indirect=True)
@pytest.mark.containers
@pytest.mark.docker
def test_a_step_runs_also_where_its_memory_is_out_of_sight(machine: Machine, tmp_path) -> None:
    machine.runner = DockerRunner(cgroups=tmp_path / "none")
    assert machine.run("print('hello')").peak_memory_bytes is None
