"""What an operator does: init, let the first admin in, start and stop, back up and restore."""

import gzip
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from server_fixtures import Federation, RunningServer, running

from medperf.client.api import ServerClient
from medperf.client.transport import AccessSecret, Transport
from medperf.domain.errors import (
    ConflictError,
    EmptyInputError,
    InvalidRequestError,
    MalformedFileError,
    NotSupportedError,
    ServerUnreachableError,
    UnavailableError,
)
from medperf.domain.people import Redemption
from medperf.server.backup import backup, restore
from medperf.server.db.migrate import is_current
from medperf.server.db.queries import rows
from medperf.server.db.session import Database
from medperf.server.db.tables import invitations, metadata
from medperf.server.operations import (
    FOLDER_VARIABLE,
    init,
    invite_user,
    load_key,
    start,
    write_secret,
)
from medperf.server.settings import (
    ADDRESS_FILE,
    KEY_FILE,
    SETTINGS_FILE,
    ServerSettings,
    url_from,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    init(tmp_path / "server", name="Here")
    return tmp_path / "server"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_init_makes_a_folder_that_only_its_owner_reads(folder: Path) -> None:
    assert (_mode(folder), _mode(folder / KEY_FILE), _mode(folder / SETTINGS_FILE)) == (
        0o700,
        0o600,
        0o600,
    )
    settings = ServerSettings.load(folder)
    assert settings.name == "Here"
    database = Database(settings.database_url)
    assert is_current(database)
    database.close()


def test_init_overwrites_nothing(folder: Path) -> None:
    key = load_key(folder).key_id
    with pytest.raises(ConflictError):
        init(folder)
    assert load_key(folder).key_id == key


def test_init_refuses_a_database_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="mysql"):
        init(tmp_path / "server", database_url="mysql://host/db")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("name: [", MalformedFileError),
        ("name: x", MalformedFileError),
        ("database_url: sqlite:///x\ncolour: red", MalformedFileError),
    ],
)
def test_settings_that_are_wrong_are_named(tmp_path: Path, content: str, error: type) -> None:
    (tmp_path / SETTINGS_FILE).write_text(content)
    with pytest.raises(error, match=SETTINGS_FILE):
        ServerSettings.load(tmp_path)


def test_a_folder_without_a_server_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(EmptyInputError) as caught:
        ServerSettings.load(tmp_path)
    assert "medperf server init" in caught.value.advice


def test_two_invitations_of_one_organization_make_it_once(folder: Path) -> None:
    first = invite_user(folder, name="Ada", email="ada@x.example", organization="Op", is_admin=True)
    second = invite_user(folder, name="Bob", email="bob@x.example", organization="Op")
    assert first.invitation.organization_id == second.invitation.organization_id
    assert (first.invitation.is_admin, second.invitation.is_admin) == (True, False)


def test_a_server_folder_can_be_moved(folder: Path) -> None:
    invite_user(folder, name="Ada", email="ada@x.example", organization="Op", is_admin=True)
    moved = folder.rename(folder.with_name("moved"))
    settings = ServerSettings.load(moved)
    assert settings.database_url == f"sqlite:///{moved.resolve()}/data.sqlite"
    database = Database(settings.database_url)
    with database.reading() as connection:
        assert len(rows(connection, invitations)) == 1
    database.close()


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("sqlite:///data.sqlite", "sqlite:///data.sqlite"),
        ("sqlite:///deep/er.sqlite", "sqlite:///deep/er.sqlite"),
        ("sqlite:////elsewhere/x.sqlite", "sqlite:////elsewhere/x.sqlite"),
        ("postgresql://m@db.internal/medperf", "postgresql://m@db.internal/medperf"),
        ("sqlite:///:memory:", "'sqlite:///:memory:'"),
    ],
)
def test_a_database_is_named_from_its_folder_on(tmp_path: Path, given: str, written: str) -> None:
    settings = ServerSettings(database_url=url_from(tmp_path, given))
    settings.save(tmp_path)
    assert f"database_url: {written}\n" in (tmp_path / SETTINGS_FILE).read_text()
    assert ServerSettings.load(tmp_path) == settings


def test_a_database_that_an_operator_names_is_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = init(tmp_path / "server", name="Test", database_url="sqlite:///beside.sqlite")
    assert (tmp_path / "beside.sqlite").exists()
    assert ServerSettings.load(tmp_path / "server") == made
    inside = init(tmp_path / "other", name="Test", database_url="sqlite:///other/in.sqlite")
    assert (tmp_path / "other/in.sqlite").exists()
    assert "database_url: sqlite:///in.sqlite\n" in (tmp_path / "other/server.yaml").read_text()
    assert ServerSettings.load(tmp_path / "other") == inside


# --- a real process ---

START = """
import sys
from pathlib import Path
from medperf.server.operations import start
if __name__ == "__main__":
    start(Path(sys.argv[1]), port=0, processes=int(sys.argv[2]))
"""


@contextmanager
def _started(folder: Path, processes: int) -> Iterator[tuple[subprocess.Popen, str]]:
    script = folder.parent / "start.py"
    script.write_text(START)
    with (folder.parent / "output").open("w+") as output:
        process = subprocess.Popen(
            [sys.executable, script, folder, str(processes)],
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            address = _wait_until_ready(folder, process, output, processes)
            yield process, address
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(120)


def _wait_until_ready(folder: Path, process: subprocess.Popen, output, processes: int) -> str:
    for _ in range(6000):
        assert process.poll() is None, Path(output.name).read_text()
        has_started = Path(output.name).read_text().count("process_started") == processes
        if has_started and (folder / ADDRESS_FILE).exists():
            address = (folder / ADDRESS_FILE).read_text().strip()
            transport = Transport(address, attempts=1)
            try:
                if address:
                    transport.get("/api/v1/server")
                    return address
            except ServerUnreachableError:
                pass
            finally:
                transport.close()
        time.sleep(0.05)
    raise AssertionError(Path(output.name).read_text())


@pytest.mark.parametrize("processes", [1, 2])
def test_a_server_starts_on_a_free_port_and_stops_when_told(folder: Path, processes: int) -> None:
    invitation = invite_user(
        folder, name="Ada", email="ada@x.example", organization="Op", is_admin=True
    )
    with _started(folder, processes) as (process, address):
        anybody = ServerClient(address)
        secret = anybody.invitations.redeem(Redemption(token=invitation.token)).secret
        admin = ServerClient(address, AccessSecret(secret))
        assert admin.me().user.is_admin
        assert anybody.info().key_id == load_key(folder).key_id
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        anybody.close()
        admin.close()
    assert not (folder / ADDRESS_FILE).exists()
    events = [
        json.loads(line)["event"]
        for line in (folder.parent / "output").read_text().splitlines()
        if line.startswith("{")
    ]
    assert events.count("process_started") == events.count("process_stopped") == processes
    assert secret not in (folder.parent / "output").read_text()
    assert "ada@" not in (folder.parent / "output").read_text()


def test_who_reads_its_address_at_once_can_connect(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, "")

    class ConnectedError(Exception):
        pass

    def connect(_said: str) -> None:
        host, port = (folder / ADDRESS_FILE).read_text().strip().removeprefix("http://").split(":")
        socket.create_connection((host, int(port)), timeout=60).close()
        raise ConnectedError

    with pytest.raises(ConnectedError):
        start(folder, port=0, on_listening=connect)


def test_processes_end_when_the_one_that_started_them_is_killed(folder: Path) -> None:
    with _started(folder, 2) as (process, _):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) >= 2
        process.kill()
        while any(_is_alive(int(child)) for child in children):
            time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # before or while it is read
        return False
    return state != "Z"


def test_told_to_stop_it_answers_those_who_wait_and_finishes(folder: Path) -> None:
    invitation = invite_user(
        folder, name="Ada", email="ada@x.example", organization="Op", is_admin=True
    )
    with _started(folder, 1) as (process, address):
        federation = Federation(lambda who: Transport(address, who), _now)
        federation.admin = federation.redeem(invitation.token)
        site = federation.site(federation.organization("Hospital"), "North")
        version = site.client.executions.work().version
        heard = []
        waiting = threading.Thread(
            target=lambda: heard.append(site.client.executions.work(after=version, wait_s=120))
        )
        waiting.start()
        _until_waiting(address)
        process.send_signal(signal.SIGTERM)
        waiting.join(120)
        process.wait(120)
        federation.close()
    assert [work.version for work in heard] == [version]


def _now():
    from medperf.domain.clock import system_clock

    return system_clock()


def _until_waiting(address: str) -> None:
    from urllib.request import urlopen

    for _ in range(6000):
        with urlopen(f"{address}/metrics") as answer:
            if b"medperf_agents_waiting 1.0" in answer.read():
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


# --- backup ---


@pytest.fixture
def server(databases, tmp_path: Path) -> Iterator[tuple[RunningServer, Path]]:
    """A server that runs, with the folder an operator would have."""
    url = databases.empty()
    with running(url) as server:
        server.federation.build().result()
        folder = tmp_path / "server"
        folder.mkdir()
        ServerSettings(name="Test", database_url=url).save(folder)
        write_secret(folder / KEY_FILE, server.key.to_pem())
        yield server, folder


def _content(url: str) -> dict[str, list]:
    database = Database(url)
    with database.snapshot() as connection:
        content = {name: rows(connection, table) for name, table in metadata.tables.items()}
    database.close()
    return content


def test_a_backup_of_a_running_server_restores_to_the_same(
    server: tuple[RunningServer, Path], databases, tmp_path: Path
) -> None:
    _, folder = server
    n_rows = backup(folder, tmp_path / "backup.gz")
    assert _mode(tmp_path / "backup.gz") == 0o600
    url = databases.empty()
    assert restore(tmp_path / "backup.gz", tmp_path / "again", database_url=url) == n_rows
    before = _content(ServerSettings.load(folder).database_url)
    assert _content(url) == before
    assert sum(map(len, before.values())) == n_rows
    assert load_key(tmp_path / "again").key_id == load_key(folder).key_id


def test_a_restored_server_goes_on_counting(
    server: tuple[RunningServer, Path], databases, tmp_path: Path
) -> None:
    _, folder = server
    backup(folder, tmp_path / "backup.gz")
    url = databases.empty()
    restore(tmp_path / "backup.gz", tmp_path / "again", database_url=url)
    invited = invite_user(
        tmp_path / "again", name="Zoe", email="zoe@x.example", organization="Brand new"
    )
    assert invited.invitation.id > 0


def test_a_backup_of_one_kind_of_database_restores_into_the_other(
    sqlite_databases, postgresql_databases, tmp_path: Path
) -> None:
    url = sqlite_databases.empty()
    with running(url) as server:
        server.federation.build()
        folder = tmp_path / "server"
        folder.mkdir()
        ServerSettings(name="Test", database_url=url).save(folder)
        write_secret(folder / KEY_FILE, server.key.to_pem())
        backup(folder, tmp_path / "there.gz")
    other = postgresql_databases.empty()
    restore(tmp_path / "there.gz", tmp_path / "other", database_url=other)
    backup(tmp_path / "other", tmp_path / "back.gz")
    restore(tmp_path / "back.gz", tmp_path / "again")
    again = ServerSettings.load(tmp_path / "again").database_url
    assert _content(again) == _content(url) == _content(other)


def test_a_backup_overwrites_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "backup.gz").write_text("mine")
    with pytest.raises(ConflictError):
        backup(folder, tmp_path / "backup.gz")
    assert (tmp_path / "backup.gz").read_text() == "mine"


def test_restore_refuses_a_folder_or_a_database_that_is_in_use(
    folder: Path, tmp_path: Path
) -> None:
    backup(folder, tmp_path / "backup.gz")
    with pytest.raises(ConflictError):
        restore(tmp_path / "backup.gz", folder)
    url = ServerSettings.load(folder).database_url
    with pytest.raises(ConflictError, match="not empty"):
        restore(tmp_path / "backup.gz", tmp_path / "again", database_url=url)


@pytest.mark.parametrize(
    "damage", ["cut", "damaged", "not gzip", "not a backup", "short", "missing"]
)
def test_restore_refuses_what_is_not_a_whole_backup(
    folder: Path, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "backup.gz"
    backup(folder, path)
    lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    path.unlink()
    broken = {
        "cut": lambda: gzip.compress("".join(lines).encode())[:-20],
        "damaged": lambda: gzip.compress(b"")[:10] + b"\xff" * 100,
        "not gzip": lambda: b"hello",
        "not a backup": lambda: gzip.compress(b'{"format": "other"}\n'),
        "short": lambda: gzip.compress("".join(lines[:-1]).encode()),
    }
    if damage in broken:
        path.write_bytes(broken[damage]())
    with pytest.raises((MalformedFileError, EmptyInputError)):
        restore(path, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def _changed_backup(path: Path, **header: object) -> None:
    first, *others = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    first = json.dumps({**json.loads(first), **header}) + "\n"
    path.write_bytes(gzip.compress("".join([first, *others]).encode()))


def test_a_refused_restore_leaves_room_for_another(folder: Path, tmp_path: Path, databases) -> None:
    good, bad = tmp_path / "good.gz", tmp_path / "bad.gz"
    invite_user(folder, name="Ada", email="ada@x.example", organization="Op", is_admin=True)
    n_rows = backup(folder, good)
    bad.write_bytes(good.read_bytes())
    _changed_backup(bad, key="no key")
    url = databases.empty()
    with pytest.raises(MalformedFileError, match="PEM"):
        restore(bad, tmp_path / "again", database_url=url)
    assert restore(good, tmp_path / "again", database_url=url) == n_rows


def test_a_backup_of_a_newer_version_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "backup.gz"
    backup(folder, path)
    _changed_backup(path, revision="9999")
    with pytest.raises(NotSupportedError, match="9999"):
        restore(path, tmp_path / "again")


def test_a_database_that_is_away_is_named_to_the_operator(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="connection failed") as caught:
        init(tmp_path / "server", database_url="postgresql://nobody@127.0.0.1:1/none")
    assert "database_url" in caught.value.advice
    assert init(tmp_path / "server").name == "MedPerf"
