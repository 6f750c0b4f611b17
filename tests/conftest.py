"""What every test stands on: a home of its own, no way out to the world, and a quiet, strict log."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from structlog.typing import EventDict

from medperf.server.logs import FIELDS

# No test asserts a duration: a busy machine is not a defect.
settings.register_profile("medperf", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("medperf")


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point HOME and every MedPerf folder into a temporary one."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for name in ("MEDPERF_HOME", "MEDPERF_SITE", "MEDPERF_SERVER", "MEDPERF_PROFILE"):
            patch.delenv(name, raising=False)
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
        yield home


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Log nothing, but let a field that is not listed fail the test.

    Before each test anew, since what starts a server in this process configures the log.
    """
    structlog.configure(processors=[_only_listed_fields])


def _only_listed_fields(_logger: object, _name: str, event: EventDict) -> EventDict:
    assert event.keys() <= FIELDS, f"not in the list of log fields: {event.keys() - FIELDS}"
    raise structlog.DropEvent
