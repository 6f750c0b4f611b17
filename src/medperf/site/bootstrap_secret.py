"""The secret that a site draws bootstrap weights from: made once, and never shown to anybody."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from medperf.domain.errors import ConflictError, MalformedFileError

LENGTH = 32


def read_secret(path: Path, random: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """The secret in ``path``, which is made if there is none.

    Raises:
        ConflictError: others may read the file.
        MalformedFileError: it does not hold a secret.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        _make(path, random(LENGTH))
        return read_secret(path, random)
    if mode & 0o077:
        raise ConflictError(
            f"others may read {path}",
            hint=f"Run 'chmod 600 {path}'. Whoever read it can tell values of cases from released"
            " replicates: if others could have, tell the benchmark's owner.",
        )
    secret = path.read_bytes()
    if len(secret) != LENGTH:
        raise MalformedFileError(
            f"{path} holds {len(secret)} bytes instead of {LENGTH}",
            hint="Restore it from the site's backup. With a new one, later results are no longer"
            " paired with earlier ones.",
        )
    return secret


def _make(path: Path, secret: bytes) -> None:
    # Whole before it has its name, and never replacing one: two programs may start at once.
    partial = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(partial)
    except FileExistsError:
        pass
    finally:
        partial.unlink()
