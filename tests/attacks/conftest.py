"""A federation on a file of its own, whose operator the attacks play."""

import shutil

import pytest
from anyio.from_thread import start_blocking_portal
from server_fixtures import SettableClock, new_federation
from starlette.testclient import TestClient

from medperf.client.log_watch import LogWatch
from medperf.client.transport import Transport
from medperf.provenance.bundle import Bundle
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.provenance.verify import verify_bundle
from medperf.server.app import build_app
from medperf.server.db.migrate import upgrade
from medperf.server.db.session import Database
from medperf.server.settings import ServerSettings


class InProcess(TestClient):
    """Requests without a network."""

    def request(self, method, url, *, timeout=None, **more):
        return super().request(method, url, **more)


class World:
    """A server with a federation; `served_from` lets its operator swap the database below it."""

    def __init__(self, folder, portal):
        self.folder, self.portal = folder, portal
        self.app = None
        self.clock, self.key = SettableClock(), PrivateKey.generate()
        self.file = folder / "data.sqlite"
        self.serve(self.file)
        upgrade(self.app.state.program.database)
        self.federation = new_federation(self.app, self.transport).build()
        self.log_key = NoteKey.from_text(self.federation.anybody.info().log_key)

    def serve(self, file, signed_log=None):
        self.stop()
        settings = ServerSettings(name="Test", database_url=f"sqlite:///{file}")
        self.app = build_app(settings, self.key, clock=self.clock, signed_log=signed_log)
        self.http = InProcess(self.app, raise_server_exceptions=False)
        self.http.portal = self.portal

    def stop(self):
        if self.app is not None:
            self.app.state.program.database.close()

    def transport(self, credential):
        return Transport("http://testserver", credential, http=_Now(self), attempts=1)

    def copy(self, name):
        """The database as it is now, in another file."""
        self.stop()
        target = self.folder / name
        for suffix in ("", "-wal"):
            source = self.file.with_name(self.file.name + suffix)
            if source.exists():
                shutil.copy(source, target.with_name(target.name + suffix))
        return target

    def database(self, file=None):
        return Database(f"sqlite:///{file or self.file}")

    def watch(self, name="watch"):
        return LogWatch(self.folder / name, self.log_key.to_text())

    def bundle(self, result):
        headers = {"Authorization": f"Bearer {self.federation.cara.secret}"}
        answer = self.http.get(f"/api/v1/results/{result.id}/bundle", headers=headers)
        assert answer.status_code == 200, answer.text
        return Bundle.from_bytes(answer.content)

    def verdict(self, bundle):
        return verify_bundle(bundle, self.log_key)


class _Now:
    """Whichever server answers now."""

    def __init__(self, world):
        self._world = world

    def request(self, *given, **more):
        return self._world.http.request(*given, **more)

    def close(self):
        """Nothing is open."""


@pytest.fixture
def world(tmp_path):
    with start_blocking_portal() as portal:
        made = World(tmp_path, portal)
        yield made
        made.stop()
