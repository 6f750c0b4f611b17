"""The operator replaces the server's own key, on both databases."""

import pytest

from medperf.domain.errors import EmptyInputError, InvalidRequestError, LogForkError
from medperf.provenance.bundle import Bundle
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.provenance.succession import follow
from medperf.server import succession
from medperf.server.backup import backup, restore
from medperf.server.db.session import Database
from medperf.server.log.key_queries import newest_succession
from medperf.server.log.reading import successions
from medperf.server.log.signing import LogSigner
from medperf.server.operations import init, invite_user, keys_of, load_key
from medperf.server.settings import KEY_FILE, NEXT_KEY_FILE, SIGNED_LOG_FILE, ServerSettings


@pytest.fixture
def folder(databases, tmp_path):
    """A server that never ran, on SQLite and on PostgreSQL."""
    url = databases.empty()
    place = tmp_path / "server"
    init(place, database_url=url)
    yield place
    databases.discard(url)


def signer_of(folder):
    database = Database(ServerSettings.load(folder).database_url)
    try:
        with database.reading() as connection:
            return keys_of(folder).signer(connection)
    finally:
        database.close()


def successions_of(folder):
    database = Database(ServerSettings.load(folder).database_url)
    try:
        with database.reading() as connection:
            found = successions(connection, LogSigner(keys_of(folder)), 0)
    finally:
        database.close()
    return Bundle.model_validate({k: v for k, v in found.items() if k != "proof"})


def test_a_rotation_leaves_one_key_here_and_a_chain_from_the_first(folder):
    first = load_key(folder)
    for _ in range(2):
        succession.rotate(folder, "yearly")
    shown = succession.show(folder)
    assert [(each.first_leaf, each.last_leaf, each.is_here) for each in shown] == [
        (0, 0, False),
        (1, 1, False),
        (2, None, True),
    ]
    assert shown[0].key.public == first.public
    assert not (folder / NEXT_KEY_FILE).exists()
    assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    keys, _ = follow(successions_of(folder), shown[0].key)
    assert keys.current == shown[-1].key
    assert invite_user(folder, name="Zoe", email="z@x.example", organization="New").token


def test_killed_after_the_log_has_it_the_next_key_is_found_and_takes_its_place(folder):
    former = (folder / KEY_FILE).read_bytes()
    current = succession.rotate(folder)[-1].key
    # As it lay a moment before the end.
    (folder / KEY_FILE).rename(folder / NEXT_KEY_FILE)
    (folder / KEY_FILE).write_bytes(former)
    assert signer_of(folder).public == current.public
    assert [each.is_here for each in succession.show(folder)] == [False, True]
    assert load_key(folder).public == current.public


def test_killed_before_the_log_has_it_the_next_key_is_forgotten(folder):
    unused = PrivateKey.generate()
    (folder / NEXT_KEY_FILE).write_bytes(unused.to_pem())
    before = load_key(folder).public
    assert [each.key.public for each in succession.show(folder)] == [before]
    assert succession.rotate(folder)[-1].key.public != unused.public


def test_a_lost_key_is_followed_if_a_member_tells_which_it_was(folder):
    first = succession.show(folder)[0].key
    key = succession.rotate(folder)[-1].key
    (folder / KEY_FILE).unlink()
    stranger = NoteKey(key.name, PrivateKey.generate().public)
    with pytest.raises(InvalidRequestError, match="signed none"):
        succession.revoke(folder, "disk lost", former=stranger.to_text())
    shown = succession.revoke(folder, "disk lost", former=key.to_text())
    assert [each.key for each in shown[:2]] == [first, key]
    (folder / KEY_FILE).unlink()
    again = succession.revoke(folder, "lost again")
    assert [each.is_here for each in again] == [False] * 3 + [True]
    with pytest.raises(InvalidRequestError, match="signed with"):
        succession.revoke(folder, "stolen", former=key.to_text())


def test_a_lost_first_key_has_to_be_named(folder):
    (folder / KEY_FILE).unlink()
    with pytest.raises(EmptyInputError, match="nobody knows"):
        succession.revoke(folder, "disk lost")


def test_a_backup_keeps_the_chain_and_an_older_one_is_not_signed(folder, databases, tmp_path):
    backup(folder, tmp_path / "old.gz")
    succession.rotate(folder)
    backup(folder, tmp_path / "new.gz")
    url = databases.empty()
    restore(tmp_path / "new.gz", tmp_path / "again", database_url=url)
    assert succession.show(tmp_path / "again") == succession.show(folder)
    third = tmp_path / "third"
    third.mkdir()
    (third / SIGNED_LOG_FILE).write_bytes((folder / SIGNED_LOG_FILE).read_bytes())
    with pytest.raises(LogForkError, match="earlier state"):
        restore(tmp_path / "old.gz", third, database_url=databases.empty())


def test_no_key_follows_in_a_database_that_was_put_back(folder, databases, tmp_path):
    backup(folder, tmp_path / "old.gz")
    succession.rotate(folder)
    restore(tmp_path / "old.gz", tmp_path / "back", database_url=databases.empty())
    (tmp_path / "back" / SIGNED_LOG_FILE).write_bytes((folder / SIGNED_LOG_FILE).read_bytes())
    for act in (succession.rotate, lambda place: succession.revoke(place, "stolen")):
        with pytest.raises(LogForkError, match="earlier state"):
            act(tmp_path / "back")
    database = Database(ServerSettings.load(tmp_path / "back").database_url)
    with database.reading() as connection:
        assert newest_succession(connection) is None
    database.close()
