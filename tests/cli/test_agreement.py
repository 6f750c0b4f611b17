"""Agreements and people's keys on the command line, against a real server."""

import itertools
import json
import stat

import pytest
from server_fixtures import running

from medperf.cli import profiles

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests; each test has its own organizations there."""
    folder = tmp_path_factory.mktemp("server")
    with running(f"sqlite:///{folder / 'server.sqlite'}") as found:
        yield found


@pytest.fixture
def names():
    """What the two organizations of a test are called on the server."""
    number = next(_NUMBERS)
    return {name: f"{name} {number}" for name in ("Hospital", "Vendor")}


@pytest.fixture
def world(server, names, medperf, tmp_path, monkeypatch):
    """Two organizations with a person each, logged in on one machine under two names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dua.pdf").write_bytes(b"%PDF data use")
    federation = server.federation
    info = federation.anybody.info()
    for name, full in names.items():
        person = federation.person(federation.organization(full), name[0] * 3)
        profile = profiles.Profile(
            name.lower(), server.url, person.user.name, full, 1, info.log_key
        )
        profiles.remember(profile, person.secret)

    def run(*words, who, status=0):
        full = [names.get(word, word) for word in words]
        ran = medperf(*full, "--profile", who, "--json")
        assert ran.status == status, (ran.out, ran.err)
        return ran.json if status == 0 else ran.problem

    return run


@pytest.fixture
def proposed(world):
    return world(
        "agreement", "new", "--kind", "data_use", "--title", "Data use", "--document", "dua.pdf",
        "--party", "Hospital", "--party", "Vendor", "--until", "2099-01-01", who="vendor",
    )  # fmt: skip


def sign(world, number, who, document="dua.pdf", status=0):
    return world("agreement", "sign", number, "--document", document, who=who, status=status)


def test_both_sign_and_anybody_verifies_offline(world, proposed, medperf):
    number = proposed["id"]
    assert proposed["document_size_bytes"] == 13
    assert sign(world, number, "vendor")["state"] == "proposed"
    assert sign(world, number, "hospital")["state"] == "in_force"
    assert [row["id"] for row in world("agreement", "ls", "--state", "in_force", who="vendor")] == [
        number
    ]
    world("agreement", "bundle", number, "--out", "agreement.json", who="hospital")
    said = medperf("verify", "agreement.json", "--profile", "vendor")
    assert said.status == 0
    assert "signed by HHH for Hospital" in said.out
    assert "for whom the server vouches" in said.out
    found = medperf("verify", "agreement.json", "--profile", "vendor", "--json").json
    assert found["is_verified"]
    assert found["agreements"][0]["document_digest"] == proposed["document_digest"]


def test_a_file_that_is_another_one_is_neither_signed_nor_checked(world, proposed, tmp_path):
    (tmp_path / "other.pdf").write_bytes(b"%PDF data abuse")
    for command in ("sign", "check"):
        problem = world(
            "agreement",
            command,
            proposed["id"],
            "--document",
            "other.pdf",
            who="hospital",
            status=7,
        )
        assert problem["code"] == "digest-mismatch"
    assert world("agreement", "show", proposed["id"], who="hospital")["state"] == "proposed"
    rows = world("agreement", "check", proposed["id"], "--document", "dua.pdf", who="hospital")
    assert {row["vouched_by"] for row in rows} == {"nobody, not signed"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"--document": "missing.pdf"}, "empty-input"),
        ({"--until": "2001-01-01"}, "invalid-request"),
        ({"--until": "soon"}, "invalid-request"),
        ({"--party": "Nobody"}, "not-found"),
    ],
)
def test_what_cannot_be_proposed_says_why(world, changes, code):
    options = {
        "--kind": "membership",
        "--title": "Membership",
        "--document": "dua.pdf",
        "--party": "Hospital",
        "--until": "2099-01-01",
    } | changes
    words = [word for pair in options.items() for word in pair]
    status = {"empty-input": 2, "invalid-request": 2, "not-found": 3}[code]
    problem = world("agreement", "new", *words, "--party", "Vendor", who="vendor", status=status)
    assert problem["code"] == code


def test_an_empty_document_is_refused(world, tmp_path):
    (tmp_path / "empty.pdf").touch()
    problem = world(
        "agreement", "new", "--kind", "membership", "--title", "Nothing", "--document",
        "empty.pdf", "--party", "1", "--party", "2", "--until", "2099-01-01", who="vendor", status=2,
    )  # fmt: skip
    assert "is empty" in problem["detail"]


def test_an_own_key_signs_what_its_person_decides(world, names, proposed, medperf):
    key = world("key", "new", who="vendor")
    mode = stat.S_IMODE(profiles.home().joinpath("keys", "vendor.pem").stat().st_mode)
    assert mode == 0o600
    sign(world, proposed["id"], "vendor")
    sign(world, proposed["id"], "hospital")
    rows = world("agreement", "check", proposed["id"], "--document", "dua.pdf", who="vendor")
    assert {row["name"]: row["vouched_by"] for row in rows} == {
        names["Vendor"]: key["key_id"],
        names["Hospital"]: "the server",
    }
    world("agreement", "bundle", proposed["id"], "--out", "a.json", who="vendor")
    out = medperf("verify", "a.json", "--profile", "vendor").out
    assert "VVV for Vendor" in out
    assert "with their own key" in out


def test_keys_are_rotated_and_revoked(world, proposed):
    first = world("key", "new", who="vendor")["key_id"]
    assert world("key", "new", who="vendor", status=6)["code"] == "duplicate"
    second = world("key", "rotate", who="vendor")["key_id"]
    assert [(row["key_id"], row["is_here"]) for row in world("key", "ls", who="vendor")] == [
        (first, False),
        (second, True),
    ]
    sign(world, proposed["id"], "vendor")
    world("key", "revoke", "--reason", "lost", "--yes", who="vendor")
    assert not profiles.home().joinpath("keys", "vendor.pem").exists()
    assert all(row["revoked_at"] for row in world("key", "ls", who="vendor"))
    assert world("key", "revoke", "--yes", who="vendor", status=2)
    assert world("key", "rotate", who="vendor", status=2)
    assert world("key", "new", who="vendor")["key_id"] not in {first, second}


def test_a_key_that_an_attempt_left_behind_is_taken_up(world):
    made = world("key", "new", who="vendor")
    home = profiles.home() / "keys"
    (home / "vendor.pem").rename(home / "vendor.next.pem")
    assert world("key", "new", who="vendor") == made
    (home / "vendor.pem").rename(home / "vendor.next.pem")
    assert world("key", "rotate", who="vendor") == made


def test_the_key_of_another_machine_is_missed_where_it_is_needed(world, proposed):
    world("key", "new", who="vendor")
    (profiles.home() / "keys" / "vendor.pem").unlink()
    assert sign(world, proposed["id"], "vendor", status=5)["code"] == "own-signature"


def test_a_key_that_others_may_read_is_not_used(world, proposed):
    world("key", "new", who="vendor")
    (profiles.home() / "keys" / "vendor.pem").chmod(0o644)
    problem = sign(world, proposed["id"], "vendor", status=6)
    assert "others may read" in json.dumps(problem)


def test_it_ends_before_its_term_when_a_party_says_so(world, proposed):
    sign(world, proposed["id"], "vendor")
    ended = world(
        "agreement", "terminate", proposed["id"], "--reason", "done", "--yes", who="hospital"
    )
    assert ended["state"] == "terminated"
    assert sign(world, proposed["id"], "hospital", status=6)["code"] == "transition"
