"""What a committee sees of a small federation, gathered from a real server."""

from collections.abc import Iterator

import pytest
from server_fixtures import running

from medperf.cli.dossiers import dossier_of
from medperf.evidence.dossier import Dossier


@pytest.fixture(scope="package")
def dossier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dossier]:
    """One model's approved result at one hospital, with its proof."""
    folder = tmp_path_factory.mktemp("server")
    with running(f"sqlite:///{folder / 'server.sqlite'}") as server:
        federation = server.federation.build()
        result = federation.result(0.8)
        federation.cara.client.results.act(result.id, "approve")
        log_key = federation.anybody.info().log_key
        yield dossier_of(federation.cara.client, federation.benchmark_record.id, log_key)
