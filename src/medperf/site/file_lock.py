"""A lock on a file, which the system lets go of when the process that holds it dies."""

import fcntl
import os
import time
from pathlib import Path

_LOOK_EVERY_S = 0.01


def take_lock(path: Path, wait_s: float = 0.0) -> int | None:
    """Lock a file, which is made, with its folder, where it is missing.

    Args:
        path: the file; what it holds does not matter.
        wait_s: seconds to wait for another holder to let go.

    Returns:
        A descriptor that holds the lock until it is closed; none if another held it all the while.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + wait_s
    while (held := _try(path)) is None and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
    return held


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock now.

    Asking takes the lock for a moment, in a way that hinders nobody else who asks, but whoever
    wants it then: give `take_lock` a little time where somebody may ask.
    """
    try:
        asked = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(asked, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(asked)
    return False


def _try(path: Path) -> int | None:
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    except BaseException:
        os.close(held)
        raise
    return held
