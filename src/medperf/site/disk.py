"""Free space: stop before the disk is full, because a full disk harms more than one step."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medperf.domain.errors import DiskFullError

GIB = 1024**3
RESERVE_BYTES = GIB
"""What always stays free for the store, the logs and the rest of the machine."""


def require_space(folder: Path, n_bytes: int = 0, *, reserve_bytes: int = RESERVE_BYTES) -> None:
    """Insist that ``n_bytes`` fit on the disk of ``folder`` and the reserve stays free.

    Raises:
        DiskFullError: they do not.
    """
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free - n_bytes < reserve_bytes:
        raise DiskFullError(
            f"{free / GIB:.1f} GiB are free at {place};"
            f" {(n_bytes + reserve_bytes) / GIB:.1f} GiB are needed, reserve included",
            free_bytes=free,
        )


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn the operating system's word for a full disk (or quota) into ours.

    Raises:
        DiskFullError: the disk became full after all.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFullError(f"the disk of {folder} is full") from error
        raise
