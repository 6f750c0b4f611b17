"""What a machine needs for MedPerf, checked one thing at a time.

A check never raises: whatever it finds is a line with a verdict, and a remedy where there is one.
"""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from medperf.cli import profiles
from medperf.domain.errors import MedPerfError, UnauthenticatedError
from medperf.domain.identifiers import parse_time
from medperf.provenance.request_signing import MAX_SKEW_S
from medperf.runners.selection import standard_runners

OK: Literal["ok"] = "ok"
WARN: Literal["warn"] = "warn"
FAIL: Literal["fail"] = "fail"

GIB = 1024**3
OLDEST_PYTHON = (3, 11)
LITTLE_DISK_BYTES = 20 * GIB
TOO_LITTLE_DISK_BYTES = 2 * GIB
LITTLE_MEMORY_BYTES = 4 * GIB
_INSTALL: Mapping[str, str] = {
    "docker": "Install and start Docker, or Podman, which needs no root.",
    "podman": "Install Podman, or Docker.",
    "apptainer": "Install Apptainer if models come in that form.",
    "sandbox": "Allow unprivileged user namespaces, or use a kernel with Landlock (5.13).",
}
_REPAIR: Mapping[str, str] = {
    "docker": "Start its daemon, or let this user reach it (group 'docker'); or install Podman.",
    "podman": "Make 'podman info' work for this user: it wants the package uidmap, and lines for"
    " the user in /etc/subuid and /etc/subgid.",
    "apptainer": "Make 'apptainer --version' work for this user.",
}
_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "what": self.what,
            "verdict": self.verdict,
            "found": self.found,
            "remedy": self.remedy,
            "details": dict(self.details),
        }


def examine(profile: str | None, site: Path | None) -> Iterator[Finding]:
    """Look at this machine, the server of the login, and the site's folder if there is one."""
    yield _python()
    yield _disk(site or Path.home())
    yield _cores()
    yield _memory()
    yield from _runners()
    yield _gpu()
    yield from _server(profile)
    if site is not None:
        yield from _site(site)


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info >= OLDEST_PYTHON:
        return Finding("Python", OK, version)
    return Finding("Python", FAIL, version, "Install Python 3.11 or newer.")


def _disk(place: Path) -> Finding:
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{free / GIB:.1f} GiB free at {place}"
    if free < TOO_LITTLE_DISK_BYTES:
        return Finding("disk", FAIL, found, "Free space, or use another disk for the site.")
    if free < LITTLE_DISK_BYTES:
        remedy = "Images and datasets may need more; free space before large benchmarks."
        return Finding("disk", WARN, found, remedy)
    return Finding("disk", OK, found)


def _cores() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("cores", OK, f"{usable} usable of {os.cpu_count()}")


def _memory() -> Finding:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return Finding("memory", WARN, "unknown", "Set memory_bytes with 'medperf site set'.")
    if total < LITTLE_MEMORY_BYTES:
        remedy = "Most models need more memory than this."
        return Finding("memory", WARN, f"{total / GIB:.1f} GiB", remedy)
    return Finding("memory", OK, f"{total / GIB:.1f} GiB")


def _runners() -> Iterator[Finding]:
    with TemporaryDirectory(prefix="medperf-", ignore_cleanup_errors=True) as scratch:
        runners = standard_runners(Path(scratch)).runners
        answers = [(runner, runner.available()) for runner in runners]
    working = [runner for runner, answer in answers if answer.ok]
    for runner, answer in answers:
        what = f"runner {runner.name}"
        needed = set(runner.container_types)
        if answer.ok:
            yield Finding(what, OK, answer.reason, details=answer.isolation)
        elif like := [other.name for other in working if needed <= set(other.container_types)]:
            yield Finding(what, OK, f"{answer.reason}; {like[0]} runs the same containers")
        else:
            advice = _REPAIR if shutil.which(runner.name) else _INSTALL
            lost = f"Without it no {' or '.join(sorted(needed))} runs here."
            remedy = f"{lost} {advice.get(runner.name, _INSTALL[runner.name])}"
            yield Finding(what, WARN, answer.reason, remedy)
    if not working:
        remedy = "Without a runner this machine can register things but run no container."
        yield Finding("runners", FAIL, "none works here", remedy)


def _gpu() -> Finding:
    if not _DRIVER.exists():
        return Finding("GPU", OK, "none found; models run on the processor")
    cards = sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))
    return Finding("GPU", OK, f"{len(cards)} NVIDIA ({', '.join(cards) or 'no device files'})")


def _server(profile: str | None) -> Iterator[Finding]:
    try:
        login = profiles.choose(profile)
    except UnauthenticatedError as error:
        yield Finding("login", WARN, str(error), error.advice)
        return
    except MedPerfError as error:
        yield Finding("login", FAIL, str(error), error.advice)
        return
    yield Finding("login", OK, f"{login.user} of {login.organization} at {login.server}")
    yield from _reach(login)


def _reach(login: profiles.Profile) -> Iterator[Finding]:
    from medperf.client.transport import AccessSecret, Transport

    try:
        transport = Transport(login.server, AccessSecret(profiles.secret_of(login)), attempts=1)
        begin = datetime.now(UTC)
        info = transport.get("/api/v1/server", read_timeout_s=10)
        end = datetime.now(UTC)
        yield Finding("server", OK, f"{info['name']} {info['version']} answers")
        yield _clock(parse_time(info["time"]), begin, end)
        transport.get("/api/v1/me", read_timeout_s=10)
        transport.close()
        yield Finding("access", OK, "the server knows you")
    except MedPerfError as error:
        yield Finding("server", FAIL, str(error), error.advice)


def _clock(said: datetime, begin: datetime, end: datetime) -> Finding:
    # The server read its clock somewhere between our two readings.
    skew_s = max((begin - said).total_seconds(), (said - end).total_seconds(), 0.0)
    found = f"{skew_s:.1f} s from the server's"
    if skew_s > MAX_SKEW_S:
        return Finding("clock", FAIL, found, "Set this machine's clock, for instance with NTP.")
    if skew_s > MAX_SKEW_S / 10:
        return Finding("clock", WARN, found, "Keep this machine's clock right with NTP.")
    return Finding("clock", OK, found)


def _site(folder: Path) -> Iterator[Finding]:
    if not (folder / "site.yaml").is_file():
        remedy = "Run 'medperf site init', or name the folder with --folder or MEDPERF_SITE."
        yield Finding("site", FAIL, f"there is no site in {folder}", remedy)
        return
    for path, allowed in ((folder, 0o700), (folder / "site-key.pem", 0o600)):
        yield _permissions(path, allowed)
    secret = folder / "bootstrap-secret"
    if secret.exists():  # made when it is first needed
        yield _permissions(secret, 0o600)
    yield from _settings(folder / "site.yaml")
    yield _numerics()


def _numerics() -> Finding:
    what = "numerical libraries"
    absent = [name for name in ("numpy", "scipy") if find_spec(name) is None]
    if not absent:
        return Finding(what, OK, "numpy and scipy are there")
    remedy = (
        "Benchmarks whose plans ask for intervals need them: pip install 'medperf[site]'. "
        "All others run without."
    )
    return Finding(what, WARN, f"{' and '.join(absent)} missing", remedy)


def _permissions(path: Path, allowed: int) -> Finding:
    what = f"permissions of {path.name}"
    if not path.exists():
        return Finding(what, FAIL, "it is missing", "Restore it from the site's backup.")
    state = path.stat()
    mode = state.st_mode & 0o777
    if mode & ~allowed:
        return Finding(what, FAIL, f"{mode:o}", f"chmod {allowed:o} {path}")
    if state.st_uid != os.getuid():
        remedy = "Run the agent and these commands as the folder's owner."
        return Finding(what, WARN, f"owned by user {state.st_uid}", remedy)
    return Finding(what, OK, f"{mode:o}, for its owner alone")


def _settings(path: Path) -> Iterator[Finding]:
    from medperf.site.settings import read_settings

    try:
        settings = read_settings(path)
    except MedPerfError as error:
        yield Finding("site settings", FAIL, str(error), error.advice)
        return
    yield Finding("site settings", OK, f"runner: {settings.runner}")
