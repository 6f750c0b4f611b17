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
        wait_s: seconds to wait for another holder to let go. Those who only ask whether there is a
            holder are waited for in any case: they are gone in a moment.

    Returns:
        A descriptor that holds the lock until `drop_lock`; none if another held it all the while.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + wait_s
    while (held := _try(path)) is None:
        if is_locked(path) and time.monotonic() >= until:
            return None
        time.sleep(_LOOK_EVERY_S)
    return held


def drop_lock(held: int) -> None:
    """Let go of a lock.

    A program that another thread is just starting has a copy of the descriptor until it runs:
    closing ours alone would leave the lock with it for that long.
    """
    try:
        fcntl.flock(held, fcntl.LOCK_UN)
    finally:
        os.close(held)


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock now.

    Asking shares the lock for a moment with others who ask, and whoever wants it waits for them.
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
        drop_lock(asked)
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
