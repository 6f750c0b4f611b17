"""Which user of the host a step runs as: the caller, or nobody when the caller is root."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from medperf.runners.outputs import give

NOBODY = 65534
_LOOK_AT_MOST = 2000


@dataclass(frozen=True, slots=True)
class Identity:
    """A user and a group of the host."""

    user: int
    group: int

    @property
    def is_root(self) -> bool:
        """Whether this is the host's root (which then has no capability in a step)."""
        return self.user == 0


def caller() -> Identity:
    """The user who runs the platform."""
    return Identity(os.geteuid(), os.getegid())


def choose(readable: Iterable[Path]) -> Identity:
    """The least powerful user who can read ``readable``.

    Root steps down to *nobody*. Where files are closed to everyone but root, the step stays the
    owner of them, with every capability taken away; the outcome's isolation facts say so. Only
    the first files are looked at: a data set has too many for every step.
    """
    if os.geteuid() != 0:
        return caller()
    for path in readable:
        if not all(_is_open(entry) for entry in islice(_entries(path), _LOOK_AT_MOST)):
            return caller()
    return Identity(NOBODY, NOBODY)


@contextmanager
def lent(paths: Sequence[Path], to: Identity) -> Iterator[None]:
    """Let ``paths`` and all below them belong to the step's user for a while (only root can)."""
    if os.geteuid() != 0:
        yield
        return
    give(paths, to.user, to.group)
    try:
        yield
    finally:
        give(paths, os.geteuid(), os.getegid())


def describe(user: Identity) -> str:
    """Say in an outcome's isolation facts who the step was."""
    return "root without capabilities" if user.is_root else f"uid {user.user}"


def _is_open(entry: os.stat_result) -> bool:
    if stat.S_ISLNK(entry.st_mode):
        return True
    needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(entry.st_mode) else 0)
    return entry.st_uid == NOBODY or entry.st_mode & needed == needed


def _entries(path: Path) -> Iterator[os.stat_result]:
    entry = path.lstat()
    yield entry
    if stat.S_ISDIR(entry.st_mode):
        for child in path.iterdir():
            yield from _entries(child)
