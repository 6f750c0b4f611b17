"""Logins are kept for their owner alone, and switching between them is one command."""

import io
import json

import pytest

from medperf.cli import profiles
from medperf.domain import errors

USER = {"id": 3, "name": "Ada", "organization_id": 1, "created_at": "2026-01-01T00:00:00Z"}
ORGANIZATION = {"id": 1, "name": "Hospital A", "created_at": "2026-01-01T00:00:00Z"}
TOKEN = {
    "id": 5,
    "label": "here",
    "created_at": "2026-01-01T00:00:00Z",
    "expires_at": "2026-03-01T00:00:00Z",
}


@pytest.fixture
def inviting(registry):
    registry.answers["POST", "invitations/redeem"] = {
        "user": USER,
        "access_token": TOKEN,
        "secret": "s3cret",
    }
    registry.answers["GET", "me"] = {"user": USER, "site": None, "organization": ORGANIZATION}
    registry.answers["GET", "server"] = {
        "name": "Test",
        "version": "1",
        "public_key": "",
        "key_id": "",
        "time": "2026-01-01T00:00:00Z",
    }
    return registry


def test_an_invitation_lets_in(inviting, medperf):
    ran = medperf("login", "--server", inviting.url + "/", "--invitation", "t0ken")
    assert (ran.status, "as Ada of Hospital A" in ran.out) == (0, True)
    assert inviting.asked[0][2]["token"] == "t0ken"
    assert medperf("whoami", "--json").json["user"]["name"] == "Ada"


def test_the_secret_is_readable_by_its_owner_alone_and_shown_nowhere(inviting, medperf):
    ran = medperf("login", "--server", inviting.url, "--invitation", "t0ken", "--json")
    assert "s3cret" not in ran.out + ran.err
    assert "s3cret" not in (profiles.home() / "profiles.yaml").read_text()
    assert (profiles.home() / "credentials").stat().st_mode & 0o777 == 0o600


def test_a_login_is_not_overwritten(inviting, medperf):
    medperf("login", "--server", inviting.url, "--invitation", "t0ken")
    ran = medperf("login", "--server", inviting.url, "--invitation", "t0ken")
    assert (ran.status, "--name" in ran.err) == (6, True)


def test_without_terminal_or_flag_nobody_is_asked(inviting, medperf):
    ran = medperf("login", "--server", inviting.url)
    assert (ran.status, "--invitation" in ran.err) == (2, True)


def test_a_token_can_come_from_standard_input(inviting, medperf, monkeypatch, tmp_path):
    (tmp_path / "token").write_text("t0ken\n")
    with (tmp_path / "token").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert medperf("login", "--server", inviting.url, "--invitation", "-").status == 0
    assert inviting.asked[0][2]["token"] == "t0ken"


def test_a_file_named_in_place_of_a_token_is_seen(inviting, medperf, tmp_path):
    file = tmp_path / "token"
    file.write_text("inv_secret")
    ran = medperf("login", "--server", inviting.url, "--invitation", file)
    assert (ran.status, f"--invitation - < {file}" in ran.err) == (2, True)
    assert inviting.asked == []


def test_an_empty_standard_input_is_no_token(inviting, medperf, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    ran = medperf("login", "--server", inviting.url, "--invitation", "-")
    assert (ran.status, "nothing came on standard input" in ran.err) == (2, True)


def test_no_address_is_no_server(medperf):
    ran = medperf("login", "--server", "medperf.example.org", "--invitation", "x")
    assert (ran.status, "https://" in ran.err) == (2, True)


def test_without_a_login_the_way_in_is_named(medperf):
    ran = medperf("model", "ls")
    assert (ran.status, "medperf login --server" in ran.err) == (4, True)


def test_logins_are_listed_switched_and_forgotten(inviting, medperf):
    for name in ("one", "two"):
        medperf("login", "--server", inviting.url, "--invitation", "t", "--name", name)
    assert [row["is_current"] for row in medperf("profile", "ls", "--json").json] == [False, True]
    assert medperf("profile", "use", "one").status == 0
    assert medperf("whoami", "--json").json["profile"] == "one"
    assert medperf("whoami", "--json", "--profile", "two").json["profile"] == "two"
    inviting.answers["POST", "access-tokens/5/revoke"] = TOKEN
    assert medperf("logout").status == 0
    assert [row["name"] for row in medperf("profile", "ls", "--json").json] == ["two"]


def test_a_login_is_forgotten_even_when_the_server_refuses(inviting, medperf):
    medperf("login", "--server", inviting.url, "--invitation", "t")
    inviting.refusals["POST", "access-tokens/5/revoke"] = errors.UnauthenticatedError("expired")
    ran = medperf("logout")
    assert (ran.status, "could not be revoked" in ran.err) == (0, True)
    assert profiles.load().by_name == {}


def test_a_profile_that_does_not_exist_lists_those_that_do(logged_in, monkeypatch):
    monkeypatch.setenv("MEDPERF_PROFILE", "nobody")
    ran = logged_in("model", "ls")
    assert (ran.status, "there is default" in ran.err) == (3, True)


def test_settings_written_by_hand_may_be_any_yaml(logged_in, registry):
    (profiles.home() / "profiles.yaml").write_text(
        f"current: mine\nprofiles:\n  mine: {{server: {registry.url}, user: Ada}}\n"
    )
    (profiles.home() / "credentials").write_text(json.dumps({"mine": {"secret": "s"}}))
    assert logged_in("model", "ls").status == 0


@pytest.mark.parametrize(
    "text", ["[1, 2", "- a\n- b\n", "profiles: {x: {color: red}}", "profiles: 7"]
)
def test_settings_that_cannot_be_read_are_one_error(text, logged_in):
    (profiles.home() / "profiles.yaml").write_text(text)
    ran = logged_in("model", "ls")
    assert (ran.status, "malformed-file" in ran.err) == (2, True)
