"""The files below a data folder: sorted, with the facts that show whether one was touched.

Only regular files and folders may be there. A link would let bytes outside the folder take part,
and a device or pipe has no bytes of its own.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medperf.domain.errors import EmptyInputError, IrregularFileError, UnreadableFileError

_KINDS = {
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "device",
    stat.S_IFCHR: "device",
}


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the file system says of a file; equal facts mean that nobody wrote to it."""

    size: int
    mtime_ns: int
    ctime_ns: int
    device: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> "FileFacts":
        """Take them from a ``stat``."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino)


@dataclass(frozen=True, slots=True)
class DataFile:
    """A regular file below a named root."""

    root: str
    path: bytes
    """Relative, with ``/``, spelled as in the file system; empty when the root is the file."""
    place: bytes
    """Where it is on this machine."""
    facts: FileFacts

    @property
    def shown(self) -> str:
        """How a person at the site reads it."""
        return f"{self.root}/{os.fsdecode(self.path)}".rstrip("/")


def data_files(name: str, root: Path) -> list[DataFile]:
    """List the files below ``root`` in the order of their paths' bytes.

    Raises:
        EmptyInputError: the root is missing or holds no file.
        IrregularFileError: there is something that is neither a file nor a folder.
        UnreadableFileError: a folder cannot be read.
    """
    found = sorted(_walk(name, os.fsencode(resolved(name, root))), key=lambda file: file.path)
    if not found:
        raise EmptyInputError(f"the {name} folder holds no file: {root}")
    return found


def resolved(name: str, root: Path) -> Path:
    """The root's own place; a link to the root itself is the caller's choice and followed.

    Raises:
        EmptyInputError: there is no such folder.
        UnreadableFileError: the way to it is closed.
    """
    try:
        return root.resolve(strict=True)
    except FileNotFoundError as error:
        raise EmptyInputError(f"the {name} folder does not exist: {root}") from error
    except (OSError, RuntimeError) as error:
        raise UnreadableFileError(f"the {name} folder cannot be opened: {root}") from error


def holds_files(root: Path) -> bool:
    """Whether there is at least one thing that is no folder at or below ``root``."""
    if not root.is_dir():
        return root.exists()
    return any(names for _, _, names in os.walk(root))


def _walk(root: str, place: bytes) -> Iterator[DataFile]:
    ahead = [b""]  # a stack of paths: folders may be nested deeper than functions may
    while ahead:
        path = ahead.pop()
        at = place + b"/" + path if path else place
        shown = f"{root}/{os.fsdecode(path)}".rstrip("/")
        try:
            found = os.lstat(at)
            if stat.S_ISREG(found.st_mode):
                yield DataFile(root, path, at, FileFacts.of(found))
            elif stat.S_ISDIR(found.st_mode):
                names = os.listdir(at)  # noqa: PTH208  (pathlib cannot hold paths as bytes)
                ahead += [path + b"/" + name if path else name for name in names]
            else:
                kind = _KINDS.get(stat.S_IFMT(found.st_mode), "special file")
                raise IrregularFileError(f"{shown} is a {kind}")
        except OSError as error:
            raise UnreadableFileError(f"{shown} cannot be read: {error.strerror}") from error
