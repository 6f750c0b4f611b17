"""Sites with a folder, a store and a prepared dataset, and processes in which their agents run.

As a program: ``python -m bench.scenes.hospitals`` reads which folders and images there are, opens
the sites, says so, and runs their agents, each in a thread, until its standard input ends.
"""

import contextlib
import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import structlog
import yaml

from bench.scenes.cast import METRIC, Cast, dataset_form
from bench.scenes.processes import installed
from medperf.domain.associations import AssociationForm, AssociationKind
from medperf.domain.clock import system_clock
from medperf.domain.datasets import Dataset
from medperf.runners.fake import Call, FakeRunner
from medperf.runners.selection import RunnerSet
from medperf.site.app import Site, open_site
from medperf.site.enrollment import enroll
from medperf.site.fingerprint import fingerprint
from medperf.site.settings import set_setting

N_CASES = 10
EVERYTHING = '@id("everything") permit (principal, action, resource);'


def hospital(cast: Cast, folder: Path, name: str, *, runners: RunnerSet | None = None) -> Dataset:
    """Enroll a site in ``folder`` and register a prepared dataset; nothing waits for a person."""
    enroll(folder, server=cast.url, invitation=cast.site_token(name), name=name)
    set_setting(folder / "site.yaml", "disk_reserve_bytes", "0")
    with opened(folder, runners or RunnerSet([FakeRunner()])) as site:
        site.policy.put_in_force(EVERYTHING)
        return _registered(cast, site, name)


def take_part(cast: Cast, folder: Path, dataset: Dataset) -> None:
    """Have a hospital ask for its dataset's place in the benchmark."""
    form = AssociationForm(
        benchmark_id=cast.benchmark.id, kind=AssociationKind.DATASET, dataset_id=dataset.id
    )
    with opened(folder, RunnerSet([FakeRunner()])) as site:
        site.gate.request_association(form, released_by="Ada", role="data owner")


@contextmanager
def opened(folder: Path, runners: RunnerSet) -> Iterator[Site]:
    """An open site that says nothing."""
    quiet = structlog.wrap_logger(structlog.ReturnLogger(), processors=[])
    site = open_site(folder, runners=runners, log=quiet, rng=random.Random(1))
    try:
        yield site
    finally:
        site.close()


class AgentProcesses:
    """Processes in which the agents of many sites wait for the word to start."""

    def __init__(self, folders: Sequence[Path], images: Sequence[str], processes: int) -> None:
        self._processes = [
            self._started([str(folder) for folder in folders[index::processes]], images)
            for index in range(processes)
        ]
        for process in self._processes:
            self._hear(process, "ready")

    @property
    def pids(self) -> list[int]:
        """Which processes."""
        return [process.pid for process in self._processes]

    def go(self) -> None:
        """Let the agents begin."""
        for process in self._processes:
            self._say(process)

    def stop(self) -> None:
        """Stop the agents."""
        for process in self._processes:
            with contextlib.suppress(OSError):
                if process.stdin:
                    process.stdin.close()
        for process in self._processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _started(self, folders: list[str], images: Sequence[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.scenes.hospitals"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=installed(),
            text=True,
        )
        self._say(process, json.dumps({"folders": folders, "images": list(images)}))
        return process

    def _say(self, process: subprocess.Popen[str], line: str = "go") -> None:
        if process.stdin is None:
            raise AssertionError("the process was started with a pipe")
        process.stdin.write(line + "\n")
        process.stdin.flush()

    def _hear(self, process: subprocess.Popen[str], wanted: str) -> None:
        if process.stdout is None or process.stdout.readline().strip() != wanted:
            raise RuntimeError("the agents did not start")


def _registered(cast: Cast, site: Site, name: str) -> Dataset:
    """A dataset as preparation and registration leave it."""
    record = site.records.container(cast.preparator.id)
    root = site.folder.root
    local = site.datasets.add(f"{name} data", record, raw_data_path=root, raw_labels_path=root)
    for folder in (local.data_path, local.labels_path):
        folder.mkdir(parents=True)
        for number in range(N_CASES):
            (folder / f"case{number}.txt").write_text(f"{name} {folder.name} {number}")
    found = fingerprint(local.roots).digest
    form = dataset_form(f"{name} data", found, record, site.settings.site_id, site.signer, N_CASES)
    dataset = site.gate.register_dataset(form, released_by="Ada", role="data owner")
    site.client.datasets.act(dataset.id, "submit")
    for action in ("prepare", "finish", "pass"):
        site.datasets.act(local.number, action, actor="bench")
    site.datasets.act(
        local.number,
        "register",
        actor="bench",
        fingerprint=found,
        n_cases=N_CASES,
        statistics=form.statistics,
        prepared_at=system_clock(),
        dataset_id=dataset.id,
    )
    return dataset


def _infer(call: Call) -> None:
    for source in call.paths["data_path"].iterdir():
        (call.paths["output_path"] / source.name).write_text("0.5")


def _evaluate(call: Call) -> None:
    n_cases = len(list(call.paths["predictions"].iterdir()))
    estimate = {"name": METRIC, "value": 0.91234567, "n": n_cases}
    document = {"schema": "medperf.results/v1", "n_cases": n_cases, "metrics": [estimate]}
    call.paths["output_path"].write_text(yaml.safe_dump(document))


def _runner(images: Sequence[str]) -> FakeRunner:
    runner = FakeRunner()
    for image in images:
        runner.register(image, "infer", _infer)
        runner.register(image, "evaluate", _evaluate)
    return runner


def _run(given: dict[str, Any]) -> None:
    stop = threading.Event()
    with ExitStack() as stack:
        sites = [
            stack.enter_context(opened(Path(folder), RunnerSet([_runner(given["images"])])))
            for folder in given["folders"]
        ]
        agents = [site.agent() for site in sites]
        threads = [threading.Thread(target=agent.run, args=(stop,)) for agent in agents]
        print("ready", flush=True)
        if not sys.stdin.readline():
            return
        for thread in threads:
            thread.start()
        sys.stdin.read()  # until whoever started this closes it
        stop.set()
        for agent in agents:
            agent.wake()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    _run(json.loads(sys.stdin.readline()))
