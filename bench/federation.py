"""A simulated federation: every model at every site, with a runner that does nothing.

Everything else is real: a server of two processes, a site's store, grants, signatures, the gate and
the agents, which share the machine's cores with the server (in threads of eight processes here).
"""

import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.scenes.cast import Cast
from bench.scenes.hospitals import AgentProcesses, hospital, take_part
from bench.scenes.processes import cpu_s_of, load_note, server_processes
from bench.table import Row, show

SIZES = ((8, 10), (32, 41))
AGENT_PROCESSES = 8
TIMEOUT_S = 240.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What a federation of one size took."""

    n_executions: int
    wall_s: float
    server_cpu_s: float
    agents_cpu_s: float

    @property
    def each_ms(self) -> float:
        """Wall time per execution."""
        return self.wall_s / self.n_executions * 1000


def main() -> None:
    measured = {size: _simulated(*size) for size in SIZES}
    first = measured[SIZES[0]]
    rows = []
    for (n_sites, n_models), one in measured.items():
        name = f"{n_sites} sites x {n_models} models"
        rows += [
            Row(name, one.each_ms, "ms/execution", first.each_ms, "the smaller one", "< 60 ms"),
            Row("  server CPU", one.server_cpu_s / one.n_executions * 1000, "ms/execution"),
            Row("  agents CPU", one.agents_cpu_s / one.n_executions * 1000, "ms/execution"),
            Row("  whole", one.wall_s, "s"),
        ]
    show("Simulated federation, no-op runner, two server processes", rows, [load_note()])


def _simulated(n_sites: int, n_models: int) -> Measured:
    n_executions = n_sites * n_models
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        with server_processes(place / "server") as server:
            cast = Cast(server.folder, server.url)
            for number in range(n_models):
                cast.take_part(cast.vendor.client, cast.model(cast.vendor, f"Model {number}"))
            folders = [place / "sites" / str(number) for number in range(n_sites)]
            for number, folder in enumerate(folders):
                take_part(cast, folder, hospital(cast, folder, f"Site {number}"))
            images = [f"model-{number}-container" for number in range(n_models)]
            agents = AgentProcesses(folders, ["evaluator", *images], AGENT_PROCESSES)
            try:
                server_before, agents_before = server.cpu_s(), sum(map(cpu_s_of, agents.pids))
                began = time.perf_counter()
                agents.go()
                _wait_for_results(server.folder / "data.sqlite", n_executions)
                return Measured(
                    n_executions,
                    time.perf_counter() - began,
                    server.cpu_s() - server_before,
                    sum(map(cpu_s_of, agents.pids)) - agents_before,
                )
            finally:
                agents.stop()
                cast.close()


def _wait_for_results(database: Path, wanted: int) -> None:
    # Straight from the file: asking the server would be work for it that is not measured here.
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    deadline = time.monotonic() + TIMEOUT_S
    found = 0
    while found < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{found} of {wanted} results came within {TIMEOUT_S:.0f} s")
        time.sleep(0.05)
        found = connection.execute("SELECT count(*) FROM results").fetchone()[0]
    connection.close()


if __name__ == "__main__":
    main()
