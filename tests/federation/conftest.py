"""One server for all tests, one federation for each test that asks for one."""

import pytest
from federation.federation import Federation, ServerThread


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests; each test has its own organizations there."""
    running = ServerThread(tmp_path_factory.mktemp("server"))
    yield running
    running.close()


@pytest.fixture
def federation(tmp_path, server):
    made = Federation(tmp_path, server)
    made.set_up_benchmark()
    yield made
    made.close()
