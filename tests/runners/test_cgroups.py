"""The memory of a container, read from folders laid out as the kernel and the engines do."""

from pathlib import Path

import pytest

from medperf.runners.base import MIB
from medperf.runners.cgroups import ContainerMemory

ID = "0123456789abcdef" * 4
V1 = f"cache {900 * MIB}\nrss 1\ntotal_cache {900 * MIB}\ntotal_rss {5 * MIB}\ntotal_shmem {MIB}\n"
V2 = f"anon {7 * MIB}\nfile {900 * MIB}\nkernel 3\nshmem {2 * MIB}\n"


@pytest.fixture
def id_file(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    path.write_text(ID)
    return path


@pytest.fixture
def cgroups(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def start(group: Path, stat: str) -> None:
    group.mkdir(parents=True)
    (group / "memory.stat").write_text(stat)


def unified(cgroups: Path) -> Path:
    cgroups.mkdir()
    (cgroups / "cgroup.controllers").write_text("cpu memory\n")
    return cgroups


@pytest.mark.parametrize(
    "group",
    [
        f"docker/{ID}",
        f"system.slice/docker-{ID}.scope",
        f"user.slice/user-7.slice/user@7.service/user.slice/docker-{ID}.scope",
        f"libpod_parent/libpod-{ID}",
        f"user.slice/user-7.slice/user@7.service/user.slice/libpod-{ID}.scope",
    ],
)
def test_the_group_is_found_wherever_the_engine_keeps_it(id_file, cgroups, group) -> None:
    start(unified(cgroups) / group, V2)
    assert ContainerMemory(id_file, cgroups).held_bytes() == 9 * MIB


def test_groups_of_version_1_are_read_too(id_file, cgroups) -> None:
    start(cgroups / "unified" / "docker" / ID, "")
    start(cgroups / "memory" / "docker" / ID, V1)
    assert ContainerMemory(id_file, cgroups).held_bytes() == 6 * MIB


def test_a_monitor_is_not_the_container(id_file, cgroups) -> None:
    start(unified(cgroups) / "machine.slice" / f"libpod-conmon-{ID}.scope", V2)
    assert ContainerMemory(id_file, cgroups).held_bytes() == 0


def test_a_container_is_waited_for(id_file, cgroups) -> None:
    id_file.unlink()
    memory = ContainerMemory(id_file, unified(cgroups))
    assert memory.held_bytes() == 0
    id_file.write_text("")
    assert memory.held_bytes() == 0
    id_file.write_text(ID)
    assert memory.held_bytes() == 0
    start(cgroups / "docker" / ID, V2)
    assert memory.held_bytes() == 9 * MIB


def test_a_container_that_ended_holds_nothing(id_file, cgroups) -> None:
    group = unified(cgroups) / "docker" / ID
    start(group, V2)
    memory = ContainerMemory(id_file, cgroups)
    assert memory.held_bytes() == 9 * MIB
    (group / "memory.stat").unlink()
    assert memory.held_bytes() == 0


def test_a_kernel_that_counts_less_is_believed(id_file, cgroups) -> None:
    start(unified(cgroups) / "docker" / ID, f"anon {MIB}\n")
    assert ContainerMemory(id_file, cgroups).held_bytes() == MIB


@pytest.mark.parametrize("written", ["..", "", "docker", f"../{ID}"])
def test_what_is_no_id_names_no_group(id_file, cgroups, written) -> None:
    start(unified(cgroups) / "docker", V2)
    id_file.write_text(written)
    assert ContainerMemory(id_file, cgroups).held_bytes() == 0


def test_a_machine_without_groups_says_nothing(id_file, cgroups) -> None:
    assert ContainerMemory(id_file, cgroups).held_bytes() == 0


def test_a_group_out_of_sight_is_not_looked_for_for_ever(id_file, cgroups) -> None:
    memory = ContainerMemory(id_file, unified(cgroups))
    for _ in range(100):
        memory.held_bytes()
    start(cgroups / "docker" / ID, V2)
    assert memory.held_bytes() == 0
