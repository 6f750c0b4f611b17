"""Writers of a SQLite file in turn, whichever thread or process they are in.

SQLite has one write lock, and whoever does not get it sleeps for up to a tenth of a second between
two looks while others come and go; under load some wait for a second. Here the threads of a
process queue for a lock of their own, and one of them at a time looks every half millisecond
whether the other processes have let go of a file beside the database. The system lets go for a
process that ends.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medperf.domain.errors import UnavailableError

_LOOK_EVERY_S = 0.0005


class Turns:
    """Whose turn it is to write to one file."""

    def __init__(self, database: Path, timeout_s: float) -> None:
        self._path = database.with_name(database.name + "-turn")
        self._timeout_s = timeout_s
        self._threads = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and have it for the block.

        Raises:
            UnavailableError: it did not come in time.
        """
        until = time.monotonic() + self._timeout_s
        if not self._threads.acquire(timeout=self._timeout_s):
            raise UnavailableError("too many write to the database now")
        try:
            with _among_processes(self._path, until):
                yield
        finally:
            self._threads.release()


if sys.platform == "win32":

    @contextmanager
    def _among_processes(_path: Path, _until: float) -> Iterator[None]:
        yield  # SQLite's own waiting has to do

else:
    import fcntl

    @contextmanager
    def _among_processes(path: Path, until: float) -> Iterator[None]:
        with path.open("a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise UnavailableError("another process keeps the database") from None
                    time.sleep(_LOOK_EVERY_S)
            yield
