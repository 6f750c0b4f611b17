"""What a committee sees of a small federation, gathered from a real server."""

from collections.abc import Iterator

import pytest
from server_fixtures import RunningServer, running

from medperf.cli.dossiers import dossier_of
from medperf.evidence.dossier import Dossier


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that holds one model's approved result at one hospital."""
    folder = tmp_path_factory.mktemp("server")
    with running(f"sqlite:///{folder / 'server.sqlite'}") as found:
        federation = found.federation.build()
        result = federation.result(0.8)
        federation.cara.client.results.act(result.id, "approve")
        yield found


@pytest.fixture(scope="package")
def dossier(server: RunningServer) -> Dossier:
    """All that the committee sees of it, with its proof."""
    federation = server.federation
    log_key = federation.anybody.info().log_key
    return dossier_of(federation.cara.client, federation.benchmark_record.id, log_key)
