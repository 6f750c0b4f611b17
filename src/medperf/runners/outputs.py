"""What a step leaves behind is hostile until swept, and when deleted: links are never followed."""

import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medperf.domain.errors import StepOutputError

_OWNER_FILE = stat.S_IRUSR | stat.S_IWUSR
_OWNER_FOLDER = _OWNER_FILE | stat.S_IXUSR
_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_DEPTH = 100
"""Folders inside one another. Deeper than some hundreds, programs cannot read or delete them."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How much lies below some paths."""

    size_bytes: int
    files: int


def measure(paths: Iterable[Path]) -> Usage:
    """Add up what lies below ``paths`` while something may still be writing there.

    Raises:
        StepOutputError: folders are nested too deeply to be looked at.
    """
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
        StepOutputError: there is a symbolic link, a device, a socket, a pipe, a file that is also
            linked from somewhere else, or a folder too deep. The message never names the file.
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


def delete(path: Path) -> None:
    """Delete a file, or a folder however deep and closed a step made it; nothing there is fine.

    Folders are moved up before they are emptied, so that neither depth nor length of a path counts.

    Raises:
        OSError: something cannot be deleted.
    """
    try:
        is_folder = stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_folder:
        path.unlink(missing_ok=True)
        return
    path.chmod(_OWNER_FOLDER)
    top = os.open(path, _OPEN_FOLDER)
    try:
        ahead = _emptied(top, top)
        while ahead:
            name = ahead.pop()
            folder = os.open(name, _OPEN_FOLDER, dir_fd=top)
            try:
                ahead += _emptied(folder, top)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    path.rmdir()


def _emptied(folder: int, top: int) -> list[str]:
    """Delete the files in an open folder and move its folders to the top; answers their names."""
    lifted = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=folder)
                continue
            os.chmod(entry.name, _OWNER_FOLDER, dir_fd=folder)
            lifted.append(f"deleted-{secrets.token_hex(8)}")
            os.rename(entry.name, lifted[-1], src_dir_fd=folder, dst_dir_fd=top)
    return lifted


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


def _walk_at(
    place: _Place, *, missing_ok: bool, depth: int = 0
) -> Iterator[tuple[_Place, os.stat_result]]:
    if depth > MAX_DEPTH:
        raise StepOutputError(f"the output has folders that are nested more than {MAX_DEPTH} deep")
    try:
        entry = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
    except OSError:
        if missing_ok:
            return
        raise
    yield place, entry
    if not stat.S_ISDIR(entry.st_mode):
        return
    try:
        folder = os.open(place.name, _OPEN_FOLDER, dir_fd=place.folder)
    except OSError:
        if missing_ok:  # gone, swapped or closed to us while the step runs: counted at its end
            return
        raise
    try:
        for name in os.listdir(folder):  # noqa: PTH208  # an open folder, not a path
            yield from _walk_at(_Place(folder, name), missing_ok=missing_ok, depth=depth + 1)
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
