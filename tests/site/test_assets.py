"""Assets: nothing is used unchecked, nothing is fetched twice, nothing half-done stays."""

import hashlib
import os
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from medperf.domain.container_records import FileReference
from medperf.domain.containers import ContainerConfig
from medperf.domain.errors import (
    CancelledError,
    DigestMismatchError,
    DiskFullError,
    DownloadError,
    EmptyInputError,
    InvalidRequestError,
    MalformedFileError,
    NotSupportedError,
    UnreadableFileError,
    UnsafeArchiveError,
)
from medperf.runners.archives import pack
from medperf.site import assets as assets_module
from medperf.site import disk
from medperf.site.assets import Assets

URL = "https://example.org/file"


def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class World:
    """Stands for the internet: what each address delivers, and how often it was asked."""

    def __init__(self, **files):
        self.files = {URL: b"content"} | files
        self.n_asked = 0
        self.fail_after = None

    def fetch(self, url, target, *, guard, cancel=None):
        self.n_asked += 1
        content = self.files[url]
        have = target.stat().st_size if target.exists() else 0
        rest = content[have : None if self.fail_after is None else have + self.fail_after]
        guard(len(rest))
        with target.open("ab") as file:
            file.write(rest)
        if self.fail_after is not None:
            raise DownloadError("the line broke")


@pytest.fixture
def world():
    return World()


@pytest.fixture
def assets(tmp_path, world):
    return Assets(tmp_path / "assets", fetcher=world, reserve_bytes=0)


@pytest.fixture
def local(tmp_path):
    return Assets(tmp_path / "assets", allow_local=True, reserve_bytes=0)


REFERENCE = FileReference(url=URL, digest=sha256(b"content"))


def config(kind, image=URL):
    return ContainerConfig.model_validate({"container_type": kind, "image": image, "tasks": {}})


def left_behind(tmp_path):
    return sorted(path.name for path in (tmp_path / "assets" / "partial").iterdir())


def test_file_is_fetched_once(assets, world):
    assert assets.file(REFERENCE).read_bytes() == b"content"
    assert assets.file(REFERENCE).read_bytes() == b"content"
    assert world.n_asked == 1


def test_same_content_from_another_address_is_not_fetched(assets, world):
    assets.file(REFERENCE)
    assets.file(FileReference(url="https://example.org/moved", digest=REFERENCE.digest))
    assert world.n_asked == 1


def test_direct_is_an_address_too(assets):
    reference = FileReference(url=f"direct:{URL}", digest=REFERENCE.digest)
    assets._fetcher.files[URL] = b"content"
    assert assets.file(reference).read_bytes() == b"content"


def test_other_bytes_than_promised_are_refused_and_not_kept(assets, world, tmp_path):
    world.files[URL] = b"Content"
    with pytest.raises(DigestMismatchError, match=REFERENCE.digest):
        assets.file(REFERENCE)
    assert left_behind(tmp_path) == []
    assert not list((tmp_path / "assets" / "files").iterdir())


def test_broken_download_goes_on_where_it_stopped(assets, world):
    world.fail_after = 3
    with pytest.raises(DownloadError):
        assets.file(REFERENCE)
    world.fail_after = None
    assert assets.file(REFERENCE).read_bytes() == b"content"


def test_file_replaced_between_two_attempts_is_fetched_from_the_start(assets, world):
    world.files[URL] = b"old"
    world.fail_after = 3
    with pytest.raises(DownloadError):
        assets.file(REFERENCE)
    world.files[URL], world.fail_after = b"content", None
    assert assets.file(REFERENCE).read_bytes() == b"content"


def test_damaged_file_is_fetched_again(assets, world):
    assets.file(REFERENCE).write_bytes(b"CONTENT")
    assert assets.file(REFERENCE).read_bytes() == b"content"
    assert world.n_asked == 2


def test_concurrent_callers_fetch_once(assets, world, tmp_path):
    other = Assets(tmp_path / "assets", fetcher=world, reserve_bytes=0)
    with ThreadPoolExecutor(8) as pool:
        places = set(pool.map(lambda n: (assets, other)[n % 2].file(REFERENCE), range(16)))
    assert len(places) == 1
    assert world.n_asked == 1


def test_waiting_for_another_can_be_stopped(assets):
    cancel = threading.Event()
    cancel.set()
    with assets._only_one(REFERENCE.digest, None), pytest.raises(CancelledError):
        assets.file(REFERENCE, cancel=cancel)


def test_disk_below_its_reserve_refuses_and_keeps_what_arrived(tmp_path, world, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=50))
    assets = Assets(tmp_path / "assets", fetcher=world, reserve_bytes=44)
    with pytest.raises(DiskFullError, match="free"):
        assets.file(REFERENCE)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=51))
    assert assets.file(REFERENCE).read_bytes() == b"content"


def test_disk_that_is_full_after_all_is_one_clear_error(assets, world):
    def full(url, target, *, guard, cancel=None):
        raise OSError(28, "No space left on device")

    world.fetch = full
    with pytest.raises(DiskFullError, match="full"):
        assets.file(REFERENCE)


# --- paths of this machine ---


def test_registered_file_may_not_be_a_path(assets, tmp_path):
    (tmp_path / "secret").write_bytes(b"content")
    for url in (str(tmp_path / "secret"), (tmp_path / "secret").as_uri()):
        with pytest.raises(InvalidRequestError, match="path on this machine"):
            assets.file(FileReference(url=url, digest=REFERENCE.digest))


@pytest.mark.parametrize("write", [str, lambda path: path.as_uri(), lambda path: f"direct:{path}"])
def test_path_is_taken_where_it_is_allowed(local, tmp_path, write):
    (tmp_path / "a file").write_bytes(b"content")
    reference = FileReference(url=write(tmp_path / "a file"), digest=REFERENCE.digest)
    assert local.file(reference).read_bytes() == b"content"


@pytest.mark.parametrize("url", ["relative/file", "ftp://example.org/x", "http://[x/"])
def test_other_addresses_are_refused(local, url):
    with pytest.raises(InvalidRequestError):
        local.file(FileReference(url=url, digest=REFERENCE.digest))


def test_missing_path_is_named(local, tmp_path):
    with pytest.raises(DownloadError, match="nowhere"):
        local.file(FileReference(url=str(tmp_path / "nowhere"), digest=REFERENCE.digest))


def test_a_device_or_a_pipe_is_not_read(local, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in ("/dev/zero", str(tmp_path / "pipe")):
        with pytest.raises(InvalidRequestError, match="device or a pipe"):
            local.file(FileReference(url=place, digest=sha256(b"")))


def test_folder_stands_for_its_packed_form(local, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.py").write_text("print()")
    digest = pack(source, tmp_path / "packed")
    found = local.image_source(config("SourceArchive", str(source)), digest)
    assert found is not None
    assert found.read_bytes() == (tmp_path / "packed").read_bytes()


# --- unpacked archives ---


def archive(tmp_path, **files):
    source = tmp_path / "source"
    source.mkdir()
    for name, text in files.items():
        (source / name).write_text(text)
    return FileReference(url=URL, digest=pack(source, tmp_path / "packed.tar.gz"))


def test_archive_is_unpacked_once(assets, world, tmp_path):
    reference = archive(tmp_path, weights="1 2 3")
    world.files[URL] = (tmp_path / "packed.tar.gz").read_bytes()
    first = assets.folder(reference)
    inode = (first / "weights").stat().st_ino
    assert (assets.folder(reference) / "weights").read_text() == "1 2 3"
    assert (first / "weights").stat().st_ino == inode
    assert left_behind(tmp_path) == []


def test_changed_folder_is_unpacked_again(assets, world, tmp_path):
    reference = archive(tmp_path, weights="1 2 3")
    world.files[URL] = (tmp_path / "packed.tar.gz").read_bytes()
    (assets.folder(reference) / "weights").write_text("9")
    (assets.folder(reference) / "more").write_text("planted")
    again = assets.folder(reference)
    assert [path.name for path in again.iterdir()] == ["weights"]
    assert (again / "weights").read_text() == "1 2 3"
    assert world.n_asked == 1


def test_folder_that_another_throws_away_while_it_is_looked_at_is_unpacked_again(
    assets, world, tmp_path, monkeypatch
):
    reference = archive(tmp_path, weights="1 2 3")
    world.files[URL] = (tmp_path / "packed.tar.gz").read_bytes()
    assets.folder(reference)
    verify = assets_module.verify_fingerprint

    def while_it_goes(*given, **more):
        monkeypatch.setattr(assets_module, "verify_fingerprint", verify)
        raise UnreadableFileError("weights cannot be read: No such file or directory")

    monkeypatch.setattr(assets_module, "verify_fingerprint", while_it_goes)
    assert (assets.folder(reference) / "weights").read_text() == "1 2 3"


def test_link_in_an_archive_is_refused_and_nothing_stays(assets, world, tmp_path):
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        entry = tarfile.TarInfo("link")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    world.files[URL] = (tmp_path / "evil.tar").read_bytes()
    with pytest.raises(UnsafeArchiveError):
        assets.folder(FileReference(url=URL, digest=sha256(world.files[URL])))
    assert not (tmp_path / "assets" / "folders").exists()
    assert left_behind(tmp_path) == []


def test_file_that_is_no_archive_is_one_clear_error(assets):
    with pytest.raises(MalformedFileError):
        assets.folder(REFERENCE)


def test_archive_without_files_is_refused(assets, world, tmp_path):
    with tarfile.open(tmp_path / "empty.tar", "w") as tar:
        entry = tarfile.TarInfo("folder")
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
    world.files[URL] = (tmp_path / "empty.tar").read_bytes()
    with pytest.raises(EmptyInputError):
        assets.folder(FileReference(url=URL, digest=sha256(world.files[URL])))


# --- images ---


def test_registry_image_has_no_file(assets, world):
    assert assets.image_source(config("DockerImage", "org/name:tag"), REFERENCE.digest) is None
    assert world.n_asked == 0


def test_docker_archive_is_fetched_once_under_its_image(assets, world):
    promised = sha256(b"what the runner will find inside")
    for _ in range(2):
        found = assets.image_source(config("DockerArchive"), promised)
        assert found is not None
        assert found.read_bytes() == b"content"
    assert world.n_asked == 1
    assets.forget_image(config("DockerArchive"), promised)
    assets.image_source(config("DockerArchive"), promised)
    assert world.n_asked == 2


def test_encrypted_image_is_not_supported_yet(assets):
    with pytest.raises(NotSupportedError, match="key"):
        assets.image_source(config("EncryptedDockerArchive"), REFERENCE.digest)


def test_address_of_a_docker_archive_cannot_name_a_path(assets, tmp_path):
    strange = config("DockerArchive", "https://example.org/../../../x")
    assets._fetcher.files[strange.image] = b"content"
    found = assets.image_source(strange, REFERENCE.digest)
    assert found is not None
    assert found.parent == tmp_path / "assets" / "files"
