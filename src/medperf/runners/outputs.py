"""What a step leaves behind is hostile until swept: links are refused, never followed."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medperf.domain.errors import StepOutputError

_OWNER_FILE = stat.S_IRUSR | stat.S_IWUSR
_OWNER_FOLDER = _OWNER_FILE | stat.S_IXUSR
_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX


@dataclass(frozen=True, slots=True)
class Usage:
    """How much lies below some paths."""

    size_bytes: int
    files: int


def measure(paths: Iterable[Path]) -> Usage:
    """Add up what lies below ``paths`` while something may still be writing there."""
    size = files = 0
    for path in paths:
        for _, entry in _walk(path, missing_ok=True):
            # Sparse files count as what they claim to hold: whoever reads them reads it all.
            size += max(entry.st_size, entry.st_blocks * 512)
            files += 1
    return Usage(size, files)


def sweep(path: Path) -> Usage:
    """Check everything below an output of an ended step; afterwards it is plain files and folders.

    Files and folders get their owner's permissions back and lose set-user-ID and the like.

    Raises:
        StepOutputError: there is a symbolic link, a device, a socket, a pipe, or a file that is
            also linked from somewhere else. The message never names the file.
    """
    links: dict[tuple[int, int], int] = {}
    expected: dict[tuple[int, int], int] = {}
    size = files = 0
    for place, entry in _walk(path):
        kind = _refused_kind(entry.st_mode)
        if kind is not None:
            raise StepOutputError(f"the output holds {kind}; only files and folders may be left")
        is_folder = stat.S_ISDIR(entry.st_mode)
        if not is_folder and entry.st_nlink > 1:
            key = (entry.st_dev, entry.st_ino)
            links[key] = links.get(key, 0) + 1
            expected[key] = entry.st_nlink
        _mend_mode(place, entry.st_mode, _OWNER_FOLDER if is_folder else _OWNER_FILE)
        size += entry.st_size
        files += not is_folder
    if links != expected:
        raise StepOutputError("the output holds a file that is linked from somewhere else, too")
    return Usage(size, files)


def give(paths: Iterable[Path], user: int, group: int) -> None:
    """Make everything below ``paths`` belong to a user; links themselves, never what they name."""
    for path in paths:
        for place, entry in _walk(path):
            if (entry.st_uid, entry.st_gid) != (user, group):
                os.chown(place.name, user, group, dir_fd=place.folder, follow_symlinks=False)


@dataclass(frozen=True, slots=True)
class _Place:
    """A name in an open folder, so that no part of its path can be swapped for a link."""

    folder: int | None
    name: str


def _walk(path: Path, *, missing_ok: bool = False) -> Iterator[tuple[_Place, os.stat_result]]:
    """Yield everything below ``path`` and itself, folders before what they hold, unfollowed."""
    yield from _walk_at(_Place(None, os.fspath(path)), missing_ok=missing_ok)


def _walk_at(place: _Place, *, missing_ok: bool) -> Iterator[tuple[_Place, os.stat_result]]:
    try:
        entry = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
    except OSError:
        if missing_ok:
            return
        raise
    yield place, entry
    if not stat.S_ISDIR(entry.st_mode):
        return
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        folder = os.open(place.name, flags, dir_fd=place.folder)
    except OSError:
        if missing_ok:  # gone, swapped or closed to us while the step runs: counted at its end
            return
        raise
    try:
        for name in os.listdir(folder):  # noqa: PTH208  # an open folder, not a path
            yield from _walk_at(_Place(folder, name), missing_ok=missing_ok)
    finally:
        os.close(folder)


def _refused_kind(mode: int) -> str | None:
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    return "a symbolic link" if stat.S_ISLNK(mode) else "a device, socket or pipe"


def _mend_mode(place: _Place, mode: int, owner: int) -> None:
    wanted = (stat.S_IMODE(mode) | owner) & ~_SPECIAL
    if wanted != stat.S_IMODE(mode):
        os.chmod(place.name, wanted, dir_fd=place.folder)
