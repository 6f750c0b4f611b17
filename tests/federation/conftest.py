"""One server for all tests, one federation for each test that asks for one."""

import json

import pytest
from federation.federation import Federation, ServerThread

from medperf.cli.main import run
from medperf.domain.people import InvitationForm


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


@pytest.fixture
def medperf(federation, tmp_path, monkeypatch, capsys):
    """The committee's command line."""
    monkeypatch.setenv("MEDPERF_HOME", str(tmp_path / "home"))
    form = InvitationForm(
        kind="user",
        organization_id=federation.committee.organization_id,
        name="Reader",
        email="reader@example.org",
    )
    token = federation.admin.invitations.issue(form).token

    def medperf(*words, status=0):
        capsys.readouterr()
        ended = run([*map(str, words), "--json"])
        said = capsys.readouterr()
        assert ended == status, (words, said)
        return json.loads(said.out or said.err.strip().splitlines()[-1])

    medperf("login", "--server", federation.server.url, "--invitation", token)
    return medperf
