"""A demo dataset: an archive with ``paths.yaml`` at its root that says where the raw data lie."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medperf.domain.errors import EmptyInputError, MalformedFileError
from medperf.site.data_files import holds_files
from medperf.site.yaml_files import read_table

PATHS_FILE = "paths.yaml"
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class DemoData:
    """Where data, labels and (sometimes) metadata of an unpacked demo dataset lie."""

    data_path: Path
    labels_path: Path
    metadata_path: Path | None = None


def read_demo_data(folder: Path) -> DemoData:
    """Read ``paths.yaml`` of an unpacked demo dataset; one more folder around it is allowed.

    Raises:
        EmptyInputError: there is no ``paths.yaml``, or a folder it names holds no file.
        MalformedFileError: it does not name the folders, or names one outside.
    """
    root = folder
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir():
        root = inside[0]
    paths = read_table(root / PATHS_FILE, max_bytes=_MAX_BYTES, what=PATHS_FILE)
    return DemoData(
        _place(root, paths, "data_path"),
        _place(root, paths, "labels_path"),
        _place(root, paths, "metadata_path") if paths.get("metadata_path") else None,
    )


def _place(root: Path, paths: dict[str, object], key: str) -> Path:
    said = paths.get(key)
    if not isinstance(said, str) or not said:
        raise MalformedFileError(f"{PATHS_FILE} does not say where the {key} is")
    path = PurePosixPath(said)
    if path.is_absolute() or ".." in path.parts:
        raise MalformedFileError(f"{PATHS_FILE}: {key} {said!r} leaves the archive")
    place = root / path
    if not holds_files(place):
        raise EmptyInputError(f"{PATHS_FILE}: {key} {said!r} holds no file")
    return place
