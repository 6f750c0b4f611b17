"""Moving a dataset: whole and verified on arrival, or nothing left behind."""

import io
import os
import tarfile

import pytest
from hospital import LIMITS, NOW, OLDER_PREPARATOR, PREPARATOR, Hospital

from medperf.domain.errors import (
    ConflictError,
    DiskFullError,
    DuplicateError,
    FingerprintMismatchError,
    ForbiddenError,
    InvalidRequestError,
    MalformedFileError,
    NotFoundError,
    SealError,
    UnreadableFileError,
    UnsafeArchiveError,
)
from medperf.provenance import sealing
from medperf.provenance.sealing import Passphrase, Sealer, SecretKey, Unsealer
from medperf.site import dataset_archive
from medperf.site.dataset_archive import DatasetArchive
from medperf.site.fingerprint import fingerprint
from medperf.site.fingerprint_cache import FingerprintCache
from medperf.site.preparation import Preparation
from medperf.site.store.connection import Store
from medperf.site.store.datasets import TABLES, Datasets

KEY = SecretKey(b"k" * 32)


class Machine(Hospital):
    """One machine of a site."""

    def __init__(self, folder, site="server/9"):
        folder.mkdir()
        super().__init__(folder)
        self.store = Store(folder / "store.db", [TABLES])
        self.datasets = Datasets(self.store, folder / "datasets", lambda: NOW)
        self.cache = FingerprintCache(folder / "files.db")
        self.archive = DatasetArchive(
            self.datasets, folder / "datasets", site=site, cache=self.cache, reserve_bytes=0
        )

    def prepared(self, preparator=PREPARATOR):
        data, labels = self.raw()
        number = self.datasets.add(
            "first", preparator, raw_data_path=data, raw_labels_path=labels, description="three"
        ).number
        preparation = Preparation(
            self.datasets, self.steps, limits=lambda _: LIMITS, cache=self.cache, clock=lambda: NOW
        )
        preparation.prepare(number, actor="user:ada")
        return number

    def is_empty(self):
        left = [path.name for path in (self.folder / "datasets").glob("*")]
        return self.datasets.all() == () and left == [".import.lock"]


@pytest.fixture
def machine(tmp_path):
    machines = []

    def make(name, **options):
        machines.append(Machine(tmp_path / name, **options))
        return machines[-1]

    yield make
    for made in machines:
        made.store.close()


@pytest.fixture
def old(machine):
    old = machine("old")
    old.prepared()
    return old


@pytest.fixture
def new(machine):
    return machine("new")


@pytest.fixture
def sealed(old, tmp_path):
    target = tmp_path / "moved.medperf"
    old.archive.export_dataset(1, target, KEY)
    return target


def test_dataset_arrives_as_it_was(old, new, sealed):
    moved = new.archive.import_dataset(sealed, KEY)
    before = old.datasets.get(1)
    for name in (
        "name", "description", "preparator", "fingerprint", "n_cases", "statistics", "prepared_at", "state",
    ):  # fmt: skip
        assert getattr(moved, name) == getattr(before, name)
    assert fingerprint(moved.roots).digest == before.fingerprint
    assert (moved.folder.report_path).read_text() == before.folder.report_path.read_text()
    assert [path.name for path in moved.folder.root.parent.iterdir()].count(".import") == 0


def test_dataset_whose_labels_lie_with_its_data_arrives_as_it_was(machine, tmp_path):
    old, new = machine("a"), machine("b")
    old.prepared(OLDER_PREPARATOR)
    old.archive.export_dataset(1, tmp_path / "moved", KEY)
    moved = new.archive.import_dataset(tmp_path / "moved", KEY)
    assert fingerprint(moved.roots).digest == old.datasets.get(1).fingerprint
    assert moved.labels_path == moved.data_path


def test_registered_dataset_keeps_its_number_at_the_server(old, new, tmp_path):
    old.datasets.act(1, "register", actor="ada", dataset_id=50)
    old.archive.export_dataset(1, tmp_path / "file", KEY)
    new.archive.import_dataset(tmp_path / "file", KEY)
    assert new.datasets.of_server(50).state == "registered"


def test_passphrase_opens_it_too(old, new, tmp_path, monkeypatch):
    monkeypatch.setattr(sealing.Sealer.__init__, "__kwdefaults__", {"scrypt_log_n": 10})
    secret = Passphrase("correct horse battery")
    old.archive.export_dataset(1, tmp_path / "file", secret)
    assert new.archive.import_dataset(tmp_path / "file", secret).name == "first"


def test_file_is_for_its_owner_and_shows_nothing(sealed):
    assert sealed.stat().st_mode & 0o777 == 0o600
    content = sealed.read_bytes()
    for secret in (b"IMAGE", b"case0", b"first", b"mean_size"):
        assert secret not in content


def test_wrong_secret_leaves_nothing(new, sealed):
    with pytest.raises(SealError, match="wrong"):
        new.archive.import_dataset(sealed, SecretKey(b"x" * 32))
    assert new.is_empty()


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.999])
def test_file_cut_short_leaves_nothing(new, sealed, keep):
    content = sealed.read_bytes()
    sealed.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(SealError):
        new.archive.import_dataset(sealed, KEY)
    assert new.is_empty()


def test_file_cut_between_chunks_leaves_nothing(machine, new, tmp_path):
    old = machine("large")
    number = old.prepared()
    (old.datasets.get(number).data_path / "big").write_bytes(os.urandom(300_000))
    found = fingerprint(old.datasets.get(number).roots).digest
    old.datasets.remember(number, fingerprint=found)
    old.archive.export_dataset(number, tmp_path / "file", KEY)
    content = (tmp_path / "file").read_bytes()
    start = len(sealing.MAGIC) + 4
    start += int.from_bytes(content[start - 4 : start], "big")
    (tmp_path / "file").write_bytes(content[: start + 3 * (sealing.CHUNK_BYTES + 16)])
    with pytest.raises(SealError):
        new.archive.import_dataset(tmp_path / "file", KEY)
    assert new.is_empty()


def test_changed_byte_leaves_nothing(new, sealed):
    content = bytearray(sealed.read_bytes())
    content[-200] ^= 1
    sealed.write_bytes(content)
    with pytest.raises(SealError, match="changed"):
        new.archive.import_dataset(sealed, KEY)
    assert new.is_empty()


def test_other_site_cannot_import_even_with_the_secret(machine, sealed):
    other = machine("other", site="server/10")
    with pytest.raises(ForbiddenError, match="another site"):
        other.archive.import_dataset(sealed, KEY)
    assert other.is_empty()


@pytest.mark.parametrize("content", [b"", b"some other file"])
def test_other_files_are_refused(new, tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(MalformedFileError):
        new.archive.import_dataset(tmp_path / "x", KEY)
    assert new.is_empty()


def test_missing_file_is_named(new, tmp_path):
    with pytest.raises(UnreadableFileError, match="nowhere"):
        new.archive.import_dataset(tmp_path / "nowhere", KEY)


def test_imported_twice_is_a_duplicate(new, sealed):
    new.archive.import_dataset(sealed, KEY)
    with pytest.raises(DuplicateError, match="already, as 'first'"):
        new.archive.import_dataset(sealed, KEY, name="again")
    assert len(new.datasets.all()) == 1


def test_name_that_is_taken_here_can_be_changed(new, sealed):
    data, labels = new.raw()
    new.datasets.add("first", PREPARATOR, raw_data_path=data, raw_labels_path=labels)
    with pytest.raises(DuplicateError, match="name"):
        new.archive.import_dataset(sealed, KEY)
    assert len(new.datasets.all()) == 1
    assert new.archive.import_dataset(sealed, KEY, name="moved").name == "moved"


def test_files_that_changed_since_are_not_exported(old, tmp_path):
    data = old.datasets.get(1).data_path
    (data / "case0.txt").rename(data / "case9.txt")
    with pytest.raises(FingerprintMismatchError):
        old.archive.export_dataset(1, tmp_path / "file", KEY)
    assert not (tmp_path / "file").exists()


def test_unprepared_dataset_is_not_exported(new, tmp_path):
    data, labels = new.raw()
    new.datasets.add("raw", PREPARATOR, raw_data_path=data, raw_labels_path=labels)
    with pytest.raises(ConflictError, match="is raw"):
        new.archive.export_dataset(1, tmp_path / "file", KEY)
    with pytest.raises(NotFoundError):
        new.archive.export_dataset(2, tmp_path / "file", KEY)


def test_existing_file_is_never_overwritten(old, tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConflictError, match="exists"):
        old.archive.export_dataset(1, tmp_path / "file", KEY)
    assert (tmp_path / "file").read_text() == "precious"


def test_missing_target_folder_is_named(old, tmp_path):
    with pytest.raises(InvalidRequestError, match="no folder"):
        old.archive.export_dataset(1, tmp_path / "none" / "file", KEY)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_interrupted_export_leaves_no_file(old, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(dataset_archive, "_add", fail)
    with pytest.raises((DiskFullError, KeyboardInterrupt)):
        old.archive.export_dataset(1, tmp_path / "file", KEY)
    assert not [path for path in tmp_path.iterdir() if "file" in path.name]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_interrupted_import_leaves_nothing(new, sealed, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(dataset_archive.shutil, "copyfileobj", fail)
    with pytest.raises((DiskFullError, KeyboardInterrupt)):
        new.archive.import_dataset(sealed, KEY)
    assert new.is_empty()


def test_too_little_space_refuses_before_writing(new, sealed):
    new.archive._reserve_bytes = 2**62
    with pytest.raises(DiskFullError):
        new.archive.import_dataset(sealed, KEY)
    assert new.is_empty()


def test_leftovers_of_a_killed_import_disappear(new, sealed):
    (new.folder / "datasets" / ".import" / "data").mkdir(parents=True)
    (new.folder / "datasets" / ".import" / "data" / "stranger").write_text("x")
    (new.folder / "datasets" / "1" / "data").mkdir(parents=True)  # moved, but never recorded
    (new.folder / "datasets" / "1" / "data" / "stranger").write_text("x")
    moved = new.archive.import_dataset(sealed, KEY)
    assert fingerprint(moved.roots).digest == moved.fingerprint


def test_two_imports_at_once_are_refused(new, sealed):
    with new.archive._arriving(), pytest.raises(ConflictError, match="being imported"):
        new.archive.import_dataset(sealed, KEY)


def reseal(sealed, target, change):
    """What a colleague with the secret could write by hand."""
    with sealed.open("rb") as file:
        content = io.BufferedReader(Unsealer(file, KEY)).read()
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content)) as reading,
        tarfile.open(fileobj=out, mode="w") as writing,
    ):
        for entry in reading:
            body = reading.extractfile(entry).read()
            for name, kind, link, data in change(entry.name, body):
                made = tarfile.TarInfo(name)
                made.type, made.linkname, made.size = kind, link, len(data)
                writing.addfile(made, io.BytesIO(data))
    with target.open("wb") as file:
        sealer = Sealer(
            file, KEY, {"kind": "medperf dataset", "site": "server/9"}, random=os.urandom
        )
        sealer.write(out.getvalue())
        sealer.finish()


def keep(name, body):
    return (name, tarfile.REGTYPE, "", body)


def also(*more):
    return lambda name, body: [keep(name, body), *(more if name == "dataset.json" else ())]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (also(keep("../../escaped", b"x")), UnsafeArchiveError),
        (also(keep("data/../../escaped", b"x")), UnsafeArchiveError),
        (also(keep("/escaped", b"x")), UnsafeArchiveError),
        (also(keep("elsewhere/x", b"x")), UnsafeArchiveError),
        (also(("data/link", tarfile.SYMTYPE, "/etc/passwd", b"")), UnsafeArchiveError),
        (also(("data/link", tarfile.LNKTYPE, "dataset.json", b"")), UnsafeArchiveError),
        (also(keep("data/case0.txt", b"x")), UnsafeArchiveError),
        (also(keep("data/more.txt", b"x")), FingerprintMismatchError),
        (
            lambda name, body: [keep(name, body.replace(b"IMAGE 0", b"IMAGE 1"))],
            FingerprintMismatchError,
        ),
        (lambda name, body: [keep(name.replace("case0", "case9"), body)], FingerprintMismatchError),
        (
            lambda name, body: [] if name == "dataset.json" else [keep(name, body)],
            MalformedFileError,
        ),
        (
            lambda name, body: [keep(name, b"{}" if name == "dataset.json" else body)],
            MalformedFileError,
        ),
        (lambda name, body: [], MalformedFileError),
    ],
)
def test_sealed_file_with_anything_but_the_dataset_leaves_nothing(
    new, sealed, tmp_path, change, error
):
    reseal(sealed, tmp_path / "evil", change)
    with pytest.raises(error):
        new.archive.import_dataset(tmp_path / "evil", KEY)
    assert new.is_empty()
    assert not list(tmp_path.rglob("escaped"))
