"""Move a prepared dataset between machines of one site: one encrypted file, verified on arrival.

The file is a sealed tar stream: ``dataset.json`` first, then the files of each root in order. The
site is bound into the seal and another site's machine refuses the file; what keeps it secret is the
passphrase or key alone. What comes in is a dataset only when the seal is whole and the fingerprint
is the registered one; until then it lies in a folder of its own, which disappears on any error.
"""

import io
import os
import secrets
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError

from medperf.domain.container_records import Container
from medperf.domain.errors import (
    ConflictError,
    DuplicateError,
    FileChangedError,
    ForbiddenError,
    InvalidRequestError,
    MalformedFileError,
    UnreadableFileError,
    UnsafeArchiveError,
)
from medperf.domain.identifiers import Digest, Name, UtcTime
from medperf.domain.wire import first_fault
from medperf.provenance.sealing import Sealer, Secret, Unsealer
from medperf.site.data_files import data_files
from medperf.site.disk import RESERVE_BYTES, disk_errors, require_space
from medperf.site.file_lock import drop_lock, take_lock
from medperf.site.fingerprint import verify_fingerprint
from medperf.site.fingerprint_cache import FingerprintCache
from medperf.site.store.datasets import DatasetFolder, Datasets, LocalDataset

MANIFEST = "dataset.json"
_OWN = (("data",), ("labels",), ("metadata",))
_REPORT = "report/report.yaml"
_KIND = "medperf dataset"
_MAX_MANIFEST_BYTES = 16 * 1024 * 1024
_CHUNK = 1024 * 1024


class DatasetArchive:
    """Writes and reads dataset files of one site."""

    def __init__(
        self,
        datasets: Datasets,
        folder: Path,
        *,
        site: str,
        cache: FingerprintCache,
        random: Callable[[int], bytes] = secrets.token_bytes,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        """Collaborators.

        Args:
            datasets: the site's datasets.
            folder: where their files lie.
            site: names the site everywhere the same, for instance ``<log name>/9``.
            cache: what earlier fingerprints read.
            random: for salts.
            reserve_bytes: what stays free on the disk.
        """
        self._datasets = datasets
        self._folder = folder
        self._site = site
        self._cache = cache
        self._random = random
        self._reserve_bytes = reserve_bytes

    def export_dataset(self, number: int, target: Path, secret: Secret) -> LocalDataset:
        """Write a prepared or registered dataset as one encrypted file.

        Raises:
            ConflictError: it is not prepared, or there is a file at ``target``.
            InvalidRequestError: there is no folder to write to.
            FingerprintMismatchError: its files are not the ones that were prepared.
            DiskFullError: there is no room for the file; nothing is left.
        """
        dataset = self._datasets.get(number)
        manifest = _manifest(dataset)
        if target.exists():
            raise ConflictError(f"{target} exists already", hint="Choose another file name.")
        if not target.parent.is_dir():
            raise InvalidRequestError(f"there is no folder {target.parent}")
        found = verify_fingerprint(manifest.fingerprint, dataset.roots, cache=self._cache)
        require_space(target.parent, found.size_bytes, reserve_bytes=self._reserve_bytes)
        part = target.with_name(f".{target.name}.part")
        try:
            with disk_errors(target.parent), _private(part) as file:
                sealer = Sealer(
                    file, secret, {"kind": _KIND, "site": self._site}, random=self._random
                )
                _pack(sealer, manifest, dataset)
                sealer.finish()
                file.flush()
                os.fsync(file.fileno())
            part.rename(target)
        finally:
            part.unlink(missing_ok=True)
        return dataset

    def import_dataset(
        self, source: Path, secret: Secret, *, name: str | None = None
    ) -> LocalDataset:
        """Take in a dataset that another machine of this site exported.

        Args:
            source: the encrypted file.
            secret: what it was sealed with.
            name: calls it differently here.

        Raises:
            SealError: the secret is wrong, or the file was cut short or changed.
            ForbiddenError: it was exported by another site.
            UnsafeArchiveError, MalformedFileError: it holds something else than a dataset.
            FingerprintMismatchError: its files are not the ones that were prepared.
            DuplicateError: the dataset, or one of this name, is here already.
            DiskFullError: there is no room for it.
        """
        with self._arriving() as place, disk_errors(self._folder):
            try:
                file = source.open("rb")
            except OSError as error:
                raise UnreadableFileError(f"{source} cannot be read: {error.strerror}") from error
            with file:
                manifest = self._unpack(file, secret, place)
            self._refuse_duplicate(manifest)
            folder = DatasetFolder(place, manifest.preparator.has_separate_labels)
            verify_fingerprint(manifest.fingerprint, folder.roots, cache=None)

            def bring(into: DatasetFolder) -> None:
                shutil.rmtree(into.root, ignore_errors=True)  # of no dataset: its number is new
                place.rename(into.root)

            return self._datasets.add_prepared(
                name or manifest.name,
                manifest.preparator,
                description=manifest.description,
                fingerprint=manifest.fingerprint,
                n_cases=manifest.n_cases,
                statistics=manifest.statistics,
                prepared_at=manifest.prepared_at,
                dataset_id=manifest.dataset_id,
                bring=bring,
            )

    def _unpack(self, file: BinaryIO, secret: Secret, place: Path) -> "_Manifest":
        unsealer = Unsealer(file, secret)
        self._require_own(unsealer.bound)
        stream = io.BufferedReader(unsealer, _CHUNK)
        # One byte of content proves the header, before anything it says is reported.
        stream.peek(1)
        try:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                manifest = _read_manifest(tar)
                while (entry := tar.next()) is not None:
                    self._unpack_entry(tar, entry, place)
        except tarfile.TarError as error:
            raise MalformedFileError(f"the file holds no dataset: {error}") from error
        while stream.read(_CHUNK):
            """The last chunk proves that nothing is missing."""
        return manifest

    def _unpack_entry(self, tar: tarfile.TarFile, entry: tarfile.TarInfo, place: Path) -> None:
        path = PurePosixPath(entry.name)
        is_known = path.parts[:1] in _OWN or entry.name == _REPORT
        content = tar.extractfile(entry) if entry.isreg() else None
        if content is None or ".." in path.parts or path.is_absolute() or not is_known:
            raise UnsafeArchiveError(f"{entry.name!r} does not belong into a dataset")
        require_space(self._folder, entry.size, reserve_bytes=self._reserve_bytes)
        target = place / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as writing:
                shutil.copyfileobj(content, writing, _CHUNK)
        except (FileExistsError, NotADirectoryError) as error:
            raise UnsafeArchiveError(f"{entry.name!r} is in the file twice") from error

    def _require_own(self, bound: dict[str, Any]) -> None:
        if bound.get("kind") != _KIND:
            raise MalformedFileError("this sealed file holds no dataset")
        if bound.get("site") != self._site:
            raise ForbiddenError(
                "the file was exported by another site; datasets move only within their own",
                hint="Import it on a machine that is enrolled as the site that exported it.",
            )

    def _refuse_duplicate(self, manifest: "_Manifest") -> None:
        for known in self._datasets.all():
            if known.fingerprint == manifest.fingerprint:
                raise DuplicateError(f"this dataset is here already, as {known.name!r}")

    @contextmanager
    def _arriving(self) -> Iterator[Path]:
        """A folder for what arrives; one import at a time, so leftovers of killed ones can go."""
        held = take_lock(self._folder / ".import.lock")
        if held is None:
            raise ConflictError("another dataset is being imported", hint="Wait until it is done.")
        place = self._folder / ".import"
        try:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(mode=0o700)
            try:
                yield place
            finally:
                shutil.rmtree(place, ignore_errors=True)
        finally:
            drop_lock(held)


class _Manifest(BaseModel):
    """What is known of the dataset besides its files."""

    model_config = ConfigDict(frozen=True)

    name: Name
    description: str
    preparator: Container
    fingerprint: Digest
    n_cases: int
    statistics: dict[str, Any]
    prepared_at: UtcTime
    dataset_id: int | None


def _manifest(dataset: LocalDataset) -> _Manifest:
    if (
        dataset.fingerprint is None
        or dataset.n_cases is None
        or dataset.statistics is None
        or dataset.prepared_at is None
    ):
        raise ConflictError(
            f"{dataset.name!r} is {dataset.state}; only a prepared dataset can be exported"
        )
    return _Manifest(
        name=dataset.name,
        description=dataset.description,
        preparator=dataset.preparator,
        fingerprint=dataset.fingerprint,
        n_cases=dataset.n_cases,
        statistics=dataset.statistics,
        prepared_at=dataset.prepared_at,
        dataset_id=dataset.dataset_id,
    )


def _pack(target: Sealer, manifest: _Manifest, dataset: LocalDataset) -> None:
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        content = manifest.model_dump_json().encode()
        tar.addfile(_entry(MANIFEST, len(content)), io.BytesIO(content))
        for root, folder in sorted(dataset.roots.items()):
            for file in data_files(root, folder):
                _add(tar, f"{root}/{os.fsdecode(file.path)}", Path(os.fsdecode(file.place)))
        report = dataset.folder.report_path
        if report.is_file() and not report.is_symlink():
            _add(tar, _REPORT, report)


def _add(tar: tarfile.TarFile, name: str, place: Path) -> None:
    opened = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as file:
        size = os.fstat(opened).st_size
        try:
            tar.addfile(_entry(name, size), file)
        except OSError as error:
            if file.tell() < size and error.errno is None:
                raise FileChangedError(f"{name} changed while it was being read") from error
            raise


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _read_manifest(tar: tarfile.TarFile) -> _Manifest:
    entry = tar.next()
    if entry is None or entry.name != MANIFEST or entry.size > _MAX_MANIFEST_BYTES:
        raise MalformedFileError(f"the file holds no dataset: it does not begin with {MANIFEST}")
    content = tar.extractfile(entry) if entry.isreg() else None
    try:
        return _Manifest.model_validate_json(content.read() if content else b"")
    except ValidationError as error:
        raise MalformedFileError(f"{MANIFEST} is wrong at {first_fault(error)}") from error


@contextmanager
def _private(path: Path) -> Iterator[BinaryIO]:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(opened, "wb") as file:
        yield file
