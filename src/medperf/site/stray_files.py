"""Read a file that a container wrote: opened without following links, and up to a limit."""

import os
import stat
from pathlib import Path

from medperf.domain.errors import EmptyInputError, MalformedFileError, UnreadableFileError


def read_text(path: Path, *, max_bytes: int, what: str) -> str:
    """Read text in UTF-8; ``what`` is what a person calls the file.

    Raises:
        EmptyInputError: there is no such file.
        MalformedFileError: it is no file, too large, or not text.
        UnreadableFileError: it cannot be read.
    """
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise EmptyInputError(f"there is no {what}") from error
    except OSError as error:
        raise UnreadableFileError(f"the {what} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise MalformedFileError(f"the {what} is not a file")
    with os.fdopen(opened, "rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise MalformedFileError(f"the {what} is larger than {max_bytes} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedFileError(f"the {what} is not UTF-8 text") from error
