"""What a site fetched, by content: image archives, additional files, demo datasets.

Nothing is used whose digest was not checked: bytes arrive in ``partial/``, are checked, and only
then get the name of their digest. Files that are here already are looked at again (size, times,
inode) and checked again when anything differs. One caller fetches, all others wait for it, in
whichever thread or process they are.

``files/<digest>`` · ``folders/<digest>`` unpacked · ``partial/`` · ``locks/`` · ``seen.db``
"""

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from blake3 import blake3

from medperf.domain.container_records import FileReference
from medperf.domain.containers import ContainerConfig, ContainerType
from medperf.domain.errors import (
    CancelledError,
    DigestMismatchError,
    DownloadError,
    EmptyInputError,
    FileChangedError,
    FingerprintMismatchError,
    InvalidRequestError,
    IrregularFileError,
    NotSupportedError,
    UnreadableFileError,
)
from medperf.runners.archives import pack, unpack
from medperf.site.disk import RESERVE_BYTES, disk_errors, require_space
from medperf.site.file_lock import drop_lock, take_lock
from medperf.site.fingerprint import fingerprint, verify_fingerprint
from medperf.site.fingerprint_cache import FingerprintCache

_CHUNK = 1024 * 1024
_LOCK_LOOK_S = 0.05
_NOT_INTACT = (
    FingerprintMismatchError,
    EmptyInputError,
    IrregularFileError,
    # Another one throws it away just now, for not being what it should be.
    FileChangedError,
    UnreadableFileError,
)


class Fetcher(Protocol):
    """Brings a file here; ``medperf.client.downloads.Downloader`` is one."""

    def fetch(
        self,
        url: str,
        target: Path,
        *,
        guard: Callable[[int], None],
        cancel: threading.Event | None = None,
    ) -> None:
        """Bring ``url`` to ``target``, going on after the bytes that are there.

        ``guard`` is told how many bytes come next, and raises when there is no room for them.
        """


class Assets:
    """A folder of checked files that threads and processes share."""

    def __init__(
        self,
        folder: Path,
        *,
        fetcher: Fetcher | None = None,
        allow_local: bool = False,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        """Take over ``folder``.

        Args:
            folder: made when missing.
            fetcher: how addresses are fetched; the client's downloader unless one is given.
            allow_local: whether an address may be a path on this machine (tests, demo, and what a
                person names on the command line). A record from the server must not read files.
            reserve_bytes: what stays free on the disk.
        """
        self._folder = folder
        self._fetcher = fetcher
        self._allow_local = allow_local
        self._reserve_bytes = reserve_bytes
        self._cache = FingerprintCache(folder / "seen.db")

    def file(self, reference: FileReference, *, cancel: threading.Event | None = None) -> Path:
        """The file with this digest; fetched when it is not here.

        Raises:
            DigestMismatchError: what is delivered there has another digest.
            DownloadError: it could not be fetched; what arrived is kept for the next attempt.
            DiskFullError: there is no room for it.
            CancelledError: ``cancel`` was set.
        """
        place = self._folder / "files" / _name(reference.digest)
        with self._only_one(reference.digest, cancel):
            if not self._is_intact(place):
                _remove(place)
                self._fetch(reference, place, cancel)
        return place

    def folder(self, reference: FileReference, *, cancel: threading.Event | None = None) -> Path:
        """The unpacked archive with this digest.

        Raises:
            UnsafeArchiveError, MalformedFileError: it is no archive that may be unpacked here.
            EmptyInputError: it holds no file.
            MedPerfError: as :meth:`file`.
        """
        place = self._folder / "folders" / _name(reference.digest)
        if self._is_intact(place):
            return place
        archive = self.file(reference, cancel=cancel)
        with self._only_one(reference.digest, cancel):
            if not self._is_intact(place):
                _remove(place)
                self._unpack(archive, place)
        return place

    def image_source(
        self,
        config: ContainerConfig,
        image_digest: str,
        *,
        cancel: threading.Event | None = None,
    ) -> Path | None:
        """The file a container's image comes from; None where an engine pulls it from a registry.

        For archives that hold an image of their own digest (``DockerArchive``) the runner's
        ``resolve`` is what checks ``image_digest``; call :meth:`forget_image` when it objects.

        Raises:
            NotSupportedError: the container is encrypted.
            MedPerfError: as :meth:`file`.
        """
        kind = config.container_type
        if kind.is_encrypted:
            raise NotSupportedError(f"{kind} cannot run yet: nothing releases its key to this site")
        if not kind.is_fetched:
            return None
        reference = FileReference(url=config.image, digest=image_digest)
        if kind is not ContainerType.DOCKER_ARCHIVE:
            return self.file(reference, cancel=cancel)
        place = self._folder / "files" / _image_name(config.image, image_digest)
        with self._only_one(place.name, cancel):
            if not self._is_intact(place):
                _remove(place)
                self._arrive(reference, place, cancel)
        return place

    def forget_image(self, config: ContainerConfig, image_digest: str) -> None:
        """Throw away an image file that turned out not to hold the promised image."""
        place = self._folder / "files" / _image_name(config.image, image_digest)
        with self._only_one(place.name, None):
            _remove(place)

    def _fetch(self, reference: FileReference, place: Path, cancel: threading.Event | None) -> None:
        resumed = (self._folder / "partial" / place.name).exists()
        try:
            self._arrive(reference, place, cancel, expected=reference.digest)
        except DigestMismatchError:
            if not resumed:
                raise
            # The file may have been replaced between two attempts: once more, from the start.
            self._arrive(reference, place, cancel, expected=reference.digest)

    def _arrive(
        self,
        reference: FileReference,
        place: Path,
        cancel: threading.Event | None,
        *,
        expected: str | None = None,
    ) -> None:
        part = self._folder / "partial" / place.name
        part.parent.mkdir(parents=True, exist_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        local = self._local(reference.url)
        if local is None:
            self._download(reference.url, part, cancel)
        else:
            self._copy(local, part, cancel)
        found = _digest(part, expected) if expected else None
        if found != expected:
            part.unlink()
            raise DigestMismatchError(
                f"{reference.url} delivers {found}, registered is {expected}",
                expected=expected,
                found=found,
            )
        self._settle(part, place)

    def _local(self, url: str) -> Path | None:
        """The path an address stands for, if it is one of this machine."""
        try:
            parts = urlsplit(url.removeprefix("direct:"))
        except ValueError as error:
            raise InvalidRequestError(f"{url!r} is no address: {error}") from error
        if parts.scheme in {"http", "https"}:
            return None
        if parts.scheme not in {"", "file"}:
            raise InvalidRequestError(f"{url!r} is neither an https address nor a path")
        path = Path(unquote(parts.path)) if parts.scheme else Path(url.removeprefix("direct:"))
        if not self._allow_local:
            raise InvalidRequestError(
                f"{url!r} is a path on this machine, which a registered file may not be",
                hint="Put the file where sites can reach it and register its https address.",
            )
        if not path.is_absolute():
            raise InvalidRequestError(f"{url!r} is a relative path; write it from the root")
        return path

    def _download(self, url: str, part: Path, cancel: threading.Event | None) -> None:
        if self._fetcher is None:
            from medperf.client.downloads import Downloader  # noqa: PLC0415  (costs start-up time)

            self._fetcher = Downloader()

        def guard(n_bytes: int) -> None:
            require_space(part.parent, n_bytes, reserve_bytes=self._reserve_bytes)

        with disk_errors(part.parent):
            self._fetcher.fetch(url.removeprefix("direct:"), part, guard=guard, cancel=cancel)

    def _copy(self, source: Path, part: Path, cancel: threading.Event | None) -> None:
        part.unlink(missing_ok=True)
        if not source.exists():
            raise DownloadError(f"there is no file {source}", hint="Check the path.")
        if source.is_dir():
            pack(source, part)
            return
        if not source.is_file():
            raise InvalidRequestError(f"{source} is a device or a pipe", hint="Check the path.")
        require_space(part.parent, source.stat().st_size, reserve_bytes=self._reserve_bytes)
        with disk_errors(part.parent), source.open("rb") as reading, part.open("wb") as writing:
            while chunk := reading.read(_CHUNK):
                if cancel and cancel.is_set():
                    raise CancelledError("fetching was stopped")
                writing.write(chunk)

    def _unpack(self, archive: Path, place: Path) -> None:
        part = self._folder / "partial" / f"{place.name}.folder"
        _remove(part)
        require_space(self._folder, archive.stat().st_size, reserve_bytes=self._reserve_bytes)
        with disk_errors(self._folder):
            unpack(archive, part)
        self._settle(part, place)

    def _settle(self, part: Path, place: Path) -> None:
        """Give checked bytes their name; from here on their fingerprint must stay."""
        place.parent.mkdir(parents=True, exist_ok=True)
        _mark(place).write_text(fingerprint({"asset": part}).digest)
        part.replace(place)

    def _is_intact(self, place: Path) -> bool:
        try:
            expected = _mark(place).read_text()
            verify_fingerprint(expected, {"asset": place}, cache=self._cache)
        except (OSError, *_NOT_INTACT):
            return False
        return True

    @contextmanager
    def _only_one(self, name: str, cancel: threading.Event | None) -> Iterator[None]:
        """Hold the lock of this name; the system lets go of it when the process dies."""
        lock = self._folder / "locks" / _name(name)
        while (held := take_lock(lock, _LOCK_LOOK_S)) is None:
            if cancel and cancel.is_set():
                raise CancelledError("waiting for another download was stopped")
        try:
            yield
        finally:
            drop_lock(held)


def _name(digest: str) -> str:
    return digest.replace(":", "-")


def _image_name(address: str, image_digest: str) -> str:
    where = hashlib.sha256(address.encode()).hexdigest()[:16]
    return f"image-{_name(image_digest)}-{where}"


def _mark(place: Path) -> Path:
    return place.with_name(f"{place.name}.fingerprint")


def _digest(path: Path, like: str) -> str:
    """The digest of a file by the algorithm that ``like`` names."""
    algorithm = like.partition(":")[0]
    digest = hashlib.sha256() if algorithm == "sha256" else blake3()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"{algorithm}:{digest.hexdigest()}"


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
