"""Who fits on the machine goes; who waits is told what for."""

from types import SimpleNamespace

import pytest

from medperf.runners.base import GIB, MIB
from medperf.site.resources import Capacity, Demand, Resources, Share, demand_of, limits_of
from medperf.site.settings import Settings

SETTINGS = Settings(
    name="One",
    server="https://example.org",
    log_key="x",
    site_id=1,
    organization_id=1,
)
CAPACITY = Capacity(workers=2, cpus=4, memory_bytes=8 * GIB, gpus=("0", "1"))


def container(gpus=None):
    task = {"run_args": {"gpus": gpus}} if gpus is not None else {}
    return SimpleNamespace(config={"tasks": {"infer": task}})


def test_what_fits_goes_and_gives_back():
    resources = Resources(CAPACITY)
    share = resources.take(Demand(4, 8 * GIB))
    assert isinstance(share, Share)
    assert resources.in_use() == Demand(4, 8 * GIB)
    resources.give_back(share)
    assert isinstance(resources.take(Demand(4, 8 * GIB)), Share)


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        (Demand(4, GIB), "waits for 4 cores; 3 free"),
        (Demand(1, 8 * GIB), "waits for 8.0 GiB memory; 7.0 GiB free"),
        (Demand(1, GIB, gpus=2), "waits for 2 GPUs; 1 free"),
    ],
)
def test_what_waits_hears_what_there_is_too_little_of(demand, said):
    resources = Resources(CAPACITY)
    resources.take(Demand(1, GIB, gpus=1))
    assert resources.take(demand) == said


def test_workers_are_counted():
    resources = Resources(CAPACITY)
    for _ in range(2):
        resources.take(Demand(0.1, MIB))
    assert resources.take(Demand(0.1, MIB)) == "waits for a free worker; all 2 are busy"


def test_a_demand_above_everything_waits_for_everything_and_not_for_ever():
    resources = Resources(CAPACITY)
    assert isinstance(resources.take(Demand(64, 999 * GIB, gpus=9)), Share)


def test_no_gpu_is_given_twice():
    resources = Resources(CAPACITY)
    shares = [resources.take(Demand(1, GIB, gpus=1)) for _ in range(2)]
    assert [share.gpus for share in shares] == [("0",), ("1",)]


def test_lower_limits_hold_from_the_next_one_on():
    resources = Resources(CAPACITY)
    resources.take(Demand(4, GIB))
    resources.adjust(Capacity(2, 2, GIB, ()))
    assert "cores; 0 free" in resources.take(Demand(1, GIB))


@pytest.mark.parametrize(
    ("gpus", "wanted"),
    [(None, 0), (1, 1), ("1", 1), ("all", 2), ("device=0,1", 2), (5, 2), (0, 0)],
)
def test_gpus_are_given_by_request(gpus, wanted):
    assert demand_of(SETTINGS, CAPACITY, container(gpus)).gpus == wanted


def test_a_job_takes_its_part_of_the_site_unless_the_settings_say_otherwise():
    assert demand_of(SETTINGS, CAPACITY, container()) == Demand(2, 4 * GIB)
    settings = SETTINGS.model_copy(update={"step_cpus": 1, "step_memory_bytes": GIB})
    assert demand_of(settings, CAPACITY, container()) == Demand(1, GIB)


def test_a_step_may_use_its_share_and_no_more():
    limits = limits_of(SETTINGS, Share(Demand(2, GIB, 1), ("1",)), 60)
    assert (limits.cpus, limits.memory_bytes, limits.gpus, limits.timeout_s) == (2, GIB, "1", 60)


def test_a_site_without_limits_offers_what_the_machine_has():
    capacity = Capacity.of(SETTINGS)
    assert capacity.cpus >= 1
    assert capacity.memory_bytes > 64 * MIB
    assert Capacity.of(SETTINGS.model_copy(update={"gpus": "0,3"})).gpus == ("0", "3")
