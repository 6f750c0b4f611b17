"""How a site comes in: with an invitation and a key, again after any crash, and never as another."""

from types import SimpleNamespace

import pytest
from hospital import NOW

from medperf.client.key_file import read_key_file
from medperf.domain import errors
from medperf.domain.people import ServerInfo, Site
from medperf.provenance.checkpoint import log_key
from medperf.provenance.keys import PrivateKey, PublicKey
from medperf.site.enrollment import enroll
from medperf.site.folder import SiteFolder

SERVER_KEY = PrivateKey.from_seed(b"k" * 32).public


class Server:
    """An invitation that is taken once, and sites by their keys."""

    def __init__(self):
        self.enrolled = {}
        self.taken = set()
        self.lose_answer = False
        self.key_id = SERVER_KEY.key_id

    def connect(self, _, credential):
        return SimpleNamespace(
            info=self.info,
            sites=SimpleNamespace(enroll=self.enroll),
            me=lambda: self.me(credential),
            close=lambda: None,
        )

    def info(self):
        return ServerInfo(
            name="Test",
            version="1",
            public_key=SERVER_KEY.to_text(),
            key_id=self.key_id,
            log_key=log_key(SERVER_KEY).to_text(),
            time=NOW,
        )

    def enroll(self, form):
        key = PublicKey.from_text(form.public_key)
        if form.token in self.taken or form.token != "token":
            raise errors.InvitationError
        self.taken.add(form.token)
        self.enrolled[key.key_id] = Site(id=4, name=form.name, organization_id=1, created_at=NOW)
        if self.lose_answer:
            raise errors.ServerUnreachableError
        return self.enrolled[key.key_id]

    def me(self, credential):
        key_id = credential._signer.key_id
        if key_id not in self.enrolled:
            raise errors.UnauthenticatedError
        return SimpleNamespace(site=self.enrolled[key_id])


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "site"


def come_in(server, folder, name="One", address="https://example.org", token="token"):
    return enroll(folder, server=address, invitation=token, name=name, connect=server.connect)


def test_a_site_has_its_own_folder_key_and_the_servers_pinned_key(server, folder):
    settings = come_in(server, folder)
    assert (settings.site_id, settings.log_key) == (4, log_key(SERVER_KEY).to_text())
    place = SiteFolder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert place.key.stat().st_mode & 0o777 == 0o600
    assert read_key_file(place.key).key_id in server.enrolled


def test_doing_it_again_answers_what_is_there(server, folder):
    assert come_in(server, folder) == come_in(server, folder, token="used")


@pytest.mark.parametrize("other", [{"name": "Two"}, {"address": "https://example.com"}])
def test_a_folder_of_another_site_is_refused(server, folder, other):
    come_in(server, folder)
    with pytest.raises(errors.ConflictError, match="is the folder of site 'One'"):
        come_in(server, folder, **other)


def test_after_a_lost_answer_the_same_key_goes_on(server, folder):
    server.lose_answer = True
    with pytest.raises(errors.ServerUnreachableError):
        come_in(server, folder)
    key = SiteFolder(folder).key.read_bytes()
    assert come_in(server, folder).site_id == 4
    assert SiteFolder(folder).key.read_bytes() == key


def test_after_a_lost_answer_another_name_is_refused(server, folder):
    server.lose_answer = True
    with pytest.raises(errors.ServerUnreachableError):
        come_in(server, folder)
    with pytest.raises(errors.ConflictError, match="enrolled as site 'One'"):
        come_in(server, folder, name="Two")


def test_an_invitation_that_somebody_else_took_is_refused(server, folder):
    server.taken.add("token")
    with pytest.raises(errors.InvitationError):
        come_in(server, folder)
    assert not SiteFolder(folder).settings.exists()


def test_a_half_written_key_is_written_again(server, folder):
    folder.mkdir(mode=0o700)
    (folder / "site-key.partial").write_text("half")
    assert come_in(server, folder).site_id == 4


def test_a_server_that_misnames_its_key_is_refused(server, folder):
    server.key_id = "sha256:" + "0" * 64
    with pytest.raises(errors.InvalidRequestError, match="calls its key"):
        come_in(server, folder)


def test_a_key_that_others_may_read_is_refused(server, folder):
    come_in(server, folder)
    place = SiteFolder(folder)
    place.key.chmod(0o640)
    with pytest.raises(errors.ConflictError, match="others may read"):
        read_key_file(place.key)
    place.key.unlink()
    with pytest.raises(errors.InvalidRequestError, match="missing"):
        read_key_file(place.key)


def test_a_file_is_no_folder(server, folder):
    folder.write_text("")
    with pytest.raises(errors.ConflictError, match="is a file"):
        come_in(server, folder)


def test_a_folder_without_a_site_is_named(tmp_path):
    with pytest.raises(errors.NotFoundError, match="there is no site"):
        SiteFolder(tmp_path).require()
