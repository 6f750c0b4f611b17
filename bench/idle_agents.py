"""A thousand agents that wait for work on one server of two processes.

What that costs the server while nothing happens (each agent asks again every 25 seconds), and how
long after an approval the agents concerned hear of it.
"""

import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from sqlalchemy import insert

from bench.scenes.cast import Cast, Station
from bench.scenes.processes import ServerProcesses, load_note, server_processes
from bench.table import Row, show
from medperf.domain.clock import system_clock
from medperf.provenance.keys import PrivateKey
from medperf.server.db.session import Database
from medperf.server.db.tables import site_keys, sites
from medperf.server.settings import ServerSettings
from medperf.site.agent import POLL_WAIT_S

N_AGENTS = 1000
N_CONCERNED = 10
N_APPROVALS = 5
TIMEOUT_S = 60.0


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as temporary,
        server_processes(Path(temporary) / "server") as server,
    ):
        cast = Cast(server.folder, server.url)
        stations = [cast.station(f"Site {number}") for number in range(N_CONCERNED)]
        for station in stations:
            cast.take_part(station.client, cast.dataset(station, "Data"))
        models = [cast.model(cast.vendor, f"Model {n}") for n in range(N_APPROVALS)]
        keys = {station.record.id: station.key for station in stations}
        keys |= _more_sites(server, stations[0], N_AGENTS - N_CONCERNED)
        empty_mib = server.memory_mib()
        with _waiting(server.url, keys) as heard:
            full_mib = server.memory_mib()
            before = server.cpu_s()
            time.sleep(POLL_WAIT_S)
            cpu_s = server.cpu_s() - before
            delays = []
            for model in models:
                began = time.monotonic()
                cast.take_part(cast.vendor.client, model)
                delays += [moment - began for moment in _times(heard, set(keys), stations)]
        cast.close()
    show(
        f"{N_AGENTS:,} idle agents, one server of two processes",
        [
            Row("server memory", full_mib, "MiB", empty_mib, "no agents"),
            Row("  per agent", (full_mib - empty_mib) / N_AGENTS * 1024, "KiB"),
            Row("server CPU while nothing happens", cpu_s / POLL_WAIT_S * 100, "% of a core"),
            Row("approval to agent, median", median(delays), "s", target="< 2 s"),
            Row("approval to agent, slowest", max(delays), "s", target="< 2 s"),
        ],
        [
            f"with the request that approves; {N_CONCERNED} agents concerned, {N_APPROVALS} times",
            load_note(),
        ],
    )


def _more_sites(server: ServerProcesses, like: Station, n: int) -> dict[int, PrivateKey]:
    """Enrolled sites, straight in the database: a thousand enrollments are not what is measured."""
    database = Database(ServerSettings.load(server.folder).database_url)
    keys: dict[int, PrivateKey] = {}
    now = system_clock()
    with database.writing() as connection:
        for number in range(n):
            key = PrivateKey.generate()
            done = connection.execute(
                insert(sites).values(
                    name=f"Idle {number}",
                    organization_id=like.record.organization_id,
                    created_at=now,
                )
            )
            site_id = int(done.inserted_primary_key[0])  # type: ignore[index]
            connection.execute(
                insert(site_keys).values(
                    key_id=key.key_id,
                    site_id=site_id,
                    public_key=key.public.to_text(),
                    created_at=now,
                )
            )
            keys[site_id] = key
    database.close()
    return keys


@contextmanager
def _waiting(url: str, keys: dict[int, PrivateKey]) -> Iterator["queue.Queue[tuple[int, float]]"]:
    """The agents, from when all of them wait; what they hear comes with its time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.scenes.waiting"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.stdin is None or process.stdout is None:
        raise AssertionError("the process was started with pipes")
    given = {"url": url, "sites": [[n, key.to_pem().decode()] for n, key in keys.items()]}
    process.stdin.write(json.dumps(given) + "\n")
    process.stdin.flush()
    heard: queue.Queue[tuple[int, float]] = queue.Queue()
    output = process.stdout
    try:
        for line in output:
            if line.strip() == "waiting":
                break
        else:
            raise RuntimeError("the agents did not come to wait")

        def read() -> None:
            for line in output:
                _, number, moment = line.split()
                heard.put((int(number), float(moment)))

        threading.Thread(target=read, daemon=True).start()
        yield heard
    finally:
        process.terminate()
        process.wait()


def _times(
    heard: "queue.Queue[tuple[int, float]]", known: set[int], stations: Sequence[Station]
) -> list[float]:
    """When each of the stations heard."""
    missing = {station.record.id for station in stations} & known
    times = []
    while missing:
        number, moment = heard.get(timeout=TIMEOUT_S)
        if number in missing:
            missing.discard(number)
            times.append(moment)
    return times


if __name__ == "__main__":
    main()
