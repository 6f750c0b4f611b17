"""A container's files as its owner has them: the config, parameters, and what is to be run."""

from pathlib import Path
from typing import Any

from medperf.cli.documents import read_document
from medperf.domain.errors import EmptyInputError, MalformedFileError

CONFIG_NAMES = ("container_config.yaml", "mlcube.yaml")


def config_file_of(path: Path) -> Path:
    """The config itself, or the one in a folder.

    Raises:
        EmptyInputError: there is none.
    """
    if path.is_file():
        return path
    found = next((path / name for name in CONFIG_NAMES if (path / name).is_file()), None)
    if found is None:
        raise EmptyInputError(
            f"there is no {' or '.join(CONFIG_NAMES)} in {path}",
            hint="Write a working starter with 'medperf container new'.",
        )
    return found


def parameters_of(path: Path | None) -> dict[str, Any] | None:
    """The parameters of a YAML file as JSON values.

    Raises:
        MalformedFileError: the file is no YAML table of JSON values.
    """
    if path is None:
        return None
    document = read_document(path)
    if not isinstance(document.data, dict):
        raise MalformedFileError(f"{path}: parameters are a table of names and values")
    document.require_json()
    return document.data
