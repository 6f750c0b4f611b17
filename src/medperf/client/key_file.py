"""A private key in a file that its owner alone may read."""

import os
from pathlib import Path

from medperf.domain.errors import ConflictError, InvalidRequestError
from medperf.provenance.keys import PrivateKey


def read_key_file(path: Path) -> PrivateKey:
    """The key in a file.

    Raises:
        ConflictError: others may read the file.
        InvalidRequestError: it is missing.
        MalformedFileError: it holds no Ed25519 key.
    """
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise ConflictError(
                f"others may read {path}",
                hint=f"Run 'chmod 600 {path}'; if others could have, use a new key.",
            )
        return PrivateKey.from_pem(path.read_bytes())
    except FileNotFoundError:
        raise InvalidRequestError(
            f"the key is missing: {path}", hint="Restore it from your backup."
        ) from None


def own_key_file(path: Path) -> PrivateKey:
    """The key in a file; a new one is made where there is none.

    Raises:
        ConflictError: others may read the file.
        MalformedFileError: it holds no Ed25519 key.
    """
    if path.exists():
        return read_key_file(path)
    key = PrivateKey.generate()
    # Whole before it has its name: a killed attempt must not leave half a key.
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.to_pem())
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return key
