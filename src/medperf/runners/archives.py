"""Pack a folder so that equal content gives equal bytes; unpack a stranger's archive safely."""

import gzip
import hashlib
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from medperf.domain.errors import EmptyInputError, MalformedFileError, UnsafeArchiveError
from medperf.runners.outputs import MAX_DEPTH

_CHUNK = 1024 * 1024
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    EOFError,
    lzma.LZMAError,
    zlib.error,
    RuntimeError,
)
"""How the standard library says that an archive is none, is damaged, or is locked or compressed in
a way that it cannot read (a ``RuntimeError``)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much an archive may unpack to; small archives that unpack to huge ones are attacks."""

    size_bytes: int = 200 * 1024**3
    entries: int = 2_000_000


def pack(folder: Path, archive: Path) -> str:
    """Write ``folder`` as a ``.tar.gz`` and answer with its digest.

    Names are sorted; times, owners and all permissions but *executable* are left out, so the digest
    depends on nothing but names and bytes.

    Raises:
        EmptyInputError: there is no file in it.
        UnsafeArchiveError: it holds a link or something that is not a file.
    """
    names = list(_files(folder))
    if not names:
        raise EmptyInputError(f"there is nothing to pack in {folder}")
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in names:
            path = folder / name
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            entry.mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            with path.open("rb") as content:
                tar.addfile(entry, content)
    return digest_of(archive)


def digest_of(path: Path) -> str:
    """The sha256 of a file, in the platform's notation."""
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def unpack(archive: Path, folder: Path, bounds: Bounds = Bounds()) -> None:
    """Unpack a ``.tar`` (also compressed) or ``.zip`` into ``folder``, which must not exist yet.

    Only files and folders are made, with plain permissions. On an error nothing is left.

    Raises:
        UnsafeArchiveError: a path leaves the folder, an entry is a link or a device, or there is
            more than ``bounds`` allow.
        MalformedFileError: it is not such an archive, or it is damaged.
    """
    folder.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, _Target(folder, bounds))
        else:
            _unpack_tar(archive, _Target(folder, bounds))
    except DAMAGED as error:
        shutil.rmtree(folder)
        raise MalformedFileError(f"{archive.name} is not a usable archive: {error}") from error
    except BaseException:
        shutil.rmtree(folder)
        raise


class _Target:
    """The folder that is unpacked into, and how much may still come."""

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        self._folder = folder
        self._bytes_left = bounds.size_bytes
        self._entries_left = bounds.entries

    def make_folder(self, name: str) -> None:
        self._inside(name).mkdir(parents=True, exist_ok=True)

    def make_file(self, name: str, content: BinaryIO, *, is_executable: bool) -> None:
        path = self._inside(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            target = os.open(path, flags, 0o755 if is_executable else 0o644)
        except OSError as error:
            raise UnsafeArchiveError(f"{name!r} is in the archive twice") from error
        with os.fdopen(target, "wb") as stream:
            while chunk := content.read(_CHUNK):
                self._bytes_left -= len(chunk)
                if self._bytes_left < 0:
                    raise UnsafeArchiveError("the archive unpacks to more than it may")
                stream.write(chunk)

    def _inside(self, name: str) -> Path:
        self._entries_left -= 1
        if self._entries_left < 0:
            raise UnsafeArchiveError("the archive holds more entries than it may")
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
            raise UnsafeArchiveError(f"{name!r} would leave the archive's folder")
        if len(path.parts) > MAX_DEPTH:
            raise UnsafeArchiveError(f"the archive nests folders more than {MAX_DEPTH} deep")
        return self._folder / path


def _unpack_tar(archive: Path, target: _Target) -> None:
    with tarfile.open(archive, "r:*") as tar:
        for entry in tar:
            if entry.isdir():
                target.make_folder(entry.name)
                continue
            content = tar.extractfile(entry) if entry.isreg() else None
            if content is None:
                raise UnsafeArchiveError(f"{entry.name!r} is a link or a device, not a file")
            is_executable = bool(entry.mode & stat.S_IXUSR)
            target.make_file(entry.name, content, is_executable=is_executable)  # type: ignore[arg-type]


def _unpack_zip(archive: Path, target: _Target) -> None:
    with zipfile.ZipFile(archive) as container:
        for entry in container.infolist():
            mode = entry.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UnsafeArchiveError(f"{entry.filename!r} is a link or a device, not a file")
            if entry.is_dir():
                target.make_folder(entry.filename)
                continue
            with container.open(entry) as content:
                is_executable = bool(mode & stat.S_IXUSR)
                target.make_file(entry.filename, content, is_executable=is_executable)  # type: ignore[arg-type]


def _files(folder: Path) -> Iterator[str]:
    """Every file below ``folder``, sorted by name, without what Python leaves behind."""
    found = []
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        if "__pycache__" in path.parts or stat.S_ISDIR(mode):
            continue
        name = path.relative_to(folder).as_posix()
        if not stat.S_ISREG(mode):
            raise UnsafeArchiveError(f"{name!r} is a link or a device, not a file")
        found.append(name)
    return iter(sorted(found))
