"""Admins come in with a key of their own; everybody else makes one when they want it."""

import itertools
from pathlib import Path

import pytest
from server_fixtures import running

from medperf.cli import profiles
from medperf.domain.people import InvitationForm

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests; each test has a person of its own there."""
    folder = tmp_path_factory.mktemp("server")
    with running(f"sqlite:///{folder / 'server.sqlite'}") as found:
        found.federation.organization("Second operator")
        yield found


@pytest.fixture
def invite(server):
    """Invitations of one person to a real server."""
    email = f"second-{next(_NUMBERS)}@operator.example"
    [organization] = server.federation.admin.client.organizations.list(name="Second operator")

    def issue(*, is_admin):
        form = InvitationForm(
            kind="user",
            organization_id=organization.id,
            name="Second",
            email=email,
            is_admin=is_admin,
        )
        return server.url, server.federation.admin.client.invitations.issue(form).token

    return issue


def come_in(medperf, invited, name):
    url, token = invited
    words = ("login", "--server", url, "--invitation", token, "--name", name, "--json")
    ran = medperf(*words)
    assert ran.status == 0, ran.err
    return ran.json


def test_an_admin_comes_in_with_a_key_of_their_own(invite, medperf):
    key = come_in(medperf, invite(is_admin=True), "admin")["key"]
    assert Path(key["file"]).stat().st_mode & 0o777 == 0o600
    [known] = medperf("key", "ls", "--profile", "admin", "--json").json
    assert known["key_id"] == key["key_id"]
    assert known["is_here"]


def test_an_admin_with_a_key_elsewhere_keeps_it(invite, medperf):
    first = come_in(medperf, invite(is_admin=True), "admin")["key"]
    assert come_in(medperf, invite(is_admin=True), "elsewhere")["key"] is None
    [known] = medperf("key", "ls", "--profile", "elsewhere", "--json").json
    assert (known["key_id"], known["is_here"]) == (first["key_id"], False)


def test_whoever_is_no_admin_makes_a_key_when_they_want_one(invite, medperf):
    assert come_in(medperf, invite(is_admin=False), "member")["key"] is None


def test_a_key_of_an_earlier_login_of_that_name_is_not_replaced(invite, medperf):
    kept = profiles.home() / "keys" / "admin.pem"
    kept.parent.mkdir(parents=True)
    kept.write_text("a key of before")
    assert come_in(medperf, invite(is_admin=True), "admin")["key"] is None
    assert kept.read_text() == "a key of before"
