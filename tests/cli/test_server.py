"""What an operator mistypes costs nothing."""

import pytest


def init(medperf, folder, **changes):
    given = {
        "name": "Test", "organization": "Op", "admin": "Ann", "email": "ann@x.example",
    } | changes  # fmt: skip
    words = [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", value)]
    return medperf("server", "init", "--folder", folder, *words)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"email": "not an address"}, "'not an address' is no e-mail address"),
        ({"email": "a@x.example\n"}, "is no e-mail address"),
        ({"admin": "=Ann"}, "'=Ann' is no name"),
        ({"organization": "-Op"}, "'-Op' is no name"),
        ({"name": "a/b"}, "'a/b' is no name"),
    ],
)
def test_a_mistyped_admin_leaves_no_server_without_one(medperf, tmp_path, wrong, said):
    ran = init(medperf, tmp_path / "server", **wrong)
    assert (ran.status, said in ran.err) == (2, True)
    assert not (tmp_path / "server").exists()
    assert init(medperf, tmp_path / "server").status == 0


def test_a_token_that_could_not_be_written_is_not_issued(medperf, tmp_path):
    (tmp_path / "token").write_text("mine")
    ran = init(medperf, tmp_path / "server", token_file=tmp_path / "token")
    assert (ran.status, "exists" in ran.err) == (6, True)
    ran = init(medperf, tmp_path / "server", token_file=tmp_path / "nowhere" / "token")
    assert (ran.status, "there is no folder" in ran.err) == (2, True)
    assert not (tmp_path / "server").exists()
    assert (tmp_path / "token").read_text() == "mine"


def test_an_organization_is_invited_under_its_one_name(medperf, tmp_path):
    init(medperf, tmp_path / "server", organization="E\N{COMBINING ACUTE ACCENT}t")
    words = ("--name", "Bob", "--email", "bob@x.example", "--json")
    invited = [
        medperf("server", "user", "--folder", tmp_path / "server", "--organization", name, *words)
        for name in ("E\N{COMBINING ACUTE ACCENT}t", "\N{LATIN CAPITAL LETTER E WITH ACUTE}t")
    ]
    numbers = {ran.json["invitation"]["organization_id"] for ran in invited}
    assert numbers == {1}
