"""One federation for each test that asks for one."""

import pytest
import structlog
from federation.federation import Federation


@pytest.fixture(autouse=True)
def quiet_server():
    """The server's log is not what these tests look at."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.fixture
def federation(tmp_path):
    made = Federation(tmp_path)
    made.set_up_benchmark()
    yield made
    made.close()
