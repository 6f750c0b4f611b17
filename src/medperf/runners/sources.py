"""Code without an image: a ``SourceArchive`` becomes a read-only folder named by its digest."""

import shutil
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from medperf.domain.containers import ContainerConfig, ContainerType
from medperf.domain.errors import DigestMismatchError, InvalidRequestError, NotFoundError
from medperf.runners.archives import digest_of, pack, unpack
from medperf.runners.base import Image


class SourceStore:
    """Unpacked code below one folder, each under its digest, unpacked once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._digests: dict[tuple[object, ...], str] = {}

    def resolve(self, config: ContainerConfig, source: Path | None, expected: str | None) -> Image:
        """Answer with the code in ``source`` (a folder or an archive), unpacked and checked.

        Raises:
            InvalidRequestError: no source was given.
            NotFoundError: it does not exist.
            DigestMismatchError: it is not what was expected.
        """
        if source is None:
            raise InvalidRequestError(f"{config.image} was not fetched before it was resolved")
        if not source.exists():
            raise NotFoundError(f"there is no code at {source}")
        with self._lock:
            state = _state(source)
            digest = self._digests.get(state)
            if digest is None or not self._place(digest).is_dir():
                digest = self._bring(source, expected)
                self._digests[state] = digest
        _compare(digest, expected)
        return Image(ContainerType.SOURCE_ARCHIVE, digest, str(self._place(digest)))

    def _bring(self, source: Path, expected: str | None) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._folder) as scratch:
            archive = source
            if source.is_dir():
                archive = Path(scratch, "source.tar.gz")
                digest = pack(source, archive)
            else:
                digest = digest_of(source)
            _compare(digest, expected)
            place = self._place(digest)
            if not place.is_dir():
                fresh = Path(scratch, "code")
                unpack(archive, fresh)
                _open_for_reading(fresh)
                try:
                    fresh.rename(place)
                except OSError:
                    if not place.is_dir():  # another process was first: equal digest, equal code
                        raise
                    shutil.rmtree(fresh)
        return digest

    def _place(self, digest: str) -> Path:
        return self._folder / digest.replace(":", "-")


def _compare(digest: str, expected: str | None) -> None:
    if expected is not None and digest != expected:
        raise DigestMismatchError(f"the code is {digest}, promised was {expected}")


def _state(source: Path) -> tuple[object, ...]:
    """What changes when the source changes, without reading it."""
    paths = sorted(source.rglob("*")) if source.is_dir() else [source]
    stats = [(path, path.lstat()) for path in paths]
    return (source, *((path, stat.st_size, stat.st_mtime_ns, stat.st_ino) for path, stat in stats))


def _open_for_reading(folder: Path) -> None:
    """A step may run as a user who is neither the owner nor in the group, whatever the umask."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
