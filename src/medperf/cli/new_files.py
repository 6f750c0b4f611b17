"""Files that a command writes: always new ones, so that nothing is overwritten by mistake."""

from pathlib import Path

from medperf.domain.errors import ConflictError


def refuse_existing(*paths: Path) -> None:
    """Fail before any work if a file to be written is there.

    Raises:
        ConflictError: naming it.
    """
    for path in paths:
        if path.exists():
            raise ConflictError(f"{path} exists", hint="Name another file, or move this one away.")


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet.

    Raises:
        ConflictError: if it is.
    """
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        refuse_existing(path)
